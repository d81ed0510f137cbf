//! Each user's view of the log, and what they have read.

use std::sync::Arc;

use async_trait::async_trait;

use super::PortError;
use crate::{
    Entitled, InboxItem, ListQuery, Listing, Mark, Marked, Muting, Mutings, NotificationId, Position,
    Principal, Room, Timestamp, UserId,
};

/// How far erasing a user has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasing {
    /// The rooms that are theirs alone.
    pub rooms: Vec<Room>,
    /// Whether there is more to delete.
    pub has_more: bool,
}

/// Each user's inbox.
///
/// An item is *visible* to a user when its row lies in one of their rooms, after the place at which they were entitled
/// to it, and has not expired at `now`. What is not visible is treated as if it were not there.
///
/// An item that nobody marked and that lies in one of its reader's muted [`Span`](crate::Span)s is *read*, since the moment
/// at which it was accepted. The spans are those of the memos in the log ([`Memo::Muted`](crate::Memo)): the step that keeps a
/// memo keeps them, and no trimming touches a span in which there are rows.
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

    /// [`Inbox::enter`] for several, answered in their order: a store that can do so lets them all in at once.
    ///
    /// # Errors
    /// As all ports. Some may have been let in all the same.
    async fn enter_all(&self, principals: &[Principal]) -> Result<Vec<Entitled>, PortError> {
        let mut entered = Vec::with_capacity(principals.len());
        for principal in principals {
            entered.push(self.enter(principal).await?);
        }
        Ok(entered)
    }

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
    /// answer is the bound. What is read or over without a gap does not count towards that, though it may take several
    /// calls to get past 20,000 of it.
    ///
    /// # Errors
    /// As all ports.
    async fn unread(&self, who: &Entitled, up_to: Position, now: Timestamp) -> Result<u32, PortError>;

    /// [`Inbox::unread`] for several, answered in their order, each up to a place of its own. It is one look at each: where
    /// the answer is the bound, `unread` may find less.
    ///
    /// # Errors
    /// As all ports.
    async fn unread_all(
        &self,
        all: &[(Arc<Entitled>, Position)],
        now: Timestamp,
    ) -> Result<Vec<u32>, PortError> {
        let mut counts = Vec::with_capacity(all.len());
        for (who, up_to) in all {
            counts.push(self.unread(who, *up_to, now).await?);
        }
        Ok(counts)
    }

    /// Marks items, and counts what is unread afterwards; `None`, and nothing changed, when one of the ids named is
    /// not visible.
    ///
    /// # Errors
    /// As all ports.
    async fn mark(&self, who: &Entitled, mark: &Mark, now: Timestamp) -> Result<Option<Marked>, PortError>;

    /// Deletes rows in the rooms that are this user's alone, and what the user marked: at most
    /// [`Trim::MAX_ROWS`](super::Trim::MAX_ROWS) of each. Their own rooms are those that bear their id ([`Room::of`]) and all
    /// others that they have entered and that are not shared. [`Head::trimmed`](crate::Head::trimmed) stays: the rows
    /// vanish as those that end do. This makes the work of [`Memo::Erased`](crate::Memo) small; the step that keeps the
    /// memo deletes what is left before its place, the user's entitlements and spans too, so that none of it is there
    /// when anyone hears of it.
    ///
    /// # Errors
    /// As all ports.
    async fn erase(&self, user_id: &UserId) -> Result<Erasing, PortError>;

    /// What a user mutes and has muted.
    ///
    /// # Errors
    /// As all ports.
    async fn muting(&self, user_id: &UserId) -> Result<Muting, PortError>;

    /// The same of all users, as of the log's head: what a node begins with.
    ///
    /// # Errors
    /// As all ports.
    async fn mutings(&self) -> Result<Mutings, PortError>;
}
