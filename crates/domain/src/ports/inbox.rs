//! Each user's view of the log, and what they have read.

use async_trait::async_trait;

use super::PortError;
use crate::{
    Entitled, InboxItem, ListQuery, Listing, Mark, Marked, NotificationId, Position, Principal, Timestamp,
};

/// Each user's inbox.
///
/// An item is *visible* to a user when its row lies in one of their rooms, after the place at which they were entitled
/// to it, and has not expired at `now`. What is not visible is treated as if it were not there.
///
/// Marks are *atomic*: all of a mark's items change, or none. *Repeating* a mark changes nothing, in particular no
/// `read_at`.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Lets a principal in. On the first visit to a shared room, its entitlement begins at the log's head; to a room
    /// of the user's own, at the start. Later visits answer the same places.
    ///
    /// # Errors
    /// As all ports.
    async fn enter(&self, principal: &Principal) -> Result<Entitled, PortError>;

    /// Lists visible items, newest (highest position) first; `None` when `before` is not visible.
    ///
    /// # Errors
    /// As all ports.
    async fn list(
        &self,
        who: &Entitled,
        query: ListQuery,
        now: Timestamp,
    ) -> Result<Option<Listing>, PortError>;

    /// One visible item.
    ///
    /// # Errors
    /// As all ports.
    async fn get(
        &self,
        who: &Entitled,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<InboxItem>, PortError>;

    /// How many visible items at or below `up_to` are unread, at most [`UNREAD_BOUND`](crate::UNREAD_BOUND). Looks at
    /// no more than that many rows of a room whatever the inbox holds: where more lie beyond what was read up to, the
    /// answer is the bound.
    ///
    /// # Errors
    /// As all ports.
    async fn unread(&self, who: &Entitled, up_to: Position, now: Timestamp) -> Result<u32, PortError>;

    /// Marks items, and counts what is unread afterwards; `None`, and nothing changed, when one of the ids named is
    /// not visible.
    ///
    /// # Errors
    /// As all ports.
    async fn mark(&self, who: &Entitled, mark: &Mark, now: Timestamp) -> Result<Option<Marked>, PortError>;
}
