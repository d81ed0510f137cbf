//! The log in memory: correct, simple, and in no hurry. Its inbox is [`MemoryInbox`], over the same state.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::MemoryInbox;
use crate::ports::{Appended, Explain, Log, Missed, Outcome, PortError, Publish, Secret, Stored, Trim};
use crate::{
    Blocked, Entitlement, Epoch, EventId, Explained, Head, Kind, Memo, Muting, Page, Position, Readers, Room,
    Row, Status, Timestamp, Trace, UserId, status_change,
};

/// A log in memory. Clones share its rows.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    pub(super) state: Shared,
}

pub(super) type Shared = Arc<Mutex<State>>;

/// All there is. Cloned before each append and put in place after it, which is all the atomicity a test needs.
#[derive(Debug, Clone)]
pub(super) struct State {
    head: Head,
    /// The epoch it was made with.
    first_epoch: Epoch,
    rows: BTreeMap<Position, Arc<Row>>,
    keys: HashMap<(String, String), UsedKey>,
    /// Since when a user has a room.
    pub(super) entered: HashMap<(UserId, Room), Position>,
    blocked: HashSet<UserId>,
    /// When a user read a row, or that they made it unread again; what is not here is unread unless it is muted.
    pub(super) read: HashMap<(UserId, Position), Option<Timestamp>>,
    pub(super) muting: HashMap<UserId, Muting>,
    /// How many sockets of a node a row was queued for.
    reached: BTreeMap<(Position, String), u64>,
}

#[derive(Debug, Clone)]
struct UsedKey {
    fingerprint: [u8; 32],
    event_id: EventId,
    at: Timestamp,
}

impl MemoryLog {
    /// An empty log, always of the same epoch.
    #[must_use]
    pub fn new() -> Self {
        Self::with_epoch(Epoch::new(0xCA11))
    }

