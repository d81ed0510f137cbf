//! Broadcasts and their schedule.

use async_trait::async_trait;

use super::{Appended, PortError, Publish};
use crate::{
    AuditNote, Broadcast, BroadcastDraft, BroadcastId, BroadcastQuery, BroadcastStatus, IdempotencyKey,
    Timestamp,
};

/// The broadcasts of a log, and the log's part in them: they lie in the same store.
///
/// Time is the store's own, the same for all nodes. A step that changes a broadcast adds its note to the
/// [`Audit`](super::Audit) table in the same step, or does neither.
#[async_trait]
pub trait Broadcasts: Send + Sync {
    /// The store's clock.
    ///
    /// # Errors
    /// As all ports.
    async fn now(&self) -> Result<Timestamp, PortError>;

    /// Keeps a broadcast, scheduled; one without a time is due at once. The same id again, or a key that was used for the
    /// same body within a day, changes nothing.
    ///
    /// # Errors
    /// As all ports.
    async fn create(&self, new: &NewBroadcast) -> Result<Creation, PortError>;

    /// One broadcast.
    ///
    /// # Errors
    /// As all ports.
    async fn get(&self, id: BroadcastId) -> Result<Option<Broadcast>, PortError>;

    /// Broadcasts, newest (highest id) first.
    ///
    /// # Errors
    /// As all ports.
    async fn list(&self, query: BroadcastQuery) -> Result<Vec<Broadcast>, PortError>;

    /// Gives this version of a scheduled broadcast another draft.
    ///
    /// # Errors
    /// As all ports.
    async fn change(
        &self,
        id: BroadcastId,
        version: u32,
        draft: &BroadcastDraft,
        note: &AuditNote,
    ) -> Result<Change, PortError>;

    /// Calls a scheduled broadcast off, if it is of this version or none is named. Once this is answered it is never sent.
    ///
    /// # Errors
    /// As all ports.
    async fn cancel(
        &self,
        id: BroadcastId,
        version: Option<u32>,
        note: &AuditNote,
    ) -> Result<Change, PortError>;

    /// The first scheduled broadcasts whose time has come.
    ///
    /// # Errors
    /// As all ports.
    async fn due(&self, limit: u32) -> Result<Due, PortError>;

    /// Appends the publishes of those that still are as they were, scheduled and due for no longer than
    /// [`Broadcast::MISSED`], and marks them sent: both or neither. However many nodes fire, change and cancel at the same
    /// time, each is sent once or never. Those that another node has in hand this instant are passed over.
    ///
    /// # Errors
    /// [`PortError::Unavailable`] leaves the outcome unknown: what was sent is not due any more.
    async fn fire(&self, batch: &[Firing]) -> Result<Fired, PortError>;

    /// Marks those missed that are still scheduled and of these versions.
    ///
    /// # Errors
    /// As all ports.
    async fn miss(&self, batch: &[(BroadcastId, u32)]) -> Result<u32, PortError>;
}

/// A broadcast to be kept.
#[derive(Debug, Clone)]
pub struct NewBroadcast {
    /// Its id, made before the first try.
    pub id: BroadcastId,
    /// What is to be said.
    pub draft: BroadcastDraft,
    /// Who says it.
    pub by: String,
    /// The caller's own key, if one was sent.
    pub key: Option<IdempotencyKey>,
    /// What is noted of it.
    pub note: AuditNote,
}

/// What became of a broadcast to be kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Creation {
    /// It is kept.
    Created(Broadcast),
    /// The key was used before, for this one.
    Replayed(Broadcast),
    /// The key was used before, for another body.
    Mismatch,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "answered once a change and taken apart at once")]
pub enum Change {
    /// It is made.
    Made(Broadcast),
    /// There is no such broadcast.
    NotFound,
    /// It cannot be changed any more.
    NotScheduled(BroadcastStatus),
    /// Another change came first: this is the version now.
    OtherVersion(u32),
}

impl Change {
    /// Why a change of this was not made: it is not scheduled, or else of another version.
    #[must_use]
    pub fn refused(current: &Broadcast) -> Self {
        match current.status {
            BroadcastStatus::Scheduled => Self::OtherVersion(current.version),
            status => Self::NotScheduled(status),
        }
    }
}

/// What is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The store's time as it looked.
    pub now: Timestamp,
    /// Those whose time has come, the earliest first.
    pub broadcasts: Vec<Broadcast>,
}

/// A broadcast to be sent.
#[derive(Debug, Clone)]
pub struct Firing {
    /// Which.
    pub id: BroadcastId,
    /// As which version it was read.
    pub version: u32,
    /// Whether it is late.
    pub late: bool,
    /// Its rows, under its id as the event's.
    pub publish: Publish,
}

/// What was sent.
#[derive(Debug, Clone)]
pub struct Fired {
    /// Which, in the batch's order.
    pub ids: Vec<BroadcastId>,
    /// The rows; nothing in the log's outcomes but those of these.
    pub appended: Appended,
}
