//! The stores' side of a split: logs by generation, and how one number of logs becomes another while all goes on.
//!
//! ```text
//!   generation 0   log 0 ──────────────┤ closed        each step is one transaction, and doing it twice does nothing:
//!                  log 1 ─────────┤ closed             1. the next generation is made, of logs that take nothing yet
//!                  log 2 ───────────────┤ closed       2. each log is closed, under its head's lock
//!   generation 1                         ├── log 0 ──▶ 3. if all are closed, the next one is open
//!                                        ├── log 1 ──▶
//! ```
//!
//! Any node may take any step, so nobody's death leaves it half done for long; meanwhile appends to closed logs wait. A follower enters a generation once it
//! has read the one before to its end, and so do replays: no place in an old log need be translated to a new one.

use super::traffic::{Room, log_of};

/// A wrong design, each of which the worlds must catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// The next generation is opened before all logs are closed.
    OpenEarly,
    /// A follower goes on when the next generation is open, whatever is left of its own.
    Impatient,
    /// Who publishes again looks only into the generation that is open.
    BlindRetry,
    /// A client is let in by a node that has not come as far as the client in each log.
    LetInAhead,
    /// What is replayed says the place of the node, as what is live does.
    ReplayAhead,
}

/// What is kept of one publish in one room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) event: usize,
    pub(crate) room: Room,
    /// When it was committed, among all rows.
    pub(crate) at: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    /// A row's position is one more than its index.
    pub(crate) rows: Vec<Row>,
    pub(crate) is_closed: bool,
}

/// What a store says to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Append {
    Kept,
    Closed,
}

/// All generations of logs there have been; in truth until their rows are too old.
#[derive(Debug)]
pub(crate) struct Generations {
    pub(crate) logs: Vec<Vec<Log>>,
    /// The generation that takes rows.
    pub(crate) open: usize,
    commits: usize,
    mutant: Option<Mutant>,
}

fn made(logs: usize) -> Vec<Log> {
    (0..logs).map(|_| Log::default()).collect()
}

impl Generations {
    pub(crate) fn new(logs: usize, mutant: Option<Mutant>) -> Self {
        Self { logs: vec![made(logs)], open: 0, commits: 0, mutant }
    }

    pub(crate) fn is_changing(&self) -> bool {
        self.logs.len() > self.open + 1 || self.logs[self.open].iter().any(|log| log.is_closed)
    }

    /// Step 1, unless it was done.
    pub(crate) fn prepare(&mut self, logs: usize) {
        if self.logs.len() == self.open + 1 {
            self.logs.push(made(logs));
        }
    }

    /// Step 2 for one log: the first that is open still.
    pub(crate) fn close_one(&mut self) -> bool {
        let next = self.logs.len() - 1;
        self.logs[..next].iter_mut().flatten().find(|log| !log.is_closed).is_some_and(|log| {
            log.is_closed = true;
            true
        })
    }

    /// Step 3; looks again, whatever whoever asks believes.
    pub(crate) fn open_next(&mut self) {
        let is_early = self.mutant == Some(Mutant::OpenEarly);
        let is_due = is_early || self.logs[self.open].iter().all(|log| log.is_closed);
        if is_due && self.logs.len() > self.open + 1 {
            self.open += 1;
        }
    }

    fn log(&self, generation: usize, room: Room) -> usize {
        log_of(room, self.logs[generation].len())
    }

    fn has(&self, generation: usize, event: usize, room: Room) -> bool {
        let log = self.log(generation, room);
        self.logs[generation][log].rows.iter().any(|row| (row.event, row.room) == (event, room))
    }

    /// Whether a generation before this one has it. They are closed, so the answer stays true.
    pub(crate) fn had_before(&self, generation: usize, event: usize, room: Room) -> bool {
        let is_blind = self.mutant == Some(Mutant::BlindRetry);
        !is_blind && (0..generation).any(|generation| self.has(generation, event, room))
    }

    /// Keeps a row, once, in the generation that its node believes to be open.
    pub(crate) fn append(&mut self, generation: usize, event: usize, room: Room) -> Append {
        let log = self.log(generation, room);
        if self.logs[generation][log].is_closed || generation > self.open {
            return Append::Closed;
        }
        if !self.has(generation, event, room) {
            self.commits += 1;
            self.logs[generation][log].rows.push(Row { event, room, at: self.commits });
        }
        Append::Kept
    }

    /// Whether who has come to these places of a generation goes on to the next.
    pub(crate) fn is_through(&self, generation: usize, places: &[usize]) -> bool {
        let logs = &self.logs[generation];
        let is_read = logs.iter().zip(places).all(|(log, place)| log.is_closed && log.rows.len() == *place);
        self.open > generation && (is_read || self.mutant == Some(Mutant::Impatient))
    }
}
