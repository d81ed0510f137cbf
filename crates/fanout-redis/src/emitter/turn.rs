//! Whose turn it is to bring postings to the log, and what the others keep meanwhile. Pure: time is an argument.
//!
//! ```text
//!   heard ──has the lease──▶ outgoing ─▶ the node's intake
//!     │                         ▲
//!     └─has not─▶ kept, 30 s ───┘ lease granted: whoever had it may not have brought them, and their ids keep them single
//! ```
//!
//! What has no id is brought by the one that has the lease, or by nobody.

use std::collections::VecDeque;
use std::time::Duration;

use carillon_domain::Posting;

/// How long the lease holds unless it is renewed.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// Before its end by Redis's clock nobody here acts on it any more.
const MARGIN: Duration = Duration::from_millis(500);
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

    /// Takes a posting of so many bytes; `false` if there is no room for it.
    pub(super) fn hear(&mut self, posting: Posting, bytes: usize, now: Duration) -> bool {
        if self.holds(now) {
            return self.outgoing.push(now, bytes, posting);
        }
        if posting.has_id() {
            self.kept.forget(now);
            while !self.kept.push(now, bytes, posting.clone()) && self.kept.pop().is_some() {}
        }
        true
    }

    /// The lease was granted or renewed at the latest at `since`.
    pub(super) fn granted(&mut self, since: Duration, now: Duration) {
        if !self.holds(now) {
            self.kept.forget(now);
            // What waited from an earlier turn goes first.
            while let Some((at, bytes, posting)) = self.kept.pop() {
                self.outgoing.push(at, bytes, posting);
            }
        }
        self.holds_until = since + LEASE - MARGIN;
    }

    /// Another node has the lease.
    pub(super) fn denied(&mut self) {
        self.holds_until = Duration::ZERO;
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

    fn forget(&mut self, now: Duration) {
        while self.postings.front().is_some_and(|(at, ..)| *at + KEEP < now) {
            self.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use carillon_domain::{Audience, Emit};

    use super::*;

    fn posting(id: Option<&str>) -> Posting {
        let body = id.map_or("[{}]".to_owned(), |id| format!("[{{\"id\":{id:?}}}]"));
        let args = serde_json::value::RawValue::from_string(body).unwrap();
        let (name, audience) = ("notification".to_owned(), Audience::default());
        let emit = Emit { name, args, attachments: Vec::new(), audience, is_volatile: false };
        Posting::read(&emit, [0; 32], "minted".to_owned()).unwrap()
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
