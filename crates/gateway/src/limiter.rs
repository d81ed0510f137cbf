//! How often one client may do something.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

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
