//! A fanout that can be cut off from the other nodes.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::ports::{Fanout, Loopback, Signal, Subscription};

/// A loopback that says of itself what it is told to.
#[derive(Debug, Default)]
pub struct Cuttable {
    here: Loopback,
    is_cut: AtomicBool,
}

impl Cuttable {
    /// Whether it reaches nobody from now on. Its subscribers are told that something has changed.
    pub fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
        self.here.publish(Signal::Lagged);
    }
}

impl Fanout for Cuttable {
    fn publish(&self, signal: Signal) {
        self.here.publish(signal);
    }

    fn subscribe(&self) -> Subscription {
        self.here.subscribe()
    }

    fn reaches_all(&self) -> bool {
        !self.is_cut.load(Ordering::SeqCst)
    }
}
