//! Rooms to connections: where a row of the log meets those who hear it.
//!
//! The hub owns mailboxes and no link: offering never waits. Everything that decides what a mailbox is given happens
//! under one lock, in the log's order, so that a connection goes from reading what it missed to hearing what comes
//! without a gap and without a side buffer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carillon_domain::ports::{Clock, Resumed};
use carillon_domain::{
    BlockList, Entitled, Epoch, Head, KindRules, Memo, MuteList, Offset, Position, Room, Row, Timestamp,
};
use carillon_protocol::Frame;
use metrics::{counter, gauge};

use crate::frames;
use crate::mailbox::{Mailbox, Over, Stage};
use crate::reached::Reached;
use crate::recent::Recent;

mod emits;
mod members;
mod users;

use members::Members;

/// The connections of this node, by room.
pub(crate) struct Hub {
    state: Mutex<State>,
    blocks: Arc<BlockList>,
    /// Who wants no word of which rows.
    mutes: MuteList,
    rules: Arc<KindRules>,
    /// By which rows expire; `None` where none do.
    clock: Option<Arc<dyn Clock>>,
    /// For how many each row was queued.
    pub(crate) reached: Reached,
}

struct State {
    epoch: Epoch,
    /// The last row that was delivered here.
    cursor: Position,
    rooms: HashMap<Room, Members>,
    next_id: u64,
    recent: Recent,
}

/// One connection's place in the hub, for as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId(u64);

struct Member {
    who: Arc<Entitled>,
    mailbox: Arc<Mailbox>,
    /// Rows of this room at or below this place are not the member's to see.
    since: Position,
}

/// Who joins, and how.
pub(crate) struct Joining {
    pub(crate) who: Arc<Entitled>,
    pub(crate) socket_id: String,
    /// The log's life that all this belongs to.
    pub(crate) epoch: Epoch,
    /// What tells this connection of its session from any other: the latest has the highest.
    pub(crate) claim: u64,
    /// Where it hears on; `None` for one that begins now.
    pub(crate) from: Option<Offset>,
    /// Whether it hears what it missed before it is announced to.
    pub(crate) is_replay: bool,
    /// Whether what back ends emit is for it too: a stream has no way to tell it.
    pub(crate) hears_emits: bool,
    /// Bytes its mailbox may hold.
    pub(crate) bound: usize,
    /// How many connections its user may have with this one.
    pub(crate) most: usize,
}

/// A connection that has joined.
pub(crate) struct Place {
    pub(crate) id: MemberId,
    pub(crate) mailbox: Arc<Mailbox>,
    /// Where it begins to hear.
    pub(crate) start: Offset,
}

/// Why a connection may not join.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    /// Its user has as many as may be.
    TooMany,
    /// The log was replaced since it was looked at, or its user was erased.
    Replaced,
    /// Its user was blocked since they were asked who they are.
    Blocked,
}

/// What it takes to give someone what they missed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It is here: so many rows, counted no further than one beyond the limit.
    Recent(usize),
    /// The store must be asked.
    Store,
    /// The place belongs to another life of the log.
    OtherEpoch,
}

/// How a mailbox that was behind caught up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CaughtUp {
    /// What it missed is queued, and it has reached its next stage.
    Done,
    /// As much as it holds is queued.
    Full,
    /// It must read the store first: after the one place, up to the other.
    Read(Position, Position),
}

impl Hub {
    /// A hub that has delivered everything up to the log's head. `recent` are the last rows before it, all that
    /// follow `after`.
    pub(crate) fn new(
        head: Head,
        after: Position,
        recent: Vec<Arc<Row>>,
        blocks: Arc<BlockList>,
        rules: Arc<KindRules>,
    ) -> Self {
        let mut kept = Recent::new(after);
        for row in recent {
            let frame = frames::notification(head.epoch, &row, &rules);
            kept.push(row, frame);
        }
        let state = State {
            epoch: head.epoch,
            cursor: head.position,
            rooms: HashMap::new(),
            next_id: 0,
            recent: kept,
        };
        Self {
            state: Mutex::new(state),
            blocks,
            mutes: MuteList::default(),
            rules,
            clock: None,
            reached: Reached::default(),
        }
    }

