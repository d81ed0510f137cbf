//! The append-only log.

use std::sync::Arc;

use async_trait::async_trait;

use super::PortError;
use crate::{
    Blocked, Entitlement, Epoch, EventId, Head, IdempotencyKey, Kind, Notification, NotificationId, Page,
    Position, Room, Row, Timestamp,
};

/// The append-only log of all notifications.
///
/// Promises that every adapter keeps:
/// - *Commit order.* A row's position is higher than that of every row a reader could already have seen. A reader that
///   has been given the head `n` will never meet a new row at or below `n`, however many append at once.
/// - *All or nothing.* Either every publish of a batch is kept, or none.
/// - *Repetition.* A publish whose event id is in the log already is not kept again, and answers as it did the first
///   time: a batch may be sent again after an unknown outcome.
/// - *Cancellation.* Dropping a future leaves the log in a state some complete call could have left.
#[async_trait]
pub trait Log: Send + Sync {
    /// Keeps a batch, in its order, and answers after the commit. Each publish takes the next positions for its rows.
    ///
    /// # Errors
    /// [`PortError::Unavailable`] leaves the outcome unknown: send the same batch again.
    async fn append(&self, batch: &[Publish]) -> Result<Appended, PortError>;

    /// How far the log has come.
    ///
    /// # Errors
    /// As all ports.
    async fn head(&self) -> Result<Head, PortError>;

    /// The first `limit` rows after a place, of all rooms: what a node follows.
    ///
    /// # Errors
    /// As all ports.
    async fn read(&self, after: Position, limit: u32) -> Result<Page, PortError>;

    /// The first `limit` rows after a place and up to another, of the rooms given and from where each was entitled,
    /// without those expired at `now`: what a connection missed.
    ///
    /// # Errors
    /// As all ports.
    async fn replay(
        &self,
        rooms: &[Entitlement],
        after: Position,
        up_to: Position,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, PortError>;

    /// How many rows [`Log::replay`] would give from a place to the head, counted no further than `most`: what decides
    /// whether a replay is worth its while, without holding it.
    ///
    /// # Errors
    /// As all ports.
    async fn missed(
        &self,
        rooms: &[Entitlement],
        after: Position,
        most: u32,
        now: Timestamp,
    ) -> Result<Missed, PortError>;

    /// A random number that this log was given when it was made: what the nodes over one log share without being
    /// told. A new epoch leaves it as it is.
    ///
    /// # Errors
    /// As all ports.
    async fn secret(&self) -> Result<Secret, PortError>;

    /// Who is blocked: the users whose newest `user:status_changed` ([`status_change`](crate::status_change)) in the order
    /// of the log says BLOCKED. [`Log::append`] keeps it in the same step as the row, and no trimming touches it.
    ///
    /// # Errors
    /// As all ports.
    async fn blocked(&self) -> Result<Blocked, PortError>;

    /// Deletes what was created before an instant of one type, in bounded steps; answers whether there is more to look through.
    /// Each stretch of time is looked through once: a later call goes on where the last one ended, so what comes late with an
    /// earlier time is left to [`Log::trim`]. [`Head::trimmed`] stays: the rows vanish as those that end do.
    ///
    /// # Errors
    /// As all ports.
    async fn trim_kind(&self, kind: &Kind, before: Timestamp) -> Result<bool, PortError>;

    /// Deletes what is too old, at most [`Trim::MAX_ROWS`] rows a call, or a whole stretch of them at the cost of a few;
    /// [`Head::trimmed`] moves up with the rows. Where rows go by stretches, some may stay for a day after they are too old.
    /// Returns whether there is more to delete.
    ///
    /// # Errors
    /// As all ports.
    async fn trim(&self, trim: Trim) -> Result<bool, PortError>;
}

/// One publish, ready to be kept.
#[derive(Debug, Clone)]
pub struct Publish {
    /// Its id, minted before the first try: what makes a repeated append single.
    pub event_id: EventId,
    /// The caller's own key, if one was sent.
    pub key: Option<IdempotencyKey>,
    /// When it was accepted.
    pub at: Timestamp,
    /// One notification for each room. Empty for one that only claims its key: it takes no position.
    pub rows: Vec<(Room, Notification)>,
}

/// What an append did.
#[derive(Debug, Clone)]
pub struct Appended {
    /// The log's life.
    pub epoch: Epoch,
    /// The head before; the rows follow it without a hole.
    pub from: Position,
    /// The rows that are new, in order: empty when every publish was a repetition.
    pub rows: Vec<Arc<Row>>,
    /// One answer for each publish, in the batch's order.
    pub outcomes: Vec<Outcome>,
}

/// What became of one publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is kept now (or was by an earlier try with the same event id).
    Stored(Stored),
    /// The caller's key was used before, for the same body: this is what happened then.
    Replayed(Stored),
    /// The caller's key was used before, for another body. Nothing was kept.
    Mismatch,
}

/// A kept publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub event_id: EventId,
    /// Its notifications and their rooms, in the order of the rooms.
    pub notifications: Vec<(NotificationId, Room)>,
}

/// How much a connection missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// The head, read in the same step: what lies at or below [`Head::trimmed`] may not be counted.
    pub head: Head,
    /// How many rows, at most as many as were asked for.
    pub rows: u32,
}

/// 32 random bytes. They are never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What to delete.
#[derive(Debug, Clone, Copy)]
pub struct Trim {
    /// Rows created before this go, and with them what their readers marked.
    pub rows_before: Timestamp,
    /// Idempotency keys used before this are forgotten; a key goes with its rows at the latest.
    pub keys_before: Timestamp,
}

impl Trim {
    /// The most rows one call deletes: it must not keep appends waiting for long.
    pub const MAX_ROWS: u32 = 1_000;
}
