//! The latest rows of the log, already encoded: what those who catch up are given without a visit to the store.

use std::collections::VecDeque;
use std::sync::Arc;

use carillon_domain::{Entitled, Position, Room, Row, Timestamp};
use carillon_protocol::Frame;

/// How many are kept. With rows of some 500 bytes this is a few MiB; at 200 rows a second it covers 20 s, which is
/// longer than a client takes to come back from a node that died.
pub(crate) const ROWS: usize = 4_096;
const BYTES: usize = 8 * 1024 * 1024;

/// The latest rows, in order.
pub(crate) struct Recent {
    rows: VecDeque<(Arc<Row>, Frame)>,
    bytes: usize,
    most: usize,
    /// Every row after this place is here.
    after: Position,
}

impl Recent {
    /// None yet; the first row to come is the one after this place.
    pub(crate) fn new(after: Position) -> Self {
        Self { rows: VecDeque::new(), bytes: 0, most: ROWS, after }
    }

    /// Adds the row that follows those that are here.
    pub(crate) fn push(&mut self, row: Arc<Row>, frame: Frame) {
        self.bytes += frame.len();
        self.rows.push_back((row, frame));
        self.drop_oldest();
    }

    /// Forgets all; the first row to come is the one after this place.
    pub(crate) fn restart(&mut self, after: Position) {
        *self = Self { most: self.most, ..Self::new(after) };
    }

    /// Keeps `most` rows from now on.
    #[cfg(test)]
    pub(crate) fn shorten(&mut self, most: usize) {
        self.most = most;
        self.drop_oldest();
    }

    fn drop_oldest(&mut self) {
        while self.rows.len() > self.most || self.bytes > BYTES {
            let Some((oldest, frame)) = self.rows.pop_front() else { break };
            self.bytes -= frame.len();
            self.after = oldest.position;
        }
    }

    /// Forgets what was said in these rooms, and keeps its place.
    pub(crate) fn erase(&mut self, rooms: &[Room]) {
        self.rows.retain(|(row, _)| !rooms.contains(&row.room));
        self.bytes = self.rows.iter().map(|(_, frame)| frame.len()).sum();
    }

    /// The rows after `sent` that `who` may see and that are not passed over; `None` if some of them are no longer here.
    pub(crate) fn missed(
        &self,
        who: &Entitled,
        is_passed_over: impl Fn(&Row) -> bool,
        sent: Position,
        now: Timestamp,
    ) -> Option<impl Iterator<Item = (Position, &Frame)>> {
        if sent < self.after {
            return None;
        }
        let start = self.rows.partition_point(|(row, _)| row.position <= sent);
        let is_theirs = move |row: &Row| {
            who.rooms.iter().any(|e| e.room == row.room && row.position > e.since)
                && !row.notification.is_expired(now)
                && !is_passed_over(row)
        };
        let rows = self.rows.range(start..).filter(move |(row, _)| is_theirs(row));
        Some(rows.map(|(row, frame)| (row.position, frame)))
    }
}