    /// The same hub, which delivers nothing that is over.
    pub(crate) fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps fewer recent rows than usual.
    #[cfg(test)]
    pub(crate) fn shorten_recent(&self, most: usize) {
        self.lock().recent.shorten(most);
    }

    /// The last row that was delivered here.
    pub(crate) fn offset(&self) -> Offset {
        let state = self.lock();
        Offset { epoch: state.epoch, position: state.cursor }
    }

    /// What it takes to give `who` everything after a place.
    pub(crate) fn reach(&self, who: &Entitled, from: Offset, limit: usize, now: Timestamp) -> Reach {
        let state = self.lock();
        if from.epoch.is_other(state.epoch) {
            return Reach::OtherEpoch;
        }
        // Another node may be ahead of this one: only the store knows.
        if from.position > state.cursor {
            return Reach::Store;
        }
        match state.recent.missed(who, self.passed_over(who, now), from.position, now) {
            Some(missed) => Reach::Recent(missed.take(limit + 1).count()),
            None => Reach::Store,
        }
    }

    /// Adds a connection, which has yet to hear what it missed and then `inbox:state`. Another one of the same session
    /// is over.
    pub(crate) fn join(&self, joining: Joining) -> Result<Place, Barred> {
        let Joining { who, socket_id, claim, epoch, from, is_replay, hears_emits, bound, most } = joining;
        let mut state = self.lock();
        if epoch.is_other(state.epoch) {
            return Err(Barred::Replaced);
        }
        if self.blocks.has(&who.user_id) {
            return Err(Barred::Blocked);
        }
        if self.mutes.is_outdated(&who, from.map(|from| from.position)) {
            return Err(Barred::Replaced);
        }
        let start = from.unwrap_or(Offset { epoch, position: state.cursor });
        let stage = if is_replay { Stage::Replay } else { Stage::Announce };
        if let Some(old) = state.supersede(&who.user_id, &socket_id, u64::MAX) {
            // A session is resumed with the rooms it had.
            state.remove(&who, old);
        }
        if state.rooms.get(&Room::user(&who.user_id)).is_some_and(|members| members.len() >= most) {
            return Err(Barred::TooMany);
        }
        let id = MemberId(state.next_id);
        state.next_id += 1;
        let mailbox = Mailbox::new(socket_id, claim, bound, stage, start.position, hears_emits);
        let mailbox = Arc::new(mailbox);
        state.add(&who, id, &mailbox);
        gauge!("carillon_sockets").increment(1);
        Ok(Place { id, mailbox, start })
    }

    /// Gives a connection that is still here other rooms. Rows of a room that it leaves are not offered any more, those
    /// of one it enters from where its user is entitled to them.
    pub(crate) fn change_rooms(
        &self,
        id: MemberId,
        old: &Entitled,
        new: &Arc<Entitled>,
        mailbox: &Arc<Mailbox>,
    ) {
        let mut state = self.lock();
        let own = state.rooms.get(&Room::user(&old.user_id));
        if own.is_some_and(|members| members.has(id)) {
            state.remove(old, id);
            state.add(new, id, mailbox);
        }
    }

    /// Removes a connection that has joined.
    pub(crate) fn leave(&self, who: &Entitled, id: MemberId) {
        gauge!("carillon_sockets").decrement(1);
        self.lock().remove(who, id);
    }

