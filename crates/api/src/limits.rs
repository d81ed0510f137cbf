//! How often one caller may publish, and one user ask: GCRA (a leaky bucket), on this node alone, whatever the network does.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{HttpMessage as _, HttpRequest};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use metrics::counter;

use crate::problem::{Code, Problem};

// The three fields of draft-ietf-httpapi-ratelimit-headers up to version 06, which clients know; from 07 on
// they are one.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// After this many checks, callers that have been quiet are forgotten. Who gets here is authenticated, so
/// between two sweeps there are no more entries than keys and admins.
const SWEEP_EVERY: u32 = 1_024;

/// One limit, for each of all callers.
pub(crate) struct Limits<C: Clock = DefaultClock> {
    /// What is limited, in the figures.
    what: &'static str,
    limiter: RateLimiter<String, DashMapStateStore<String>, C, StateInformationMiddleware>,
    clock: C,
    rate: NonZeroU32,
    burst: NonZeroU32,
    checks: AtomicU32,
}

/// What a caller has left: `RateLimit-Limit` (the burst), `RateLimit-Remaining` (of it, now) and
/// `RateLimit-Reset` (whole seconds until all of it is there again, or, refused, until it is worth trying).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    limit: u32,
    remaining: u32,
    reset: u64,
}

impl Allowance {
    fn headers(self) -> [(HeaderName, u64); 3] {
        [(LIMIT, self.limit.into()), (REMAINING, self.remaining.into()), (RESET, self.reset)]
    }

    /// Writes it into an answer, whatever that is; a refusal has its own.
    pub(crate) fn write(self, answer: &mut HeaderMap) {
        if !answer.contains_key(LIMIT) {
            for (name, value) in self.headers() {
                answer.insert(name, value.into());
            }
        }
    }

    fn refuse(self) -> Problem {
        let detail = format!("Try again in {} s.", self.reset);
        let problem = Problem::new(Code::RateLimited, detail).with(header::RETRY_AFTER, self.reset);
        self.headers().into_iter().fold(problem, |problem, (name, value)| problem.with(name, value))
    }
}

impl Limits {
    pub(crate) fn new(what: &'static str, rate: NonZeroU32, burst: NonZeroU32) -> Self {
        Self::with_clock(what, rate, burst, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    fn with_clock(what: &'static str, rate: NonZeroU32, burst: NonZeroU32, clock: C) -> Self {
        let quota = Quota::per_second(rate).allow_burst(burst);
        let limiter = RateLimiter::dashmap_with_clock(quota, clock.clone()).with_middleware();
        Self { what, limiter, clock, rate, burst, checks: AtomicU32::new(0) }
    }

    /// Lets a caller in for one request. What is left then is told with the answer, by the envelope.
    pub(crate) fn enter(&self, request: &HttpRequest, caller: &String) -> Result<(), Problem> {
        self.pay(request, caller, NonZeroU32::MIN)
    }

    /// Lets a caller who has entered publish a batch. It costs its items, but never more than the burst: or
    /// else a batch larger than that could not be published at any time.
    pub(crate) fn batch(&self, request: &HttpRequest, caller: &String, items: usize) -> Result<(), Problem> {
        NonZeroU32::new(self.rest(items)).map_or(Ok(()), |rest| self.pay(request, caller, rest))
    }

    /// What a batch costs beyond the first item.
    fn rest(&self, items: usize) -> u32 {
        u32::try_from(items).unwrap_or(u32::MAX).min(self.burst.get()).saturating_sub(1)
    }

    fn pay(&self, request: &HttpRequest, caller: &String, cost: NonZeroU32) -> Result<(), Problem> {
        let allowance = self.take(caller, cost).map_err(|refused| {
            counter!("carillon_rate_limited_total", "what" => self.what).increment(1);
            refused.refuse()
        })?;
        request.extensions_mut().insert(allowance);
        Ok(())
    }

    fn take(&self, caller: &String, cost: NonZeroU32) -> Result<Allowance, Allowance> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let limit = self.burst.get();
        match self.limiter.check_key_n(caller, cost) {
            Ok(Ok(state)) => {
                let remaining = state.remaining_burst_capacity().min(limit);
                Ok(Allowance {
                    limit,
                    remaining,
                    reset: (limit - remaining).div_ceil(self.rate.get()).into(),
                })
            }
            Ok(Err(refused)) => {
                let wait = refused.wait_time_from(self.clock.now());
                Err(Allowance { limit, remaining: 0, reset: whole_seconds(wait) })
            }
            Err(_beyond_burst) => Err(Allowance { limit, remaining: 0, reset: 1 }),
        }
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limits(rate: u32, burst: u32) -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let number = |n| NonZeroU32::new(n).unwrap();
        (Limits::with_clock("publish", number(rate), number(burst), clock.clone()), clock)
    }

    fn allowed(limits: &Limits<FakeRelativeClock>, who: &str, items: usize) -> bool {
        let (who, rest) = (who.to_owned(), NonZeroU32::new(limits.rest(items)));
        let entered = limits.take(&who, NonZeroU32::MIN);
        entered.and_then(|entered| rest.map_or(Ok(entered), |rest| limits.take(&who, rest))).is_ok()
    }

    #[test]
    fn a_burst_then_the_rate_and_each_caller_alone() {
        let (limits, clock) = limits(2, 4);
        assert_eq!(
            limits.take(&"a".into(), NonZeroU32::MIN),
            Ok(Allowance { limit: 4, remaining: 3, reset: 1 })
        );
        assert!((0..3).all(|_| allowed(&limits, "a", 1)));
        let refused = Allowance { limit: 4, remaining: 0, reset: 1 };
        assert_eq!(limits.take(&"a".into(), NonZeroU32::MIN), Err(refused));
        assert!(allowed(&limits, "b", 1));
        clock.advance(Duration::from_millis(500));
        assert!(allowed(&limits, "a", 1));
        assert!(!allowed(&limits, "a", 1));
    }

    #[test]
    fn a_batch_costs_its_items_and_at_most_the_burst() {
        let (limits, clock) = limits(1, 10);
        assert!(allowed(&limits, "a", 8));
        assert!(!allowed(&limits, "a", 3));
        clock.advance(Duration::from_secs(60));
        assert!(allowed(&limits, "a", 1_000));
        assert!(!allowed(&limits, "a", 1));
    }

    #[test]
    fn the_quiet_are_forgotten() {
        let (limits, clock) = limits(1, 1);
        for i in 0..SWEEP_EVERY - 1 {
            assert!(allowed(&limits, &i.to_string(), 1));
        }
        assert_eq!(limits.limiter.len(), SWEEP_EVERY as usize - 1);
        clock.advance(Duration::from_secs(60));
        assert!(allowed(&limits, "last", 1));
        assert_eq!(limits.limiter.len(), 1);
    }
}
