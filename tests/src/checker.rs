//! Reads journals and says which promises were broken: I1 to I8 and I12 of the fault tests. Pure.
//!
//! | | |
//! | --- | --- |
//! | I1 | what was acknowledged is in the log, one row per key and room |
//! | I2 | every entitled client gets every row after its start, unless it was told to reload |
//! | I3 | exactly once |
//! | I4 | positions strictly increase per client |
//! | I5 | nothing of a room that is not the client's, or from before it was entitled |
//! | I6 | what was received is in the log, in that place |
//! | I7 | `recovered` means no hole |
//! | I8 | all is delivered within 5 s after the fault ends |
//! | I12 | every publish is answered within 5 s by 2xx, 4xx or 503 |
//!
//! A client is one *lineage* however often it reconnects. A *session* of it begins with an `inbox:state` that is not
//! recovered, at that state's offset, and goes on through those that are.

mod figures;
mod lineage;
mod losses;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use carillon_domain::{Epoch, Offset, Position};

pub use figures::{Figures, share};
pub use losses::{Losses, Member, losses};

use crate::journal::{Entry, Told};

/// Milliseconds in which a publish is answered, and in which all is delivered once the fault is over.
const LIMIT: u64 = 5_000;
/// Milliseconds in which no store has kept anyone waiting.
const AT_ONCE: u64 = 1_000;
/// Violations of one invariant that are told in words.
const TOLD: usize = 5;

/// A row of the log as it was read from the store after the test.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRow {
    /// The log's life and the row's place.
    pub offset: Offset,
    /// The notification's id.
    pub id: String,
    /// Its room.
    pub room: String,
    /// Its publish's key.
    pub key: String,
}

/// A client and what it may hear.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    /// Its number in the journal.
    pub client: u64,
    /// Its rooms, each with the position up to which rows are not its to see.
    pub rooms: Vec<(String, Position)>,
    /// Where a page that was reloaded begins.
    pub since: Option<Offset>,
    /// It is away at the end: what it has not been told since it left is not missing.
    pub left: bool,
    /// It does not read for a while: how late it hears is its own affair.
    pub asleep: bool,
}

/// What is checked.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// The log; of several lives, if it was replaced.
    pub log: Vec<LogRow>,
    /// The clients.
    pub clients: Vec<Lineage>,
    /// The journal.
    pub entries: Vec<Entry>,
    /// When the fault began and when it was over.
    pub fault: (u64, u64),
    /// The gateway itself dies, or its connections do: a publish may be without an answer.
    pub links_may_break: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The figures.
    pub figures: Figures,
    violations: BTreeMap<&'static str, (u64, Vec<String>)>,
}

impl Verdict {
    /// The invariants that were broken.
    #[must_use]
    pub fn broken(&self) -> Vec<&'static str> {
        self.violations.keys().copied().collect()
    }

    /// That none was.
    ///
    /// # Panics
    /// When one was, with the first violations of each.
    #[track_caller]
    pub fn expect_none(&self) {
        assert!(self.violations.is_empty(), "{self}");
    }

    fn add(&mut self, invariant: &'static str, what: impl FnOnce() -> String) {
        let (count, told) = self.violations.entry(invariant).or_default();
        *count += 1;
        if told.len() < TOLD {
            told.push(what());
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.figures)?;
        for (invariant, (count, told)) in &self.violations {
            write!(f, "\n{invariant} broken {count} times:\n  {}", told.join("\n  "))?;
        }
        Ok(())
    }
}

/// Checks one case.
#[must_use]
pub fn check(case: &Case) -> Verdict {
    let mut verdict = Verdict::default();
    publishes(case, &mut verdict);
    let log = Index::of(case);
    for client in &case.clients {
        lineage::walk(case, &log, client, &mut verdict);
    }
    verdict.figures.sort();
    verdict
}

/// I1 and I12.
fn publishes(case: &Case, verdict: &mut Verdict) {
    let rows: HashSet<_> = case.log.iter().map(|row| (&row.id, &row.room, &row.key)).collect();
    let mut keys = HashSet::new();
    for row in &case.log {
        if !keys.insert((row.offset.epoch, &row.key, &row.room)) {
            verdict.add("I1", || format!("{} is twice in the log for {}", row.key, row.room));
        }
    }
    for entry in &case.entries {
        match entry {
            Entry::Acknowledged { key, rows: answered } => {
                verdict.figures.acknowledged += 1;
                for (id, room) in answered {
                    if !rows.contains(&(id, room, key)) {
                        verdict.add("I1", || format!("{key} was acknowledged as {id} and is not in the log"));
                    }
                }
            }
            Entry::Tried { key, status, took, .. } => {
                verdict.figures.slowest_answer = verdict.figures.slowest_answer.max(*took);
                verdict.figures.failed +=
                    u64::from(status.is_some_and(|status| status >= 500) && *took < AT_ONCE);
                let is_proper = match status {
                    Some(status) => matches!(status, 200..=299 | 400..=499 | 503),
                    None => case.links_may_break,
                };
                if !is_proper || *took > LIMIT {
                    verdict.add("I12", || format!("{key} was answered {status:?} after {took} ms"));
                }
            }
            Entry::Told { .. } => {}
        }
    }
}

/// The log and the journal, as the walks look things up.
struct Index<'a> {
    /// What happened to each client, in order.
    told: HashMap<u64, Vec<(&'a Told, u64)>>,
    /// By life and id.
    rows: HashMap<(Epoch, &'a str), &'a LogRow>,
    /// By life and room, in order.
    rooms: HashMap<(Epoch, &'a str), Vec<&'a LogRow>>,
    epochs: Vec<Epoch>,
    /// When each key was first sent.
    begun: HashMap<&'a str, u64>,
}

impl<'a> Index<'a> {
    fn of(case: &'a Case) -> Self {
        let mut index = Self {
            told: HashMap::new(),
            rows: HashMap::new(),
            rooms: HashMap::new(),
            epochs: Vec::new(),
            begun: HashMap::new(),
        };
        for row in &case.log {
            let epoch = row.offset.epoch;
            index.rows.insert((epoch, &row.id), row);
            index.rooms.entry((epoch, &row.room)).or_default().push(row);
            if !index.epochs.contains(&epoch) {
                index.epochs.push(epoch);
            }
        }
        for entry in &case.entries {
            match entry {
                Entry::Tried { key, took, at, .. } => {
                    index.begun.entry(key).or_insert(at.saturating_sub(*took));
                }
                Entry::Told { client, what, at } => {
                    index.told.entry(*client).or_default().push((what, *at));
                }
                Entry::Acknowledged { .. } => {}
            }
        }
        index
    }

    /// The rows of one life that are a client's to see, in order.
    fn expected(&self, client: &'a Lineage, epoch: Epoch) -> Vec<&'a LogRow> {
        let in_room = |(room, since): &'a (String, Position)| {
            let rows = self.rooms.get(&(epoch, room.as_str())).into_iter().flatten().copied();
            rows.filter(move |row| row.offset.position > *since)
        };
        let mut rows: Vec<_> = client.rooms.iter().flat_map(in_room).collect();
        rows.sort_by_key(|row| row.offset.position);
        rows
    }
}

#[cfg(test)]
mod tests;
