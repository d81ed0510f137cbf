//! A desk to write cases at: publishes, principals and lookups in a few words.

use super::Stores;
use crate::ports::{Appended, Publish};
use crate::testing::{Drafts, instant, principal};
use crate::{
    Entitled, EventId, Explained, InboxItem, ListQuery, Listing, Mark, Marked, NotificationId, Position,
    ReadStatus, Role, Timestamp,
};

pub(super) struct Desk {
    pub(super) stores: Stores,
    pub(super) drafts: Drafts,
}

impl Desk {
    pub(super) fn new(stores: Stores) -> Self {
        Self { stores, drafts: Drafts::new() }
    }

    pub(super) async fn append(&self, batch: &[Publish]) -> Appended {
        self.stores.log.append(batch).await.unwrap()
    }

    /// Appends one publish for these rooms; answers its notifications' ids.
    pub(super) async fn say(&self, rooms: &[&str]) -> Vec<NotificationId> {
        let appended = self.append(&[self.drafts.publish(rooms)]).await;
        appended.rows.iter().map(|row| row.notification.id).collect()
    }

    /// Appends `n` rows for one room, as one batch.
    pub(super) async fn say_many(&self, room: &str, n: usize) -> Vec<NotificationId> {
        let batch: Vec<_> = (0..n).map(|_| self.drafts.publish(&[room])).collect();
        self.append(&batch).await.rows.iter().map(|row| row.notification.id).collect()
    }

    /// Appends one row that ends `seconds` after the tests' moment.
    pub(super) async fn say_until(&self, room: &str, seconds: i64) -> NotificationId {
        let mut publish = self.drafts.publish(&[room]);
        publish.rows[0].1.expires_at = Some(instant(seconds));
        self.append(&[publish]).await.rows[0].notification.id
    }

    pub(super) async fn head(&self) -> Position {
        self.stores.log.head().await.unwrap().position
    }

    pub(super) async fn explain(&self, event_id: EventId) -> Option<Explained> {
        self.stores.explain.explain(event_id).await.unwrap()
    }

    pub(super) async fn enter(&self, user_id: &str, role: Role) -> Entitled {
        self.stores.inbox.enter(&principal(user_id, role)).await.unwrap()
    }

    pub(super) async fn list(&self, who: &Entitled, query: ListQuery, now: Timestamp) -> Option<Listing> {
        self.stores.inbox.list(who, query, now).await.unwrap()
    }

    /// The ids of the newest hundred in this state.
    pub(super) async fn ids(&self, who: &Entitled, status: ReadStatus) -> Vec<NotificationId> {
        let query = ListQuery { limit: ListQuery::MAX_LIMIT, before: None, status };
        let listing = self.list(who, query, instant(0)).await.unwrap();
        listing.items.iter().map(|item| item.notification.id).collect()
    }

    pub(super) async fn get(&self, who: &Entitled, id: NotificationId) -> Option<InboxItem> {
        self.stores.inbox.get(who, id, instant(0)).await.unwrap()
    }

    pub(super) async fn read_at(&self, who: &Entitled, id: NotificationId) -> Option<Timestamp> {
        self.get(who, id).await.unwrap().read_at
    }

    pub(super) async fn unread(&self, who: &Entitled) -> u32 {
        self.stores.inbox.unread(who, Position::END, instant(0)).await.unwrap()
    }

    pub(super) async fn try_mark(&self, who: &Entitled, mark: Mark, seconds: i64) -> Option<Marked> {
        self.stores.inbox.mark(who, &mark, instant(seconds)).await.unwrap()
    }

    /// Marks, `seconds` after the tests' moment; answers what is unread then.
    pub(super) async fn mark(&self, who: &Entitled, mark: Mark, seconds: i64) -> u32 {
        self.try_mark(who, mark, seconds).await.unwrap().unread
    }
}
