//! Whose turn it is to bring postings to the log, and what the others keep meanwhile. Pure: time is an argument.
//!
//! ```text
//!   heard ──has the lease──▶ outgoing ─▶ the node's intake
//!     │                         ▲
//!     └─has not─▶ kept, 30 s ───┘ lease granted: whoever had it may not have brought them, and their ids keep them single
//! ```
//!
//! What has no id is brought by the one that has the lease, or by nobody: one whose lease has ended keeps it only for as long as
//! no other can have had the lease meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

use carillon_domain::Posting;

/// How long the lease holds unless it is renewed.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// Before its end by Redis's clock nobody here acts on it any more.
const MARGIN: Duration = Duration::from_millis(500);
/// How long one that cannot bring anything does not ask again once its lease has ended: the others ask twice a second.
const GIVE_WAY: Duration = Duration::from_millis(1_500);
/// How long a posting is kept: the lease, and as long as a store may be away that the holder waits for.
const KEEP: Duration = Duration::from_secs(30);
/// Bytes that are kept, and bytes that wait for the intake.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// One node's part.
#[derive(Default)]
pub(super) struct Turn {
    holds_until: Duration,
    kept: Queue,
    outgoing: Queue,
}

#[derive(Default)]
struct Queue {
    postings: VecDeque<(Duration, usize, Posting)>,
    bytes: usize,
}

impl Turn {
    /// Whether this node brings what it hears.
    pub(super) fn holds(&self, now: Duration) -> bool {
        now < self.holds_until
    }

    /// Whether to ask for the lease, or for more of it. One that fails lets it go for a moment, so that another may have it, and
    /// comes back to it, since it may be the only one.
    pub(super) fn asks(&self, is_failing: bool, now: Duration) -> bool {
        !is_failing || now >= self.holds_until + GIVE_WAY
    }

    /// Takes a posting of so many bytes; `false` if there is no room for it.
    pub(super) fn hear(&mut self, posting: Posting, bytes: usize, now: Duration) -> bool {
        if self.holds(now) {
            return self.outgoing.push(now, bytes, posting);
        }
        if posting.has_id() || self.holds_until > Duration::ZERO {
            self.kept.forget(now);
            while !self.kept.push(now, bytes, posting.clone()) && self.kept.pop().is_some() {}
        }
        true
    }

    /// The lease was granted or renewed at the latest at `since`. Answers how many there was no room for.
    pub(super) fn granted(&mut self, since: Duration, now: Duration) -> u64 {
        let mut lost = 0;
        if !self.holds(now) {
            if since >= self.holds_until + LEASE {
                self.kept.forget_without_id();
            }
            self.kept.forget(now);
            // What waited from an earlier turn goes first.
            while let Some((at, bytes, posting)) = self.kept.pop() {
                lost += u64::from(!self.outgoing.push(at, bytes, posting));
            }
        }
        self.holds_until = since + LEASE - MARGIN;
        lost
    }

    /// Another node has the lease.
    pub(super) fn denied(&mut self) {
        self.holds_until = Duration::ZERO;
        self.kept.forget_without_id();
    }

    /// The next posting for the intake.
    pub(super) fn next(&mut self) -> Option<Posting> {
        self.outgoing.pop().map(|(_, _, posting)| posting)
    }

    /// Whether there is one.
    pub(super) fn has_next(&self) -> bool {
        !self.outgoing.postings.is_empty()
    }
}

impl Queue {
    fn push(&mut self, at: Duration, bytes: usize, posting: Posting) -> bool {
        let fits = self.bytes + bytes <= MOST_BYTES;
        if fits {
            self.bytes += bytes;
            self.postings.push_back((at, bytes, posting));
        }
        fits
    }

    fn pop(&mut self) -> Option<(Duration, usize, Posting)> {
        let oldest = self.postings.pop_front()?;
        self.bytes -= oldest.1;
        Some(oldest)
    }

    fn forget_without_id(&mut self) {
        self.postings.retain(|(_, _, posting)| posting.has_id());
        self.bytes = self.postings.iter().map(|(_, bytes, _)| bytes).sum();
    }

