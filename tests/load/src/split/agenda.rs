//! Virtual time: what happens when, and cores that do one thing at a time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::costs::Nanos;

/// What is to happen, by its time; at the same time in the order in which it was said.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    pub(crate) now: Nanos,
    said: u64,
    entries: BinaryHeap<Reverse<(Nanos, u64, E)>>,
}

impl<E: Ord> Agenda<E> {
    pub(crate) fn new() -> Self {
        Self { now: 0, said: 0, entries: BinaryHeap::new() }
    }

    pub(crate) fn after(&mut self, wait: Nanos, event: E) {
        self.said += 1;
        self.entries.push(Reverse((self.now + wait, self.said, event)));
    }

    /// What happens next, at what is now the time.
    pub(crate) fn next(&mut self) -> Option<E> {
        let Reverse((at, _, event)) = self.entries.pop()?;
        self.now = at;
        Some(event)
    }
}

/// Cores of a machine: first come, first served.
#[derive(Debug)]
pub(crate) struct Cores<E> {
    idle: usize,
    waiting: VecDeque<(Nanos, E)>,
}

impl<E: Ord> Cores<E> {
    pub(crate) fn new(cores: usize) -> Self {
        Self { idle: cores, waiting: VecDeque::new() }
    }

    /// Works for so long, once a core is idle; `done` happens then, and must [`release`](Self::release) the core.
    pub(crate) fn work(&mut self, agenda: &mut Agenda<E>, span: Nanos, done: E) {
        if self.idle == 0 {
            self.waiting.push_back((span, done));
        } else {
            self.idle -= 1;
            agenda.after(span, done);
        }
    }

    pub(crate) fn release(&mut self, agenda: &mut Agenda<E>) {
        match self.waiting.pop_front() {
            Some((span, done)) => agenda.after(span, done),
            None => self.idle += 1,
        }
    }
}
