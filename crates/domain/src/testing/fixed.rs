//! Time, chance and an executor without surprises.

use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use uuid::Uuid;

use super::instant;
use crate::ports::{Clock, MintIds};
use crate::{EventId, NotificationId, Timestamp};

/// A clock that stands still until it is set.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.as_millis()))
    }

    /// Shows `at` from now on.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.as_millis(), Ordering::SeqCst);
    }

    /// Moves on, to the millisecond.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
    }
}

impl Default for FixedClock {
    fn default() -> Self {
        Self::new(instant(0))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst)).unwrap_or(instant(0))
    }
}

/// Ids that count: shaped as UUIDv7 (RFC 9562 §5.7), ascending, the same on every run.
#[derive(Debug, Default)]
pub struct CountingIds(AtomicU64);

impl CountingIds {
    /// Ids from the first on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ids after the `n`th, so that two sources in one test need not collide.
    #[must_use]
    pub fn after(n: u64) -> Self {
        Self(AtomicU64::new(n))
    }

    fn next(&self) -> Uuid {
        let n = u128::from(self.0.fetch_add(1, Ordering::SeqCst)) + 1;
        // 48 bits of time, the version, 12 bits, the variant, 62 bits: the count stands in the first and the last.
        Uuid::from_u128((0x0198_0000_0000 + n) << 80 | 0x7 << 76 | 0b10 << 62 | n)
    }
}

impl MintIds for CountingIds {
    fn notification_id(&self) -> NotificationId {
        NotificationId::from_uuid(self.next())
    }

    fn event_id(&self) -> EventId {
        EventId::from_uuid(self.next())
    }
}

/// Drives a future that waits for nothing outside itself, as all of the memory adapters are; it would spin on any
/// other.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}
