//! What services have published by SQL, within their own transactions.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::PortError;
use crate::Faults;

/// The events that wait to be taken into the log.
///
/// A node *claims* some for a while: until its lease is over, nobody else gets them. A node that dies leaves them to the
/// next claim after that, so an event may be claimed twice: whoever publishes it uses a key made from its id.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Claims the first `limit` events that nobody has in hand, in the order in which they were written.
    ///
    /// # Errors
    /// As all ports.
    async fn claim(&self, limit: u32, lease: Duration) -> Result<Vec<Posted>, PortError>;

    /// Forgets events that are in the log. Those it does not know are forgotten already.
    ///
    /// # Errors
    /// As all ports.
    async fn done(&self, ids: &[Uuid]) -> Result<(), PortError>;

    /// Lays an event aside that cannot be understood, for someone to look at.
    ///
    /// # Errors
    /// As all ports.
    async fn refuse(&self, id: Uuid, faults: &Faults) -> Result<(), PortError>;
}

/// An event that waits.
#[derive(Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its id in the outbox.
    pub id: Uuid,
    /// What was written: JSON, of the form that `POST /api/v1/events` takes.
    pub event: String,
}

/// Without the event: it holds a patient's affairs.
impl std::fmt::Debug for Posted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Posted").field("id", &self.id).finish_non_exhaustive()
    }
}