    /// An empty log of this epoch.
    #[must_use]
    pub fn with_epoch(epoch: Epoch) -> Self {
        let head = Head { epoch, position: Position::START, trimmed: Position::START };
        let (rows, keys, entered, blocked, read, muting, reached) = Default::default();
        let state = State { head, first_epoch: epoch, rows, keys, entered, blocked, read, muting, reached };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A copy of all there is, which shares nothing with this log: a backup.
    #[must_use]
    pub fn backup(&self) -> Self {
        Self { state: Arc::new(Mutex::new(lock(&self.state).clone())) }
    }

    /// Becomes what `backup` is, in another life: what came after it never was.
    pub fn restore(&self, backup: &Self, epoch: Epoch) {
        let mut restored = lock(&backup.state).clone();
        restored.head.epoch = epoch;
        *lock(&self.state) = restored;
    }

    /// The inboxes over this log.
    #[must_use]
    pub fn inbox(&self) -> MemoryInbox {
        MemoryInbox { state: Arc::clone(&self.state) }
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, batch: &[Publish]) -> Result<Appended, PortError> {
        let mut state = lock(&self.state);
        let mut next = state.clone();
        let from = next.head.position;
        let outcomes = batch.iter().map(|publish| next.keep(publish)).collect::<Result<_, _>>()?;
        let rows = next.after(from).cloned().collect();
        let epoch = next.head.epoch;
        *state = next;
        Ok(Appended { epoch, from, rows, outcomes })
    }

    async fn head(&self) -> Result<Head, PortError> {
        Ok(lock(&self.state).head)
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Page, PortError> {
        let state = lock(&self.state);
        Ok(state.page(state.after(after), after, state.head.position, limit))
    }

    async fn replay(
        &self,
        rooms: &[Entitlement],
        after: Position,
        up_to: Position,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, PortError> {
        let state = lock(&self.state);
        let missed = state.missed(rooms, after, now).filter(|row| row.position <= up_to);
        Ok(state.page(missed, after, up_to.min(state.head.position), limit))
    }

    async fn missed(
        &self,
        rooms: &[Entitlement],
        after: Position,
        most: u32,
        now: Timestamp,
    ) -> Result<Missed, PortError> {
        let state = lock(&self.state);
        let rows = state.missed(rooms, after, now).take(most as usize).count();
        Ok(Missed { head: state.head, rows: u32::try_from(rows).unwrap_or(most) })
    }

    async fn secret(&self) -> Result<Secret, PortError> {
        // Two logs of different epochs have different secrets, and the same log always the same.
        let mut secret = [0x5e; 32];
        secret[..8].copy_from_slice(&lock(&self.state).first_epoch.get().to_be_bytes());
        Ok(Secret(secret))
    }

    async fn blocked(&self) -> Result<Blocked, PortError> {
        let state = lock(&self.state);
        let (epoch, as_of) = (state.head.epoch, state.head.position);
        Ok(Blocked { epoch, as_of, users: state.blocked.iter().cloned().collect() })
    }

    async fn trim_kind(&self, kind: &Kind, before: Timestamp) -> Result<bool, PortError> {
        let mut state = lock(&self.state);
        let is_over = |row: &Row| row.notification.kind == *kind && row.notification.created_at < before;
        let gone: Vec<Position> =
            state.rows.values().filter(|row| is_over(row)).map(|row| row.position).collect();
        state.forget(&gone);
        Ok(false)
    }

    async fn trim(&self, trim: Trim) -> Result<bool, PortError> {
        let mut state = lock(&self.state);
        let old: Vec<Position> = (state.rows.values())
            .filter(|row| row.notification.created_at < trim.rows_before)
            .map(|row| row.position)
            .collect();
        let gone = &old[..old.len().min(Trim::MAX_ROWS as usize)];
        state.forget(gone);
        state.keys.retain(|_, used| used.at >= trim.keys_before.max(trim.rows_before));
        let oldest = state.rows.keys().next().copied().unwrap_or(Position::END);
        state.muting.values_mut().for_each(|muting| muting.forget(oldest));
        state.head.trimmed = gone.iter().copied().fold(state.head.trimmed, Position::max);
        Ok(gone.len() < old.len())
    }
}

#[async_trait]
impl Explain for MemoryLog {
    async fn explain(&self, event_id: EventId) -> Result<Option<Explained>, PortError> {
        let state = lock(&self.state);
        let mut rows = state.rows.values().filter(|row| row.event_id == event_id).peekable();
        let Some(first) = rows.peek() else { return Ok(None) };
        let (event, created_at) = (first.notification.event, first.notification.created_at);
        let notifications = rows.map(|row| state.trace(row)).collect();
        Ok(Some(Explained { event_id, event, created_at, notifications }))
    }

    async fn reached(&self, node: &str, sockets: &[(Position, u32)]) -> Result<(), PortError> {
        let mut state = lock(&self.state);
        for (position, sockets) in sockets {
            if state.rows.contains_key(position) {
                *state.reached.entry((*position, node.to_owned())).or_default() += u64::from(*sockets);
            }
        }
        Ok(())
    }
}

impl State {
    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// Rows, and what hangs on them.
    fn forget(&mut self, gone: &[Position]) {
        self.rows.retain(|position, _| !gone.contains(position));
        self.read.retain(|(_, position), _| !gone.contains(position));
        self.reached.retain(|(position, _), _| !gone.contains(position));
    }

    fn erase(&mut self, user_id: &UserId, rooms: &[Room], at: Position) {
        let theirs = self.rows.values().filter(|row| rooms.contains(&row.room));
        let gone: Vec<Position> = theirs.map(|row| row.position).collect();
        self.forget(&gone);
        self.entered.retain(|(user, _), _| user != user_id);
        self.read.retain(|(user, _), _| user != user_id);
        self.muting.entry(user_id.clone()).or_default().erase(at);
    }

    pub(super) fn row(&self, at: Position) -> Option<&Arc<Row>> {
        self.rows.get(&at)
    }

    /// The rows after a place, in order.
    pub(super) fn after(&self, after: Position) -> impl DoubleEndedIterator<Item = &Arc<Row>> {
        self.rows.range(after.plus(1)..).map(|(_, row)| row)
    }

    /// The rows after a place that are in these rooms, entitled and not expired.
    fn missed<'a>(
        &'a self,
        rooms: &'a [Entitlement],
        after: Position,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Arc<Row>> {
        self.after(after)
            .filter(move |row| rooms.iter().any(|e| e.room == row.room && e.since < row.position))
            .filter(move |row| !row.notification.is_expired(now))
    }

    fn keep(&mut self, publish: &Publish) -> Result<Outcome, PortError> {
        if let Some(stored) = self.stored(publish.event_id) {
            return Ok(Outcome::Stored(stored));
        }
        if let Some(key) = &publish.key {
            let place = (key.scope.clone(), key.key.clone());
            if let Some(used) = self.keys.get(&place) {
                if used.fingerprint != key.fingerprint {
                    return Ok(Outcome::Mismatch);
                }
                // A key whose rows are gone is as good as forgotten.
                if let Some(first) = self.stored(used.event_id) {
                    return Ok(Outcome::Replayed(first));
                }
            }
            let (fingerprint, event_id) = (key.fingerprint, publish.event_id);
            self.keys.insert(place, UsedKey { fingerprint, event_id, at: publish.at });
        }
        for (room, notification) in &publish.rows {
            if self.rows.values().any(|row| row.notification.id == notification.id) {
                return Err(PortError::Rejected { port: "log", source: "a notification id is taken".into() });
            }
            match status_change(room, notification) {
                Some((user_id, Status::Blocked)) => drop(self.blocked.insert(user_id)),
                Some((user_id, Status::Active)) => drop(self.blocked.remove(&user_id)),
                None => {}
            }
            let position = self.head.position.plus(1);
            match Memo::read(room, notification) {
                Some(Memo::Muted { user_id, kinds }) => {
                    self.muting.entry(user_id).or_default().change(position, &kinds);
                }
                Some(Memo::Erased { user_id, rooms }) => self.erase(&user_id, &rooms, position),
                None => {}
            }
            let (room, notification) = (room.clone(), notification.clone());
            let row = Row { position, room, event_id: publish.event_id, notification };
            self.rows.insert(position, Arc::new(row));
            self.head.position = position;
        }
        Ok(Outcome::Stored(Stored {
            event_id: publish.event_id,
            notifications: publish.rows.iter().map(|(room, n)| (n.id, room.clone())).collect(),
        }))
    }

    fn stored(&self, event_id: EventId) -> Option<Stored> {
        let rows = self.rows.values().filter(|row| row.event_id == event_id);
        let notifications: Vec<_> = rows.map(|row| (row.notification.id, row.room.clone())).collect();
        (!notifications.is_empty()).then_some(Stored { event_id, notifications })
    }

    fn trace(&self, row: &Row) -> Trace {
        let of_row = |(_, position): &(UserId, Position)| *position == row.position;
        let readers = self.read.iter().filter(|(place, read_at)| of_row(place) && read_at.is_some());
        let of_row = (row.position, String::new())..(row.position.plus(1), String::new());
        Trace {
            id: row.notification.id,
            room: row.room.clone(),
            read_by: Readers::new(readers.map(|((user_id, _), _)| user_id.clone()).collect()),
            reached: self
                .reached
                .range(of_row)
                .map(|((_, node), sockets)| (node.clone(), *sockets))
                .collect(),
        }
    }

    /// The first `limit` of `rows`, of which there are no more up to `end`.
    fn page<'a>(
        &self,
        rows: impl Iterator<Item = &'a Arc<Row>>,
        after: Position,
        end: Position,
        limit: u32,
    ) -> Page {
        let rows: Vec<_> = rows.take(limit as usize).cloned().collect();
        let cut = rows.len() == limit as usize;
        let through = if cut { rows.last().map_or(after, |row| row.position) } else { end };
        Page { head: self.head, rows, through }
    }
}
