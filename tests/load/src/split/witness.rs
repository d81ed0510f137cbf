//! What a run has shown: how much went through, how long it took, and in which order clients heard it.

use std::collections::HashMap;

use super::costs::{Nanos, SECOND};
use super::traffic::{Room, WATCHED, user_of};

/// A row as one client heard it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) pushed: Nanos,
    pub(crate) committed: Nanos,
    /// When its publish was asked for.
    pub(crate) asked: Nanos,
    pub(crate) request: usize,
}

/// What was seen between two times.
pub(crate) struct Witness {
    from: Nanos,
    to: Nanos,
    /// Requests and rows that were asked for.
    requests: usize,
    pub(crate) rows: usize,
    /// Rows each node has handed on.
    applied: Vec<usize>,
    answers: Vec<Nanos>,
    pub(crate) pushes: Vec<Nanos>,
    /// When each request was answered.
    answered: HashMap<usize, Nanos>,
    /// What each watched user's client heard in the rooms of its own, and what each node's clients heard in shared ones.
    own: Vec<Vec<Kept>>,
    shared: Vec<Vec<Kept>>,
}

/// How often a client hears something in another order than others would.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    /// What watched clients heard.
    pub(crate) heard: u64,
    /// After something that was committed later, in another room.
    pub(crate) turned: u64,
    /// After something that was asked for only when this had been answered: whoever asked may have known.
    pub(crate) surprising: u64,
}

impl Witness {
    pub(crate) fn new(from: Nanos, to: Nanos, nodes: usize) -> Self {
        let own = vec![Vec::new(); WATCHED as usize];
        let (shared, applied) = (vec![Vec::new(); nodes], vec![0; nodes]);
        let (answers, pushes, answered) = (Vec::new(), Vec::new(), HashMap::new());
        Self { from, to, requests: 0, rows: 0, applied, answers, pushes, answered, own, shared }
    }

    fn counts(&self, at: Nanos) -> bool {
        (self.from..self.to).contains(&at)
    }

    pub(crate) fn asked(&mut self, rows: usize, now: Nanos) {
        if self.counts(now) {
            self.requests += 1;
            self.rows += rows;
        }
    }

    /// Whether every request was answered, and every row pushed.
    pub(crate) fn is_whole(&self) -> bool {
        self.answers.len() == self.requests && self.pushes.len() >= self.rows
    }

    pub(crate) fn answered(&mut self, request: usize, asked: Nanos, now: Nanos) {
        self.answered.insert(request, now);
        if self.counts(asked) {
            self.answers.push(now - asked);
        }
    }

    pub(crate) fn applied(&mut self, node: usize, rows: usize, now: Nanos) {
        if self.counts(now) {
            self.applied[node] += rows;
        }
    }

    /// A row went out to a client of this node.
    pub(crate) fn pushed(&mut self, node: usize, room: Room, kept: Kept) {
        if !self.counts(kept.asked) {
            return;
        }
        self.pushes.push(kept.pushed.saturating_sub(kept.asked));
        match user_of(room) {
            Some(user) if user < WATCHED => self.own[user as usize].push(kept),
            Some(_) => {}
            None => self.shared[node].push(kept),
        }
    }

    /// Rows a second at the slowest node.
    pub(crate) fn rate(&self) -> f64 {
        let least = self.applied.iter().min().copied().unwrap_or_default();
        least as f64 * SECOND as f64 / (self.to - self.from) as f64
    }

    /// From a request to its answer, in milliseconds.
    pub(crate) fn answer(&mut self, quantile: f64) -> f64 {
        at(&mut self.answers, quantile)
    }

    /// From a request to the push of one of its rows, in milliseconds.
    pub(crate) fn push(&mut self, quantile: f64) -> f64 {
        at(&mut self.pushes, quantile)
    }

    /// Each watched client hears its own rooms and the shared ones, as its node hands them on.
    pub(crate) fn order(&self) -> Order {
        let mut order = Order::default();
        for (user, own) in self.own.iter().enumerate() {
            let mut heard: Vec<&Kept> = own.iter().chain(&self.shared[user % self.shared.len()]).collect();
            heard.sort_by_key(|kept| kept.pushed);
            let (mut latest, mut newest) = (0, 0);
            for kept in heard {
                order.heard += 1;
                order.turned += u64::from(kept.committed < latest);
                let answered = self.answered.get(&kept.request);
                order.surprising += u64::from(answered.is_some_and(|answered| *answered < newest));
                latest = latest.max(kept.committed);
                newest = newest.max(kept.asked);
            }
        }
        order
    }
}

fn at(values: &mut [Nanos], quantile: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let place = (values.len() as f64 * quantile) as usize;
    let place = place.min(values.len().saturating_sub(1));
    if values.is_empty() { f64::NAN } else { *values.select_nth_unstable(place).1 as f64 / 1e6 }
}
