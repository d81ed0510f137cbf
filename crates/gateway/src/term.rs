//! How long a connection may stay: as long as its token counts.
//!
//! ```text
//!   let in ──────────▶ notice: a minute before the token's end ──▶ end: its end and the leeway
//!      ▲                                  │
//!      └───────── a fresh token ──────────┘
//! ```
//!
//! By the wall clock, since that is what a token is written by.

use std::time::Duration;

use carillon_domain::Timestamp;
use carillon_domain::ports::Clock;

/// How long before its token ends a client is told.
const NOTICE: Duration = Duration::from_secs(60);
/// A wait is no longer than this: by so much the end is late at most if the wall clock jumps ahead meanwhile.
const LOOK: Duration = Duration::from_secs(60);

/// One token's time.
#[derive(Debug)]
pub(crate) struct Term {
    expires_at: Timestamp,
    /// `None` once it was given.
    notice_at: Option<Timestamp>,
    ends_at: Timestamp,
}

/// What it is time for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// To say that the token expires at this time.
    Notice(Timestamp),
    /// To leave.
    End,
}

impl Term {
    /// The time of a token by which someone comes in: notice is given at once if less than a minute is left.
    pub(crate) fn new(expires_at: Timestamp, ends_at: Timestamp) -> Self {
        Self { expires_at, notice_at: Some(expires_at.saturating_sub(NOTICE)), ends_at }
    }

    /// The time of a token by which someone stays. If it is short, notice is given at half of it: a client that answers
    /// each notice with such a token would do nothing else.
    pub(crate) fn renewed(expires_at: Timestamp, ends_at: Timestamp, now: Timestamp) -> Self {
        let half = until(expires_at, now) / 2;
        Self { expires_at, notice_at: Some(expires_at.saturating_sub(half.min(NOTICE))), ends_at }
    }

    /// Waits until something may be due: the end alone, unless notice can be given now.
    pub(crate) async fn passed(&self, clock: &dyn Clock, is_announced: bool) {
        let next = self.notice_at.filter(|_| is_announced).unwrap_or(self.ends_at);
        tokio::time::sleep(until(next, clock.now()).min(LOOK)).await;
    }

    /// What is due, once.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<Due> {
        if self.ends_at <= now {
            return Some(Due::End);
        }
        self.notice_at.take_if(|at| *at <= now).map(|_| Due::Notice(self.expires_at))
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.as_millis().saturating_sub(now.as_millis())).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use carillon_domain::testing::{FixedClock, instant};

    use super::*;

    #[test]
    fn notice_is_given_once_a_minute_before_the_end() {
        let mut term = Term::new(instant(300), instant(305));
        assert_eq!(term.due(instant(239)), None);
        assert_eq!(term.due(instant(240)), Some(Due::Notice(instant(300))));
        assert_eq!(term.due(instant(304)), None);
        assert_eq!(term.due(instant(305)), Some(Due::End));
        // Let in within the leeway: told at once, and out at the end of it.
        let mut late = Term::new(instant(300), instant(305));
        assert_eq!(late.due(instant(302)), Some(Due::Notice(instant(300))));
        assert_eq!(late.due(instant(304)), None);
    }

    #[test]
    fn a_short_token_in_place_of_another_gives_notice_at_half_its_time() {
        let mut term = Term::renewed(instant(10), instant(15), instant(0));
        assert_eq!((term.due(instant(4)), term.due(instant(5))), (None, Some(Due::Notice(instant(10)))));
        let mut long = Term::renewed(instant(600), instant(605), instant(0));
        assert_eq!((long.due(instant(539)), long.due(instant(540))), (None, Some(Due::Notice(instant(600)))));
        let mut over = Term::renewed(instant(10), instant(15), instant(12));
        assert_eq!(over.due(instant(12)), Some(Due::Notice(instant(10))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_is_noticed_within_a_minute() {
        let clock = FixedClock::default();
        let mut term = Term::new(instant(86_400), instant(86_405));
        let began = tokio::time::Instant::now();
        term.passed(&clock, true).await;
        assert_eq!((began.elapsed().as_secs(), term.due(clock.now())), (60, None));
        clock.set(instant(90_000));
        term.passed(&clock, true).await;
        assert_eq!((began.elapsed().as_secs(), term.due(clock.now())), (60, Some(Due::End)));
    }
}
