//! Rooms to connections: where a row of the log meets those who hear it.
//!
//! The hub owns mailboxes and no link: offering never waits. Everything that decides what a mailbox is given happens
//! under one lock, in the log's order, so that a connection goes from reading what it missed to hearing what comes
//! without a gap and without a side buffer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carillon_domain::{Entitled, Epoch, Head, Offset, Position, Room, Row, Timestamp};
use carillon_protocol::Frame;
use metrics::{counter, gauge};

use crate::frames;
use crate::mailbox::{Mailbox, Stage};

/// How many recent rows are kept for those who catch up. With rows of some 500 bytes this is a few MiB; it
/// covers the moment between a read of the store and going live, and a reader that was full for a moment.
const RECENT_ROWS: usize = 4_096;
const RECENT_BYTES: usize = 8 * 1024 * 1024;

/// The connections of this node, by room.
pub(crate) struct Hub {
    state: Mutex<State>,
}

struct State {
    epoch: Epoch,
    /// The last row that was delivered here.
    cursor: Position,
    rooms: HashMap<Room, HashMap<MemberId, Member>>,
    next_id: u64,
    recent: Recent,
}

/// One connection's place in the hub, for as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MemberId(u64);

struct Member {
    mailbox: Arc<Mailbox>,
    /// Rows of this room at or below this place are not the member's to see.
    since: Position,
}

/// The latest rows, already encoded.
struct Recent {
    rows: VecDeque<(Arc<Row>, Frame)>,
    bytes: usize,
    /// Every row after this place is here.
    after: Position,
}

/// More connections than one user may have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// How a mailbox that was behind caught up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CaughtUp {
    /// It is live: what it missed is queued.
    Live,
    /// It must read the store first: after the one place, up to the other.
    Read(Position, Position),
}

impl Hub {
    /// A hub that has delivered everything up to the log's head.
    pub(crate) fn new(head: Head) -> Self {
        let state = State {
            epoch: head.epoch,
            cursor: head.position,
            rooms: HashMap::new(),
            next_id: 0,
            recent: Recent { rows: VecDeque::new(), bytes: 0, after: head.position },
        };
        Self { state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last row that was delivered here.
    pub(crate) fn offset(&self) -> Offset {
        let state = self.lock();
        Offset { epoch: state.epoch, position: state.cursor }
    }

    /// Adds a connection, which starts at the cursor and has yet to be announced to. `most` is the number of
    /// connections its user may have with this one.
    pub(crate) fn join(
        &self,
        who: &Entitled,
        socket_id: String,
        bound: usize,
        most: usize,
    ) -> Result<(MemberId, Arc<Mailbox>), TooMany> {
        let mut state = self.lock();
        if state.rooms.get(&Room::user(&who.user_id)).is_some_and(|members| members.len() >= most) {
            return Err(TooMany);
        }
        let id = MemberId(state.next_id);
        state.next_id += 1;
        let mailbox = Arc::new(Mailbox::new(socket_id, bound, state.cursor));
        for entitlement in &who.rooms {
            let member = Member { mailbox: Arc::clone(&mailbox), since: entitlement.since };
            state.rooms.entry(entitlement.room.clone()).or_default().insert(id, member);
        }
        gauge!("carillon_sockets").increment(1);
        Ok((id, mailbox))
    }

    /// Removes a connection that has joined.
    pub(crate) fn leave(&self, who: &Entitled, id: MemberId) {
        gauge!("carillon_sockets").decrement(1);
        let mut state = self.lock();
        for entitlement in &who.rooms {
            if let Some(members) = state.rooms.get_mut(&entitlement.room) {
                members.remove(&id);
                if members.is_empty() {
                    state.rooms.remove(&entitlement.room);
                }
            }
        }
    }

    /// Delivers rows, in the log's order. Each is encoded once, before the lock is taken.
    pub(crate) fn deliver(&self, epoch: Epoch, rows: Vec<Arc<Row>>) {
        let encoded: Vec<_> = rows
            .into_iter()
            .map(|row| {
                let frame = frames::notification(epoch, &row);
                (row, frame)
            })
            .collect();
        counter!("carillon_rows_followed_total").increment(encoded.len() as u64);
        let mut state = self.lock();
        for (row, frame) in encoded {
            state.cursor = row.position;
            if let Some(members) = state.rooms.get(&row.room) {
                for member in members.values().filter(|member| row.position > member.since) {
                    member.mailbox.offer(row.position, &frame);
                }
            }
            state.recent.push(row, frame);
        }
    }

    /// The log was replaced by another: every connection starts anew from its head, and is told so.
    pub(crate) fn replaced(&self, epoch: Epoch, cursor: Position) {
        let mut state = self.lock();
        state.epoch = epoch;
        state.cursor = cursor;
        state.recent = Recent { rows: VecDeque::new(), bytes: 0, after: cursor };
        // Everyone is in the room of all.
        for member in state.rooms.get(&Room::all()).into_iter().flat_map(HashMap::values) {
            member.mailbox.restart(cursor);
        }
    }

    /// Word for one room that is not of the log, for all but one socket.
    pub(crate) fn post(&self, room: &Room, frame: &Frame, except: Option<&str>) {
        let state = self.lock();
        for member in state.rooms.get(room).into_iter().flat_map(HashMap::values) {
            if Some(member.mailbox.socket_id()) != except {
                member.mailbox.post(frame);
            }
        }
    }

    /// Brings a drained mailbox up to the cursor, from the recent rows if they reach back far enough.
    pub(crate) fn catch_up(&self, who: &Entitled, mailbox: &Mailbox, now: Timestamp) -> CaughtUp {
        let state = self.lock();
        let mut inner = mailbox.lock();
        if inner.sent < state.recent.after {
            return CaughtUp::Read(inner.sent, state.cursor);
        }
        let missed = state.recent.missed(who, inner.sent, now);
        if !mailbox.fits(&inner, missed.iter().map(|frame| frame.len()).sum()) {
            return CaughtUp::Read(inner.sent, state.cursor);
        }
        missed.into_iter().for_each(|frame| inner.push(frame.clone()));
        inner.sent = state.cursor;
        inner.stage = Stage::Live;
        CaughtUp::Live
    }
}

impl Recent {
    fn push(&mut self, row: Arc<Row>, frame: Frame) {
        self.bytes += frame.len();
        self.rows.push_back((row, frame));
        while self.rows.len() > RECENT_ROWS || self.bytes > RECENT_BYTES {
            let Some((oldest, frame)) = self.rows.pop_front() else { break };
            self.bytes -= frame.len();
            self.after = oldest.position;
        }
    }

    /// The rows after `sent` that `who` may see.
    fn missed(&self, who: &Entitled, sent: Position, now: Timestamp) -> Vec<&Frame> {
        let start = self.rows.partition_point(|(row, _)| row.position <= sent);
        let is_theirs = |row: &Row| {
            who.rooms.iter().any(|e| e.room == row.room && row.position > e.since)
                && !row.notification.is_expired(now)
        };
        self.rows.range(start..).filter(|(row, _)| is_theirs(row)).map(|(_, frame)| frame).collect()
    }
}

#[cfg(test)]
mod tests;
