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
    /// When to look next, and whether notice could be given when that was found.
    look: Option<(bool, Duration)>,
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
        Self { expires_at, notice_at: Some(expires_at.saturating_sub(NOTICE)), ends_at, look: None }
    }

    /// The time of a token by which someone stays. If it is short, notice is given at half of it: a client that answers
    /// each notice with such a token would do nothing else.
    pub(crate) fn renewed(expires_at: Timestamp, ends_at: Timestamp, now: Timestamp) -> Self {
        let half = until(expires_at, now) / 2;
        Self { expires_at, notice_at: Some(expires_at.saturating_sub(half.min(NOTICE))), ends_at, look: None }
    }

    /// When something may be due, in the time whose `now` this is: the end alone, unless notice can be given now.
    pub(crate) fn look_at(&mut self, clock: &dyn Clock, is_announced: bool, now: Duration) -> Duration {
        // It is asked after all that happens, and mostly says what it said before.
        if let Some((_, at)) = self.look.filter(|(announced, _)| *announced == is_announced) {
            return at;
        }
        let next = self.notice_at.filter(|_| is_announced).unwrap_or(self.ends_at);
        let at = now + until(next, clock.now()).min(LOOK);
        self.look = Some((is_announced, at));
        at
    }

    /// What is due, once; notice, only if it can be given.
    pub(crate) fn due(&mut self, now: Timestamp, is_announced: bool) -> Option<Due> {
        self.look = None;
        if self.ends_at <= now {
            return Some(Due::End);
        }
        self.notice_at.take_if(|at| is_announced && *at <= now).map(|_| Due::Notice(self.expires_at))
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
        assert_eq!(term.due(instant(239), true), None);
        assert_eq!(term.due(instant(240), true), Some(Due::Notice(instant(300))));
        assert_eq!(term.due(instant(304), true), None);
        assert_eq!(term.due(instant(305), true), Some(Due::End));
        // Let in within the leeway: told at once, and out at the end of it.
        let mut late = Term::new(instant(300), instant(305));
        assert_eq!(late.due(instant(302), true), Some(Due::Notice(instant(300))));
        assert_eq!(late.due(instant(304), true), None);
    }

    #[test]
    fn a_short_token_in_place_of_another_gives_notice_at_half_its_time() {
        let mut term = Term::renewed(instant(10), instant(15), instant(0));
        assert_eq!(
            (term.due(instant(4), true), term.due(instant(5), true)),
            (None, Some(Due::Notice(instant(10))))
        );
        let mut long = Term::renewed(instant(600), instant(605), instant(0));
        assert_eq!(
            (long.due(instant(539), true), long.due(instant(540), true)),
            (None, Some(Due::Notice(instant(600))))
        );
        let mut over = Term::renewed(instant(10), instant(15), instant(12));
        assert_eq!(over.due(instant(12), true), Some(Due::Notice(instant(10))));
    }

    #[test]
    fn a_clock_that_jumps_is_noticed_within_a_minute() {
        let (clock, seconds) = (FixedClock::default(), Duration::from_secs);
        let mut term = Term::new(instant(86_400), instant(86_405));
        assert_eq!(term.look_at(&clock, true, seconds(7)), seconds(67));
        clock.set(instant(90_000));
        assert_eq!(term.look_at(&clock, true, seconds(50)), seconds(67), "not each time anything happens");
        assert_eq!(term.due(clock.now(), true), Some(Due::End));
        assert_eq!(term.look_at(&clock, true, seconds(67)), seconds(67));
    }

    #[test]
    fn notice_waits_for_the_announcement() {
        let (clock, seconds) = (FixedClock::default(), Duration::from_secs);
        let now = clock.now();
        let in_seconds = |n| now.saturating_add(seconds(n));
        let mut term = Term::new(in_seconds(10), in_seconds(30));
        assert_eq!(term.look_at(&clock, false, seconds(1)), seconds(31));
        assert_eq!(term.look_at(&clock, true, seconds(2)), seconds(2));
        assert_eq!(term.due(now, false), None);
        assert_eq!(term.due(now, true), Some(Due::Notice(in_seconds(10))));
        assert_eq!(term.look_at(&clock, true, seconds(3)), seconds(33));
    }
}
