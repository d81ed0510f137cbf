//! Who has acknowledged an emergency.

use std::time::Duration;

use async_trait::async_trait;

use super::PortError;
use crate::{BroadcastId, Entitled, NotificationId, Recipient, RecipientQuery, Tally, Timestamp};

/// The acknowledgements of emergencies.
///
/// The *recipients* of a broadcast are the users who had entered a room of it ([`Inbox::enter`](super::Inbox::enter)) before
/// it was sent: those who can see it.
#[async_trait]
pub trait Acks: Send + Sync {
    /// Keeps that a user has acknowledged an emergency, by one of its notifications, and answers when they first did;
    /// `None` when it is none, or not visible to them.
    ///
    /// # Errors
    /// As all ports.
    async fn acknowledge(
        &self,
        who: &Entitled,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, PortError>;

    /// How many of its recipients have acknowledged an emergency; `None` when it is none. One that is not sent has none.
    ///
    /// # Errors
    /// As all ports.
    async fn tally(&self, id: BroadcastId) -> Result<Option<Tally>, PortError>;

    /// An emergency's recipients, by role and then by id. One who has changed roles may be in two.
    ///
    /// # Errors
    /// As all ports.
    async fn recipients(&self, id: BroadcastId, query: &RecipientQuery) -> Result<Vec<Recipient>, PortError>;

    /// The emergencies that someone has acknowledged within this time.
    ///
    /// # Errors
    /// As all ports.
    async fn stirring(&self, within: Duration) -> Result<Vec<BroadcastId>, PortError>;
}