    /// Delivers rows, in the log's order. Each is encoded once, before the lock is taken. Answers the connections of those
    /// who were blocked by one, which hear it and nothing after it.
    pub(crate) fn deliver(&self, epoch: Epoch, rows: Vec<Arc<Row>>) -> Vec<Arc<Mailbox>> {
        let encoded: Vec<_> = rows
            .into_iter()
            .map(|row| {
                let frame = frames::notification(epoch, &row, &self.rules);
                (row, frame)
            })
            .collect();
        counter!("carillon_rows_followed_total").increment(encoded.len() as u64);
        let (mut reached, mut ending) = (Vec::new(), Vec::new());
        let now = self.clock.as_ref().map(|clock| clock.now());
        let mut state = self.lock();
        for (row, frame) in encoded {
            state.cursor = row.position;
            let memo = self.mutes.follow(&row);
            if let Some(Memo::Erased { rooms, .. }) = &memo {
                state.erase(&row.room, rooms);
            }
            // A node that was away for a while follows rows that have expired meanwhile. A memo always has.
            let is_over = memo.is_some() || now.is_some_and(|now| row.notification.is_expired(now));
            if let Some(members) = state.rooms.get(&row.room).filter(|_| !is_over) {
                let muters = self.mutes.of_row(&row);
                let is_muted =
                    |member: &Member| muters.as_ref().is_some_and(|m| m.has(&member.who.user_id, &row));
                let members = members.iter().map(|(_, member)| member);
                let members = members.filter(|member| row.position > member.since);
                let members = members.filter(|member| !is_muted(member));
                let queued = members.filter(|member| member.mailbox.offer(row.position, &frame)).count();
                if queued > 0 {
                    reached.push((row.position, u32::try_from(queued).unwrap_or(u32::MAX)));
                }
            }
            if self.blocks.follow(&row) {
                for (_, member) in state.members(&row.room) {
                    member.mailbox.end_after(row.position, Over::Blocked);
                    ending.push(Arc::clone(&member.mailbox));
                }
            }
            state.recent.push(row, frame);
        }
        drop(state);
        self.reached.count(reached);
        ending
    }

    /// The log was replaced by another: every connection is over. What its user is entitled to, and where it stands,
    /// belongs to the old one; its client comes back and is told to reload.
    pub(crate) fn replaced(&self, epoch: Epoch, cursor: Position) {
        let mut state = self.lock();
        state.epoch = epoch;
        state.cursor = cursor;
        state.recent.restart(cursor);
        self.reached.clear();
        // Everyone is in the room of all.
        for (_, member) in state.members(&Room::all()) {
            member.mailbox.end(Over::Replaced);
        }
    }

    /// Whether anyone here is in a room.
    pub(crate) fn is_heard(&self, room: &Room) -> bool {
        self.lock().rooms.contains_key(room)
    }

    /// Word for one room that is not of the log, for all but one socket.
    pub(crate) fn post(&self, room: &Room, frame: &Frame, except: Option<&str>) {
        let state = self.lock();
        for (_, member) in state.members(room) {
            if Some(&**member.mailbox.socket_id()) != except {
                member.mailbox.post(frame);
            }
        }
    }

    /// A session was resumed, here or on another node: whoever had it before is over.
    pub(crate) fn resumed(&self, Resumed { user_id, socket_id, claim }: &Resumed) {
        // It leaves the rooms by itself.
        self.lock().supersede(user_id, socket_id, *claim);
    }

    /// Brings a drained mailbox towards the cursor, from the recent rows if they reach back far enough.
    pub(crate) fn catch_up(&self, who: &Entitled, mailbox: &Mailbox, now: Timestamp) -> CaughtUp {
        let state = self.lock();
        let mut inner = mailbox.lock();
        let next = match inner.stage {
            Stage::Replay => Stage::Announce,
            Stage::Behind => Stage::Live,
            Stage::Announce | Stage::Live | Stage::Over(_) => return CaughtUp::Done,
        };
        if mutated!(RegisterAfterRead) && next == Stage::Live {
            inner.sent = inner.sent.max(state.cursor);
        }
        let end = inner.last.map_or(state.cursor, |(last, _)| last.min(state.cursor));
        // Its client may have heard more from a node that is ahead of this one.
        if inner.sent >= end {
            inner.reach(next);
            return CaughtUp::Done;
        }
        let Some(missed) = state.recent.missed(who, self.passed_over(who, now), inner.sent, now) else {
            return CaughtUp::Read(inner.sent, end);
        };
        let mut queued = Vec::new();
        for (position, frame) in missed.take_while(|(position, _)| *position <= end) {
            if !mailbox.fits(&inner, frame.len()) {
                self.reached.count(queued);
                return CaughtUp::Full;
            }
            inner.push(frame.clone());
            inner.sent = position;
            queued.push((position, 1));
        }
        self.reached.count(queued);
        inner.sent = end;
        inner.reach(next);
        CaughtUp::Done
    }
}

#[cfg(test)]
mod tests;
