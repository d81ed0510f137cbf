//! Whether signals get through: each node says "beat" to all, itself included, and hears who else does.
//!
//! A connection that is up proves little. Redis may be frozen, a subscription gone, a link one-way; a beat that comes back
//! proves that this node is heard and hears. And where another node's beats end, that node may be publishing what nobody
//! hears. Pure: time is an argument.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How often a node beats.
pub(crate) const EVERY: Duration = Duration::from_millis(250);
/// When the last beat that came back was sent longer ago, this node is cut off.
const OWN_LATE: Duration = Duration::from_millis(750);
/// A node that was silent for longer may be cut off.
const OTHER_LATE: Duration = Duration::from_millis(1_250);
/// A node that was silent for longer is taken for dead. Until then its word may be missing.
const FORGET: Duration = Duration::from_secs(60);
/// Beats under way whose times are remembered.
const UNDER_WAY: usize = 16;
/// Other nodes that are remembered; far more than one log serves.
const MOST_OTHERS: usize = 1_024;

/// What a node knows of its link to the others.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    sent: VecDeque<(u64, Duration)>,
    last: u64,
    /// When the latest of the beats that came back was sent.
    came_back: Option<Duration>,
    /// Beats up to this one prove nothing any more.
    broken: u64,
    others: HashMap<String, Duration>,
}

impl Pulse {
    /// The next beat, about to be sent.
    pub(crate) fn beat(&mut self, now: Duration) -> u64 {
        self.last += 1;
        self.sent.push_back((self.last, now));
        if self.sent.len() > UNDER_WAY {
            self.sent.pop_front();
        }
        self.last
    }

    /// A beat of this node came back.
    pub(crate) fn came_back(&mut self, beat: u64) {
        if beat <= self.broken {
            return;
        }
        if let Some(at) = self.sent.iter().position(|(sent, _)| *sent == beat) {
            self.came_back = Some(self.sent[at].1);
            self.sent.drain(..=at);
        }
    }

    /// The link broke: only beats sent from now on prove that it works.
    pub(crate) fn broke(&mut self) {
        self.broken = self.last;
        self.came_back = None;
    }

    /// Another node was heard.
    pub(crate) fn heard(&mut self, other: &str, now: Duration) {
        if let Some(at) = self.others.get_mut(other) {
            *at = now;
        } else if self.others.len() < MOST_OTHERS {
            self.others.insert(other.to_owned(), now);
        }
    }

    /// Another node said that it goes.
    pub(crate) fn gone(&mut self, other: &str) {
        self.others.remove(other);
    }

    /// Whether this node is heard and hears.
    pub(crate) fn is_linked(&self, now: Duration) -> bool {
        self.came_back.is_some_and(|at| now.saturating_sub(at) <= OWN_LATE)
    }

    /// Whether every node that could be there is heard as well. Forgets those that cannot.
    pub(crate) fn reaches_all(&mut self, now: Duration) -> bool {
        self.others.retain(|_, at| now.saturating_sub(*at) <= FORGET);
        self.is_linked(now) && self.others.values().all(|at| now.saturating_sub(*at) <= OTHER_LATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_beat_that_comes_back_proves_the_link_for_a_while() {
        let mut pulse = Pulse::default();
        assert!(!pulse.reaches_all(ms(0)), "nothing is proven at first");
        let beat = pulse.beat(ms(1_000));
        assert!(!pulse.is_linked(ms(1_001)));
        pulse.came_back(beat);
        assert!(pulse.reaches_all(ms(1_750)));
        assert!(!pulse.reaches_all(ms(1_751)));
    }

    #[test]
    fn old_beats_prove_nothing() {
        let mut pulse = Pulse::default();
        let old = pulse.beat(ms(0));
        pulse.came_back(old);
        // A frozen server wakes up and delivers what it was given before the link broke.
        let frozen = pulse.beat(ms(100));
        pulse.broke();
        pulse.came_back(frozen);
        assert!(!pulse.is_linked(ms(100)));
        // Or so late that it tells of another time.
        let late = pulse.beat(ms(200));
        pulse.came_back(late);
        assert!(pulse.is_linked(ms(200)) && !pulse.is_linked(ms(1_000)));
        pulse.came_back(late);
        pulse.came_back(99);
        assert!(!pulse.is_linked(ms(1_000)), "a repeated or invented beat counts for nothing");
    }

    #[test]
    fn a_silent_node_is_missed_until_it_is_forgotten_or_has_said_that_it_goes() {
        let mut pulse = Pulse::default();
        pulse.heard("a", ms(0));
        pulse.heard("b", ms(0));
        let reaches = |pulse: &mut Pulse, now| {
            let beat = pulse.beat(now);
            pulse.came_back(beat);
            pulse.reaches_all(now)
        };
        assert!(reaches(&mut pulse, ms(1_250)));
        assert!(!reaches(&mut pulse, ms(1_251)));
        pulse.gone("a");
        assert!(!reaches(&mut pulse, ms(1_300)));
        pulse.heard("b", ms(1_400));
        assert!(reaches(&mut pulse, ms(1_401)));
        assert!(!reaches(&mut pulse, ms(61_400)));
        assert!(reaches(&mut pulse, ms(61_401)), "dead by now");
    }
}
