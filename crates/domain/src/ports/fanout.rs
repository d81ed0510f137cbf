//! Word from node to node: quick, and never needed for correctness.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_channel::mpsc;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};

use crate::{Hint, NotificationId, UserId};

/// What nodes tell each other.
#[derive(Debug, Clone)]
pub enum Signal {
    /// The log has grown.
    Hint(Arc<Hint>),
    /// A user marked notifications; their other sockets show it.
    Marked(Arc<MarkNews>),
    /// A session was resumed: a connection that has it elsewhere is over.
    Resumed(Arc<Resumed>),
    /// Signals were lost here: read the head.
    Lagged,
}

/// Which of a user's notifications changed, for the user's other sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkNews {
    /// Whose.
    pub user_id: UserId,
    /// The socket that did it and knows already, if one did.
    pub except: Option<String>,
    /// Read, or unread again.
    pub read: bool,
    /// The ones named, if they were named one by one.
    pub ids: Vec<NotificationId>,
    /// All up to this one, if they were marked so.
    pub up_to: Option<NotificationId>,
    /// What is unread now.
    pub unread: u32,
}

/// A session and the connection that has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub socket_id: String,
    /// Told apart by this from the connection that had it before: the higher claim has the session, whatever the order
    /// in which the nodes hear of it.
    pub claim: u64,
}

/// The signals that reach one subscriber; ends with the fanout.
pub type Subscription = BoxStream<'static, Signal>;

/// Carries signals to every node.
///
/// What is published reaches every subscriber of this node at once, whatever the network does; subscribers of other
/// nodes hear it soon, late, twice, out of order or never. A subscriber too slow for its queue loses signals and is
/// told so by [`Signal::Lagged`].
pub trait Fanout: Send + Sync {
    /// Tells everyone. It neither waits nor fails: a signal that cannot be sent is lost, and the head poll mends it.
    fn publish(&self, signal: Signal);

    /// Listens from now on.
    fn subscribe(&self) -> Subscription;

    /// Whether signals come from every node and go to every node, as far as this one can tell. While they do not, who
    /// follows the log had better look at its head often. Each time this changes, subscribers hear
    /// [`Signal::Lagged`].
    fn reaches_all(&self) -> bool;
}

/// The fanout of a single node, and the local half of every other.
#[derive(Debug, Default)]
pub struct Loopback {
    subscribers: Mutex<Vec<Subscriber>>,
}

#[derive(Debug)]
struct Subscriber {
    queue: mpsc::Sender<Signal>,
    lagged: Arc<AtomicBool>,
}

/// What waits for one subscriber. A hint holds a batch of rows, so this bounds memory to some hundred batches; one
/// that is overrun reads the store instead.
const QUEUE: usize = 256;

impl Loopback {
    /// A fanout without subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Fanout for Loopback {
    fn publish(&self, signal: Signal) {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain_mut(|subscriber| match subscriber.queue.try_send(signal.clone()) {
            Ok(()) => true,
            Err(refused) if refused.is_full() => {
                subscriber.lagged.store(true, Ordering::Release);
                true
            }
            Err(_gone) => false,
        });
    }

    fn subscribe(&self) -> Subscription {
        let (queue, signals) = mpsc::channel(QUEUE);
        let lagged = Arc::new(AtomicBool::new(false));
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.push(Subscriber { queue, lagged: Arc::clone(&lagged) });
        Listener { signals, lagged }.boxed()
    }

    fn reaches_all(&self) -> bool {
        true
    }
}

struct Listener {
    signals: mpsc::Receiver<Signal>,
    lagged: Arc<AtomicBool>,
}

impl Stream for Listener {
    type Item = Signal;

    // Looks at the flag on every poll, ahead of the queue: a full queue is never empty, so the flag cannot be set
    // without something left to wake this up.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        if self.lagged.swap(false, Ordering::AcqRel) {
            return Poll::Ready(Some(Signal::Lagged));
        }
        self.signals.poll_next_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn next(subscription: &mut Subscription) -> Option<Signal> {
        subscription.next().now_or_never().flatten()
    }

    #[test]
    fn everyone_hears_and_the_slow_are_told_that_they_lag() {
        let fanout = Loopback::new();
        let (mut quick, mut slow) = (fanout.subscribe(), fanout.subscribe());
        let mut heard = 0;
        for _ in 0..QUEUE * 2 {
            fanout.publish(Signal::Lagged);
            heard += usize::from(next(&mut quick).is_some());
        }
        assert_eq!(heard, QUEUE * 2);
        // The first word is that something was lost, then comes what was not.
        let mut left = 0;
        while next(&mut slow).is_some() {
            left += 1;
        }
        assert!((QUEUE..=QUEUE + 3).contains(&left), "{left}");
        assert!(next(&mut slow).is_none());
    }

    #[test]
    fn one_that_left_is_forgotten() {
        let fanout = Loopback::new();
        drop(fanout.subscribe());
        fanout.publish(Signal::Lagged);
        assert!(fanout.subscribers.lock().unwrap().is_empty());
    }
}
