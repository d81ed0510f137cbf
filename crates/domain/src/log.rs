//! The log: one number in commit order, from which order, duplicates, recovery and "read up to here" all follow.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::{EventId, Notification, Room};

/// A row's place in the log. Positions are handed out in commit order, each one more than the last: a reader that
/// has seen position `n` will never meet a new row at or below `n`. The first row has position 1; 0 is "before all".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

impl Position {
    /// Before the first row.
    pub const START: Self = Self(0);
    /// After every row there can be: stores keep positions as signed 64-bit integers.
    pub const END: Self = Self(i64::MAX as u64);

    /// The `n`th place; beyond [`Position::END`] there is none.
    #[must_use]
    pub const fn new(n: u64) -> Option<Self> {
        if n <= Self::END.0 { Some(Self(n)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as stores keep it.
    #[must_use]
    #[expect(clippy::cast_possible_wrap, reason = "new() keeps it within i64")]
    pub const fn as_i64(self) -> i64 {
        self.0 as i64
    }

    /// What a store kept; `None` for a negative number, which no log hands out.
    #[must_use]
    pub fn from_i64(n: i64) -> Option<Self> {
        u64::try_from(n).ok().map(Self)
    }

    /// The place `n` further on, at most [`Position::END`].
    #[must_use]
    pub fn plus(self, n: usize) -> Self {
        Self(self.0.saturating_add(n as u64).min(Self::END.0))
    }

    /// The place `n` before, at least [`Position::START`].
    #[must_use]
    pub const fn minus(self, n: usize) -> Self {
        Self(self.0.saturating_sub(n as u64))
    }
}

/// Which life of the log a position belongs to: a random number kept beside the head. Restoring a backup changes it,
/// so that an offset from the lost future is not mistaken for one of today's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch with this number; stores keep it as a signed 64-bit integer, so its top bit is dropped.
    #[must_use]
    pub const fn new(random: u64) -> Self {
        Self(random & (u64::MAX >> 1))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether a place in this life of the log says nothing about that one.
    #[must_use]
    pub fn is_other(self, life: Self) -> bool {
        self != life && !mutated!(EpochIgnored)
    }
}

/// A client's place in the log, on the wire `"<epoch in base 36>.<position in base 36>"`: the same text for every
/// recipient of a row, so that a frame is encoded once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Offset {
    /// The log's life.
    pub epoch: Epoch,
    /// The last row seen.
    pub position: Position,
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_base36(f, self.epoch.0)?;
        f.write_str(".")?;
        write_base36(f, self.position.0)
    }
}

/// A text that is no offset of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an offset")]
pub struct BadOffset;

impl FromStr for Offset {
    type Err = BadOffset;

    fn from_str(text: &str) -> Result<Self, BadOffset> {
        let (epoch, position) = text.split_once('.').ok_or(BadOffset)?;
        let epoch = read_base36(epoch).map(Epoch).ok_or(BadOffset)?;
        let position = read_base36(position).and_then(Position::new).ok_or(BadOffset)?;
        let offset = Self { epoch, position };
        // One place has one spelling: no sign, no capitals, no leading zeros.
        if offset.to_string() == text { Ok(offset) } else { Err(BadOffset) }
    }
}

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn write_base36(f: &mut fmt::Formatter<'_>, mut n: u64) -> fmt::Result {
    let mut digits = [0u8; 13];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(n % 36) as usize];
        n /= 36;
        if n == 0 {
            break;
        }
    }
    f.write_str(std::str::from_utf8(&digits[start..]).unwrap_or_default())
}

fn read_base36(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 36).ok().filter(|n| *n <= Position::END.0)
}

/// One row of the log: a notification in its room, in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its place.
    pub position: Position,
    /// Who hears it.
    pub room: Room,
    /// The publish it came from.
    pub event_id: EventId,
    /// What is said.
    pub notification: Notification,
}

/// How far the log has come, read in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The log's life.
    pub epoch: Epoch,
    /// The last row's place.
    pub position: Position,
    /// Rows at or below this place may have been deleted for their age.
    pub trimmed: Position,
}

/// Some rows of the log in order, and the head as it stood in the same read.
#[derive(Debug, Clone)]
pub struct Page {
    /// The head at the moment of reading, so that a trimmed or replaced log is noticed with the rows it concerns.
    pub head: Head,
    /// Rows, positions strictly increasing.
    pub rows: Vec<Arc<Row>>,
    /// Up to where this page speaks for the log: every matching row at or below it that came after the place asked
    /// for is in `rows`. Less than what was asked when the limit cut the page.
    pub through: Position,
}

/// What a node tells the others after a commit: "the log has grown". It may be lost, repeated, late or out of order;
/// nothing but delay may follow from that.
#[derive(Debug, Clone)]
pub struct Hint {
    /// The log's life.
    pub epoch: Epoch,
    /// The head before these rows.
    pub from: Position,
    /// The head with them: the last row's place.
    pub to: Position,
    /// Every row after `from`, to `to`, in order.
    pub rows: Vec<Arc<Row>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_written_in_base_36_and_read_back() {
        for (epoch, position) in [(0, 0), (35, 36), (u64::MAX >> 1, Position::END.0), (1_234_567, 89)] {
            let offset = Offset { epoch: Epoch::new(epoch), position: Position::new(position).unwrap() };
            assert_eq!(offset.to_string().parse(), Ok(offset));
        }
        let offset = Offset { epoch: Epoch::new(35), position: Position::new(36).unwrap() };
        assert_eq!(offset.to_string(), "z.10");
    }

    #[test]
    fn no_other_spelling_is_an_offset() {
        for bad in
            ["", ".", "z", "z.", ".1", "Z.1", "z.01", "+z.1", "z.-1", "z.1.1", "z.zzzzzzzzzzzzz", "z. 1"]
        {
            assert_eq!(bad.parse::<Offset>(), Err(BadOffset), "{bad:?}");
        }
    }
}
