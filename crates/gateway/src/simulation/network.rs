//! Word between nodes: lost, repeated, late and out of order, as [`Fanout`] allows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use carillon_domain::ports::{Fanout, Loopback, Signal, Subscription};

use super::dice::Dice;

/// What is between the nodes.
#[derive(Default)]
pub(super) struct Network {
    pub(super) is_down: AtomicBool,
    /// To which node, and what; the world delivers it in whatever order.
    under_way: Mutex<Vec<(usize, Signal)>>,
}

impl Network {
    /// Takes something that is under way, in no order.
    pub(super) fn take(&self, dice: &Dice) -> Option<(usize, Signal)> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let which = dice.below(under_way.len());
        (which < under_way.len()).then(|| under_way.swap_remove(which))
    }
}

/// One node's way to it: the real local half, and the wire.
pub(super) struct NodeFanout {
    pub(super) node: usize,
    pub(super) nodes: usize,
    pub(super) local: Loopback,
    pub(super) network: Arc<Network>,
}

impl Fanout for NodeFanout {
    fn publish(&self, signal: Signal) {
        self.local.publish(signal.clone());
        if !self.network.is_down.load(Ordering::Relaxed) {
            let mut under_way = self.network.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            let others = (0..self.nodes).filter(|node| *node != self.node);
            under_way.extend(others.map(|node| (node, signal.clone())));
        }
    }

    fn subscribe(&self) -> Subscription {
        self.local.subscribe()
    }

    // The world reads heads at its own pace.
    fn reaches_all(&self) -> bool {
        true
    }
}