    fn forget(&mut self, now: Duration) {
        while self.postings.front().is_some_and(|(at, ..)| *at + KEEP < now) {
            self.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use carillon_domain::testing::instant;
    use carillon_domain::{Audience, Emit};

    use super::*;

    fn posting(id: Option<&str>) -> Posting {
        let body = serde_json::json!([{"id": id, "type": "NOTE", "title": "t", "message": "m"}]).to_string();
        let args = serde_json::value::RawValue::from_string(body).unwrap();
        let (name, audience) = ("notification".to_owned(), Audience::default());
        let emit = Emit { name, args, attachments: Vec::new(), audience, is_volatile: false };
        Posting::read(&emit, [0; 32], "minted".to_owned(), instant(0)).unwrap()
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn outgoing(turn: &mut Turn) -> usize {
        std::iter::from_fn(|| turn.next()).count()
    }

    #[test]
    fn whoever_has_the_lease_brings_what_it_hears() {
        let mut turn = Turn::default();
        turn.granted(secs(1), secs(1));
        assert!(turn.hear(posting(None), 10, secs(2)) && turn.hear(posting(Some("a")), 10, secs(2)));
        assert_eq!(outgoing(&mut turn), 2);
        // Not to the very end of it, which another clock might see earlier.
        assert!(!turn.holds(secs(1) + LEASE - MARGIN));
        turn.denied();
        assert!(!turn.holds(secs(2)));
    }

    #[test]
    fn who_comes_after_brings_what_has_an_id_and_is_not_old() {
        let mut turn = Turn::default();
        turn.hear(posting(Some("old")), 10, secs(1));
        turn.hear(posting(Some("a")), 10, secs(10));
        turn.hear(posting(None), 10, secs(10));
        turn.hear(posting(Some("b")), 10, secs(11));
        assert!(!turn.has_next());
        turn.granted(secs(35), secs(35));
        assert_eq!(outgoing(&mut turn), 2);
        // Once.
        turn.granted(secs(36), secs(36));
        assert!(!turn.has_next());
    }

    #[test]
    fn one_that_fails_gives_way_and_comes_back() {
        let mut turn = Turn::default();
        turn.granted(secs(1), secs(1));
        assert!(turn.asks(false, secs(2)) && !turn.asks(true, secs(2)));
        // For longer than the lease lasts in Redis, and two beats of another.
        assert!(!turn.asks(true, secs(1) + LEASE + 2 * MARGIN - Duration::from_millis(1)));
        assert!(turn.asks(true, secs(1) + LEASE + 2 * MARGIN));
        turn.denied();
        assert!(turn.asks(true, secs(2)), "it may become the only one");
    }

    #[test]
    fn what_has_no_id_outlives_a_gap_in_which_nobody_else_was() {
        for (again, brought) in [(7, 2), (11, 1)] {
            let mut turn = Turn::default();
            turn.granted(secs(1), secs(1));
            turn.hear(posting(None), 10, secs(6));
            turn.hear(posting(Some("a")), 10, secs(6));
            assert!(!turn.has_next());
            turn.granted(secs(again), secs(again));
            assert_eq!(outgoing(&mut turn), brought, "again at {again} s");
        }
        let mut turn = Turn::default();
        turn.granted(secs(1), secs(1));
        turn.hear(posting(None), 10, secs(6));
        turn.denied();
        turn.granted(secs(7), secs(7));
        assert!(!turn.has_next(), "another had it");
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut turn = Turn::default();
        turn.granted(secs(1), secs(1));
        turn.hear(posting(None), MOST_BYTES, secs(1));
        turn.hear(posting(Some("a")), 10, secs(6));
        assert_eq!(turn.granted(secs(6), secs(6)), 1);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let mut turn = Turn::default();
        for _ in 0..5 {
            assert!(turn.hear(posting(Some("a")), MOST_BYTES / 2, secs(1)), "the oldest makes room");
        }
        turn.granted(secs(1), secs(1));
        assert_eq!(outgoing(&mut turn), 2);
        for n in 0..3 {
            assert_eq!(turn.hear(posting(None), MOST_BYTES / 2, secs(1)), n < 2);
        }
        assert!(!turn.hear(posting(None), MOST_BYTES + 1, secs(1)));
    }
}
