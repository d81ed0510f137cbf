//! What truly happened to the log, written down where it happens: the oracle's own memory, apart from the log's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carillon_domain::ports::{Appended, Publish};
use carillon_domain::{
    Epoch, EventId, Head, NotificationId, Position, Principal, Room, Row, Timestamp, UserId,
};

/// All lives of the log, and the first thing that was found wrong.
pub(super) struct Chronicle(Mutex<Lives>);

pub(super) struct Lives {
    pub(super) epoch: Epoch,
    lives: HashMap<Epoch, Life>,
    wrong: Option<String>,
}

/// One life of the log. Nothing is ever taken out of it, so that what retention deleted is still known.
#[derive(Clone, Default)]
pub(super) struct Life {
    pub(super) rows: BTreeMap<Position, Arc<Row>>,
    pub(super) trimmed: Position,
    since: HashMap<(UserId, Room), Position>,
    keys: HashMap<String, (EventId, Position)>,
}

impl Chronicle {
    pub(super) fn new(head: Head) -> Self {
        let lives = HashMap::from([(head.epoch, Life::default())]);
        Self(Mutex::new(Lives { epoch: head.epoch, lives, wrong: None }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Lives> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lives {
    pub(super) fn blame(&mut self, wrong: String) {
        self.wrong.get_or_insert(wrong);
    }

    pub(super) fn verdict(&self) -> Result<(), String> {
        self.wrong.clone().map_or(Ok(()), Err)
    }

    pub(super) fn of(&self, epoch: Epoch) -> Option<&Life> {
        self.lives.get(&epoch)
    }

    pub(super) fn now(&mut self) -> &mut Life {
        self.lives.entry(self.epoch).or_default()
    }

    /// A batch was kept. I1: a key has one publish, for as long as its rows are there.
    pub(super) fn committed(&mut self, batch: &[Publish], appended: &Appended) {
        let life = self.now();
        let mut twice = None;
        for row in &appended.rows {
            life.rows.insert(row.position, Arc::clone(row));
            let publish = batch.iter().find(|publish| publish.event_id == row.event_id);
            let Some(key) = publish.and_then(|publish| publish.key.as_ref()) else { continue };
            let entry = (row.event_id, row.position);
            match life.keys.insert(key.key.clone(), entry) {
                Some((other, at)) if other != row.event_id && at > life.trimmed => twice = Some(row.position),
                _ => {}
            }
        }
        if let Some(at) = twice {
            self.blame(format!("I1: the publish at {} is in the log already, under the same key", at.get()));
        }
    }

    /// I1: what is acknowledged was kept, in whichever life of the log.
    pub(super) fn acknowledged(&mut self, ids: &[(NotificationId, Room)]) {
        let is_kept = |life: &Life| {
            ids.iter().all(|(id, room)| {
                life.rows.values().any(|row| row.notification.id == *id && row.room == *room)
            })
        };
        if !self.lives.values().any(is_kept) {
            self.blame("I1: a publish was acknowledged that the log does not have".into());
        }
    }

    /// A user came by: from now on, rows of the shared rooms are theirs.
    pub(super) fn entered(&mut self, principal: &Principal) {
        let life = self.now();
        let head = life.head();
        for room in principal.rooms() {
            let first = if room.is_shared() { head } else { Position::START };
            life.since.entry((principal.user_id().clone(), room.clone())).or_insert(first);
        }
    }

    pub(super) fn restored(&mut self, epoch: Epoch, backup: Life) {
        self.lives.insert(epoch, backup);
        self.epoch = epoch;
    }
}

impl Life {
    pub(super) fn head(&self) -> Position {
        self.rows.keys().next_back().copied().unwrap_or_default()
    }

    /// Whether a row is one of this user's, who has these rooms.
    pub(super) fn is_theirs(&self, row: &Row, user_id: &UserId, rooms: &[Room]) -> bool {
        let since = self.since.get(&(user_id.clone(), row.room.clone()));
        rooms.contains(&row.room) && since.is_some_and(|since| row.position > *since)
    }

    /// The rows after one place and up to another that this user must get.
    pub(super) fn owed<'a>(
        &'a self,
        (after, up_to): (Position, Position),
        user_id: &'a UserId,
        rooms: &'a [Room],
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Arc<Row>> {
        let range = if after < up_to { after.plus(1)..=up_to } else { Position::END..=Position::END };
        let rows = self.rows.range(range).map(|(_, row)| row);
        rows.filter(move |row| self.is_theirs(row, user_id, rooms) && !row.notification.is_expired(now))
    }
}
