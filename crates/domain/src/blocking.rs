//! Who is blocked: kept by the log in the step that keeps the row which says so, and known to every node that follows it.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::Deserialize;

use crate::{Data, Epoch, EventName, Notification, Position, Room, Row, Status, UserId};

/// What the log keeps of those who are blocked, read in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The log's life.
    pub epoch: Epoch,
    /// Every row at or below this place has had its say.
    pub as_of: Position,
    /// Whose newest `user:status_changed` says BLOCKED, in no order.
    pub users: Vec<UserId>,
}

/// The block list of one node, in memory so that it can be asked at every door: whole, since the one who is not in it
/// is let in. It follows the log, so it is as late as the node is.
#[derive(Debug, Default)]
pub struct BlockList(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The log that it was read from, and up to where.
    read: Option<(Epoch, Position)>,
    users: HashSet<UserId>,
}

impl BlockList {
    /// A list that was not read yet, and has nobody in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this user may not come in.
    #[must_use]
    pub fn has(&self, user_id: &UserId) -> bool {
        self.read().users.contains(user_id)
    }

    /// The life of the log that it was read from.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        self.read().read.map(|(epoch, _)| epoch)
    }

    /// Takes what the log keeps, in place of what was here.
    pub fn load(&self, blocked: Blocked) {
        let Blocked { epoch, as_of, users } = blocked;
        *self.write() = Inner { read: Some((epoch, as_of)), users: users.into_iter().collect() };
    }

    /// Takes the next row of the log; `true` if its user is blocked by it. A row that had its say before the list was
    /// read is passed over: a later one may have been heard with it.
    pub fn follow(&self, row: &Row) -> bool {
        let Some((user_id, status)) = status_change(&row.room, &row.notification) else { return false };
        let mut inner = self.write();
        if inner.read.is_some_and(|(_, as_of)| row.position <= as_of) {
            return false;
        }
        match status {
            Status::Blocked => inner.users.insert(user_id),
            Status::Active => {
                inner.users.remove(&user_id);
                false
            }
        }
    }
}

/// What a notification says of its user's account, if it is the event that does. The room names the user.
#[must_use]
pub fn status_change(room: &Room, notification: &Notification) -> Option<(UserId, Status)> {
    change(notification.event, room, &notification.data)
}

pub(crate) fn change(event: Option<EventName>, room: &Room, data: &Data) -> Option<(UserId, Status)> {
    #[derive(Deserialize)]
    struct Changed {
        status: Status,
    }
    if event != Some(EventName::UserStatusChanged) {
        return None;
    }
    let Changed { status } = serde_json::from_str(data.as_str()).ok()?;
    Some((room.user_id()?, status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Drafts, room};

    fn row(n: u64, user: &str, status: &str) -> Row {
        let publish = Drafts::new().status(user, status);
        let (room, notification) = publish.rows.into_iter().next().unwrap();
        Row { position: Position::new(n).unwrap(), room, event_id: publish.event_id, notification }
    }

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    #[test]
    fn the_newest_word_on_a_user_counts() {
        let list = BlockList::new();
        assert!(list.follow(&row(1, "a:1", "BLOCKED")) && list.has(&user("a:1")) && !list.has(&user("b")));
        assert!(!list.follow(&row(2, "a:1", "ACTIVE")) && !list.has(&user("a:1")));
        assert!(list.follow(&row(3, "a:1", "BLOCKED")) && list.has(&user("a:1")));
    }

    #[test]
    fn rows_that_were_read_with_the_list_say_nothing_again() {
        let list = BlockList::new();
        let as_of = Position::new(5).unwrap();
        list.load(Blocked { epoch: Epoch::new(1), as_of, users: vec![user("a")] });
        assert!(!list.follow(&row(4, "a", "ACTIVE")) && list.has(&user("a")));
        assert!(!list.follow(&row(5, "b", "BLOCKED")) && !list.has(&user("b")));
        assert!(list.follow(&row(6, "b", "BLOCKED")) && list.has(&user("b")));
        list.load(Blocked { epoch: Epoch::new(2), as_of: Position::START, users: Vec::new() });
        assert!(!list.has(&user("a")) && list.epoch() == Some(Epoch::new(2)));
    }

    #[test]
    fn no_other_notification_blocks_anyone() {
        let mut row = row(1, "a", "BLOCKED");
        row.room = room("role:admin");
        assert!(!BlockList::new().follow(&row));
        row.room = room("user:a");
        row.notification.event = None;
        assert!(!BlockList::new().follow(&row));
    }
}
