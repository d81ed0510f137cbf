//! Inboxes in memory: one entry for each row a user has read, so that nothing has to be worked out. The stores keep
//! watermarks instead; the suite's random walk holds them to this.

use async_trait::async_trait;

use super::memory::{Shared, State, lock};
use crate::ports::{Erasing, Inbox, PortError};
use crate::{
    Entitled, Entitlement, Head, InboxItem, ListQuery, Listing, Mark, Marked, Muting, Mutings,
    NotificationId, Position, Principal, ReadStatus, Room, Row, Timestamp, UNREAD_BOUND, UserId,
};

/// Every user's inbox over a [`MemoryLog`](super::MemoryLog), from [`MemoryLog::inbox`](super::MemoryLog::inbox).
#[derive(Debug, Clone)]
pub struct MemoryInbox {
    pub(super) state: Shared,
}

#[async_trait]
impl Inbox for MemoryInbox {
    async fn enter(&self, principal: &Principal) -> Result<Entitled, PortError> {
        let mut state = lock(&self.state);
        let head = state.head().position;
        let user_id = principal.user_id().clone();
        let rooms = (principal.rooms().iter())
            .map(|room| {
                let first = if room.is_shared() { head } else { Position::START };
                let since = *state.entered.entry((user_id.clone(), room.clone())).or_insert(first);
                Entitlement { room: room.clone(), since }
            })
            .collect();
        Ok(Entitled { user_id, rooms })
    }

    async fn list(
        &self,
        who: &Entitled,
        query: ListQuery,
        now: Timestamp,
    ) -> Result<Option<Listing>, PortError> {
        let state = lock(&self.state);
        let before = match query.before.map(|id| state.find(who, id, now)) {
            None => Position::END,
            Some(Some(row)) => row.position,
            Some(None) => return Ok(None),
        };
        let mut items: Vec<InboxItem> = state
            .visible(who, now)
            .rev()
            .filter(|row| row.position < before)
            .map(|row| state.item(who, row))
            .filter(|item| match query.status {
                ReadStatus::All => true,
                ReadStatus::Unread => item.read_at.is_none(),
                ReadStatus::Read => item.read_at.is_some(),
            })
            .take(query.limit as usize + 1)
            .collect();
        let more = items.len() > query.limit as usize;
        items.truncate(query.limit as usize);
        let next = items.last().filter(|_| more).map(|item| item.notification.id);
        Ok(Some(Listing { items, next }))
    }

    async fn get(
        &self,
        who: &Entitled,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<InboxItem>, PortError> {
        let state = lock(&self.state);
        Ok(state.find(who, id, now).map(|row| state.item(who, row)))
    }

    async fn unread(&self, who: &Entitled, up_to: Position, now: Timestamp) -> Result<u32, PortError> {
        Ok(lock(&self.state).unread(who, up_to, now))
    }

    async fn mark(&self, who: &Entitled, mark: &Mark, now: Timestamp) -> Result<Option<Marked>, PortError> {
        let mut state = lock(&self.state);
        let newest = state.visible(who, now).next_back();
        let newest = newest.filter(|_| *mark == Mark::ReadAll).map(|row| row.notification.id);
        let Some(positions) = state.named(who, mark, now) else { return Ok(None) };
        for position in positions {
            let place = (who.user_id.clone(), position);
            if matches!(mark, Mark::Unread(_)) {
                state.read.insert(place, None);
            } else if state.read_at(&who.user_id, position).is_none() {
                state.read.insert(place, Some(now));
            }
        }
        Ok(Some(Marked { unread: state.unread(who, Position::END, now), newest }))
    }

    async fn erase(&self, user_id: &UserId) -> Result<Erasing, PortError> {
        let state = lock(&self.state);
        let entered = state.entered.keys().filter(|(user, room)| user == user_id && !room.is_shared());
        let mut rooms: Vec<Room> = entered.map(|(_, room)| room.clone()).chain(Room::of(user_id)).collect();
        rooms.sort_unstable();
        rooms.dedup();
        // All at the memo.
        Ok(Erasing { rooms, has_more: false })
    }

    async fn muting(&self, user_id: &UserId) -> Result<Muting, PortError> {
        Ok(lock(&self.state).muting.get(user_id).cloned().unwrap_or_default())
    }

    async fn mutings(&self) -> Result<Mutings, PortError> {
        let state = lock(&self.state);
        let Head { epoch, position: as_of, .. } = state.head();
        Ok(Mutings { epoch, as_of, users: state.muting.clone() })
    }
}

impl State {
    fn visible(&self, who: &Entitled, now: Timestamp) -> impl DoubleEndedIterator<Item = &Row> {
        self.after(Position::START)
            .map(AsRef::as_ref)
            .filter(|row| who.rooms.iter().any(|e| e.room == row.room && e.since < row.position))
            .filter(move |row| !row.notification.is_expired(now))
    }

    pub(super) fn find(&self, who: &Entitled, id: NotificationId, now: Timestamp) -> Option<&Row> {
        self.visible(who, now).find(|row| row.notification.id == id)
    }

    fn item(&self, who: &Entitled, row: &Row) -> InboxItem {
        let read_at = self.read_at(&who.user_id, row.position);
        InboxItem { notification: row.notification.clone(), read_at }
    }

    fn read_at(&self, user_id: &UserId, position: Position) -> Option<Timestamp> {
        if let Some(mark) = self.read.get(&(user_id.clone(), position)) {
            return *mark;
        }
        let notification = &self.row(position)?.notification;
        let is_muted = self.muting.get(user_id).is_some_and(|muting| muting.covers(position, notification));
        is_muted.then_some(notification.created_at)
    }

    fn unread(&self, who: &Entitled, up_to: Position, now: Timestamp) -> u32 {
        let rows = self.visible(who, now).filter(|row| row.position <= up_to);
        let unread = rows.filter(|row| self.read_at(&who.user_id, row.position).is_none());
        u32::try_from(unread.count()).map_or(UNREAD_BOUND, |n| n.min(UNREAD_BOUND))
    }

    /// The rows that a mark names; `None` when one of them is not visible.
    fn named(&self, who: &Entitled, mark: &Mark, now: Timestamp) -> Option<Vec<Position>> {
        let place = |id: &NotificationId| self.find(who, *id, now).map(|row| row.position);
        let last = match mark {
            Mark::Read(ids) | Mark::Unread(ids) => return ids.iter().map(place).collect(),
            Mark::ReadUpTo(id) => place(id)?,
            Mark::ReadAll => Position::END,
        };
        Some(self.visible(who, now).map(|row| row.position).filter(|position| *position <= last).collect())
    }
}
