//! How often one client may do something: GCRA (a leaky bucket), on this node alone, whatever the network does.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use carillon_domain::UserId;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// What all connections of one user may do together, as a multiple of what one may: some tabs and a phone at work at once,
/// and not one flood from each of twenty.
const CONNECTIONS: u32 = 5;
/// After this many checks those who have been quiet are forgotten.
const SWEEP_EVERY: u32 = 1_024;

/// A bucket of `burst` that fills by `rate` a second.
pub(crate) struct Limiter(DefaultDirectRateLimiter);

impl Limiter {
    pub(crate) fn new(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        Self(RateLimiter::direct(Quota::per_second(rate).allow_burst(burst)))
    }

    /// Takes one, or says how long until one could be taken.
    pub(crate) fn check(&self) -> Result<(), Duration> {
        self.0.check().map_err(|refused| refused.wait_time_from(DefaultClock::default().now()))
    }
}

/// Such a bucket for each of many. Between two sweeps it grows by no more than was let through or refused meanwhile, and
/// after one it holds those whose bucket is not full.
pub(crate) struct Limiters<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    limiter: RateLimiter<K, DashMapStateStore<K>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    checks: AtomicU32,
}

/// One for each user who has sent an event of late.
pub(crate) struct UserLimiter(Limiters<UserId>);

impl UserLimiter {
    /// With these figures of a single connection.
    pub(crate) fn new(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        let times = NonZeroU32::MIN.saturating_add(CONNECTIONS - 1);
        let (rate, burst) = (rate.saturating_mul(times), burst.saturating_mul(times));
        Self(Limiters::new(rate, burst, DefaultClock::default()))
    }

    pub(crate) fn check(&self, user_id: &UserId) -> Result<(), Duration> {
        self.0.check(user_id)
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Limiters<K, C> {
    pub(crate) fn new(rate: NonZeroU32, burst: NonZeroU32, clock: C) -> Self {
        let quota = Quota::per_second(rate).allow_burst(burst);
        let limiter = RateLimiter::dashmap_with_clock(quota, clock.clone());
        Self { limiter, clock, checks: AtomicU32::new(0) }
    }

    /// Takes one of this one's, or says how long until one could be taken.
    pub(crate) fn check(&self, key: &K) -> Result<(), Duration> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        self.limiter.check_key(key).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn each_has_a_bucket_of_its_own_and_the_quiet_are_forgotten() {
        let (clock, number) = (FakeRelativeClock::default(), |n| NonZeroU32::new(n).unwrap());
        let limiters = Limiters::new(number(2), number(3), clock.clone());
        assert!((0..3).all(|_| limiters.check(&0).is_ok()));
        assert_eq!(limiters.check(&0), Err(Duration::from_millis(500)));
        assert!(limiters.check(&1).is_ok());
        clock.advance(Duration::from_millis(500));
        assert!(limiters.check(&0).is_ok() && limiters.check(&0).is_err());
        for n in 2..SWEEP_EVERY {
            assert!(limiters.check(&n).is_ok());
        }
        clock.advance(Duration::from_secs(60));
        assert!((0..SWEEP_EVERY).filter(|_| limiters.check(&0).is_err()).count() > 0);
        assert_eq!(limiters.limiter.len(), 1);
    }
}
