//! What is simulated, and how much it takes.

use super::costs::{Costs, NATIVE, Nanos, SECOND};
use super::flow::Flow;
use super::traffic::Crowd;
use super::witness::Witness;

/// Where the heads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stores {
    /// P rows of one table: one machine's cores, one write-ahead log.
    One,
    /// A database each, on machines of their own.
    Each,
}

/// How publishes come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// So many rows a second whatever becomes of them, in requests of so many publishes.
    Open { rate: f64, batch: usize },
    /// So many publishers of one row at a time, in the store's own process (`just bench-append`).
    Closed(usize),
}

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) logs: usize,
    pub(crate) stores: Stores,
    /// Cores of each store's machine, and of each node's.
    pub(crate) cores: usize,
    pub(crate) nodes: usize,
    /// Readers of `all` on each node, and of `role:admin`.
    pub(crate) clients: u64,
    pub(crate) admins: u64,
    pub(crate) load: Load,
    pub(crate) crowd: Crowd,
    pub(crate) costs: Costs,
    /// What is published between these two counts.
    pub(crate) warm: Nanos,
    pub(crate) end: Nanos,
    pub(crate) seed: u64,
}

/// What the tables are about, unless they say otherwise: 4 nodes and stores of 8 cores each, 10,000 clients and 4 admins on each node, requests of 100
/// publishes, users by Zipf.
pub(crate) const USUAL: Setup = Setup {
    logs: 1,
    stores: Stores::Each,
    cores: 8,
    nodes: 4,
    clients: 10_000,
    admins: 4,
    load: Load::Open { rate: 20_000.0, batch: 100 },
    crowd: Crowd::Zipf,
    costs: NATIVE,
    warm: SECOND / 2,
    end: SECOND * 3 / 2,
    seed: 1,
};

impl Setup {
    /// What `just bench-append` does.
    pub(crate) fn as_measured(self, costs: Costs, publishers: usize) -> Self {
        Self { nodes: 1, load: Load::Closed(publishers), crowd: Crowd::Even, costs, ..self }
    }

    pub(crate) fn at(self, rate: f64) -> Self {
        let Load::Open { batch, .. } = self.load else { return self };
        Self { load: Load::Open { rate, batch }, ..self }
    }

    /// Whether it takes this much: nothing is refused, and 99 of 100 are pushed within a tenth of a second.
    pub(crate) fn takes(self, rate: f64) -> bool {
        let mut witness = Flow::run(self.at(rate));
        witness.is_whole() && witness.push(0.99) < 100.0
    }

    /// The most rows a second that it takes, to a twentieth.
    pub(crate) fn most(self) -> f64 {
        let (mut least, mut most) = (1_000.0_f64, 1_000_000.0_f64);
        while most / least > 1.05 {
            let middle = (least * most).sqrt();
            *if self.takes(middle) { &mut least } else { &mut most } = middle;
        }
        least
    }

    pub(crate) fn run_at(self, rate: f64) -> Witness {
        Flow::run(self.at(rate))
    }
}
