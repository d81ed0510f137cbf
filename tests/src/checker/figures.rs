//! What a run comes to, in one line.

use std::fmt;

/// The figures of one run. Times are milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Publishes that were acknowledged.
    pub acknowledged: u64,
    /// Notifications received, each counted once per client.
    pub delivered: u64,
    /// Notifications that a client should have received and did not.
    pub lost: u64,
    /// Notifications that a client received again.
    pub duplicates: u64,
    /// Notifications that a client received after a later one.
    pub out_of_order: u64,
    /// How often a client came back.
    pub returned: u64,
    /// How often it was recovered then.
    pub recovered: u64,
    /// From the end of the fault (or of the connection, if that was later) to `inbox:state`, of each return; sorted.
    pub back_after: Vec<u64>,
    /// The latest delivery after the fault: from its end, or from the publish if that was later.
    pub latest: u64,
    /// The slowest answer to a publish.
    pub slowest_answer: u64,
    /// Tries that were answered 5xx at once: not for a store that let them wait.
    pub failed: u64,
    /// From a publish's first try to each receipt, of those begun outside the fault; sorted.
    pub calm: Vec<u64>,
    /// The same, of those begun during the fault; sorted.
    pub troubled: Vec<u64>,
    /// When each return was done; sorted.
    pub returned_at: Vec<u64>,
}

impl Figures {
    pub(super) fn sort(&mut self) {
        for times in [&mut self.back_after, &mut self.calm, &mut self.troubled, &mut self.returned_at] {
            times.sort_unstable();
        }
    }

    /// The time within which this share (in hundredths) of the returns was done.
    #[must_use]
    pub fn back(&self, percent: usize) -> u64 {
        share(&self.back_after, percent * 10)
    }

    /// The most returns within one second.
    #[must_use]
    pub fn busiest_second(&self) -> usize {
        let within =
            |(n, from): (usize, &u64)| self.returned_at[n..].partition_point(|at| *at < from + 1_000);
        self.returned_at.iter().enumerate().map(within).max().unwrap_or_default()
    }
}

/// The value that this share (in thousandths) does not exceed.
#[must_use]
pub fn share(sorted: &[u64], permille: usize) -> u64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last * permille).div_ceil(1_000)).copied().unwrap_or_default()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            acknowledged,
            delivered,
            lost,
            duplicates,
            out_of_order,
            returned,
            recovered,
            latest,
            slowest_answer,
            ..
        } = self;
        write!(
            f,
            "acknowledged {acknowledged}, delivered {delivered}, lost {lost}, duplicates {duplicates}, "
        )?;
        write!(f, "out of order {out_of_order}, recovered {recovered}/{returned}, ")?;
        write!(f, "back p50/p99/max {}/{}/{} ms, ", self.back(50), self.back(99), self.back(100))?;
        write!(f, "delivered {latest} ms after at most, slowest answer {slowest_answer} ms, ")?;
        let shares = |times| [500, 990, 999].map(|permille| share(times, permille).to_string()).join("/");
        let (calm, troubled) = (shares(&self.calm), shares(&self.troubled));
        write!(f, "publish to receipt p50/p99/p99.9 {calm} ms, in the fault {troubled} ms, ")?;
        write!(f, "{} returns in the busiest second, {} answers 5xx", self.busiest_second(), self.failed)
    }
}
