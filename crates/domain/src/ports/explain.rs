//! What became of what was published.

use async_trait::async_trait;

use super::PortError;
use crate::{EventId, Explained, Position};

/// What became of what was published.
///
/// A user *has read* a notification when their [`Inbox`](super::Inbox) shows it with a `read_at`, or did before it expired.
#[async_trait]
pub trait Explain: Send + Sync {
    /// What became of a publish; `None` when no row of it is in the log. It costs about the same however many have read
    /// it: see [`Readers`](crate::Readers) for the bounds.
    ///
    /// # Errors
    /// As all ports.
    async fn explain(&self, event_id: EventId) -> Result<Option<Explained>, PortError>;

    /// Adds to the number of sockets for which a node has queued each of these rows, at most [`MOST_REACHED`] of them
    /// and none twice. What is no longer in the log is passed over; what is goes with its row.
    ///
    /// # Errors
    /// [`PortError::Unavailable`] leaves the outcome unknown. An adapter that tries by itself again may count twice.
    async fn reached(&self, node: &str, sockets: &[(Position, u32)]) -> Result<(), PortError>;
}

/// The most rows that one [`Explain::reached`] adds to: it must not keep appends waiting for long.
pub const MOST_REACHED: usize = 1_000;
