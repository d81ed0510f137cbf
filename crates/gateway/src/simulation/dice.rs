//! Chance, all of it from one number.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

/// splitmix64 (Steele, Lea, Flood 2014): the same numbers for a seed whatever the version of any crate. Shared by
/// everything in a world, and atomic only because ports ask for `Sync`.
pub(super) struct Dice(AtomicU64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(super) fn roll(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..n`; 0 if there is none.
    pub(super) fn below(&self, n: usize) -> usize {
        usize::try_from(self.roll() >> 1).unwrap_or_default() % n.max(1)
    }

    /// True in so many of 100 cases.
    pub(super) fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub(super) fn pick<T: Copy>(&self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).copied()
    }

    /// Takes some turns, or none, as something slow does. Even the quickest takes one now and then, or whoever asks the
    /// same again and again would never give its turn away.
    pub(super) async fn dawdle(&self, percent: usize) {
        Turns(if self.chance(percent.max(3)) { 1 + self.below(3) } else { 0 }).await;
    }
}

struct Turns(usize);

impl Future for Turns {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.0.checked_sub(1) {
            None => Poll::Ready(()),
            Some(left) => {
                self.0 = left;
                Poll::Pending
            }
        }
    }
}

/// Gives a future one turn.
pub(super) fn turn<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
