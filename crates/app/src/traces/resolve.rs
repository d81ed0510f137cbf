//! Which trace a span belongs to, and below which span.
//!
//! ```text
//!   (caller's span) ─ publish ─┬─ append
//!                              └─ deliver, of each row on each node ─ socket, for one connection in 64
//! ```

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::{Spell, What};

/// A publish's own span ends after all but those of its sockets: what ended less than this ago waits for it.
const SETTLED: Duration = Duration::from_secs(1);
/// Publishes, and rows, of which it is remembered where they belong.
const MOST_KNOWN: usize = 16_384;

/// A span as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) trace: u128,
    pub(super) id: u64,
    pub(super) parent: Option<u64>,
    /// A span of another trace.
    pub(super) link: Option<(u128, u64)>,
    pub(super) spell: Spell,
}

/// Where a publish's spans belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    trace: u128,
    span: u64,
    /// The caller's.
    parent: Option<u64>,
    is_sampled: bool,
}

/// Those that have ended, until it is known where they belong.
pub(super) struct Resolving {
    /// Of all publishes that have no caller who says whether to.
    share: f64,
    waiting: VecDeque<Spell>,
    publishes: Known<Uuid, Place>,
    rows: Known<u64, (Uuid, u64)>,
}

impl Resolving {
    pub(super) fn new(share: f64) -> Self {
        Self { share, waiting: VecDeque::new(), publishes: Known::default(), rows: Known::default() }
    }

    /// Takes one that has ended.
    pub(super) fn take(&mut self, spell: Spell) {
        match &spell.what {
            What::Publish { event_id, traceparent } => {
                let caller = traceparent.as_deref().and_then(Place::below);
                let own = self.own(*event_id);
                let place = caller.map_or(own, |caller| Place { span: own.span, ..caller });
                self.publishes.insert(*event_id, place);
            }
            What::Deliver { event_id, position } => {
                self.rows.insert(*position, (*event_id, rand::random()));
            }
            What::Append { .. } | What::Socket { .. } => {}
        }
        self.waiting.push_back(spell);
    }

    /// Those of which it is known by now.
    pub(super) fn ripe(&mut self, now: SystemTime) -> Vec<Span> {
        let is_settled = |spell: &Spell| now.duration_since(spell.to).is_ok_and(|ago| ago >= SETTLED);
        let count = self.waiting.iter().take_while(|spell| is_settled(spell)).count();
        let ripe: Vec<_> = self.waiting.drain(..count).collect();
        ripe.into_iter().filter_map(|spell| self.resolve(spell)).collect()
    }

    /// All there are.
    pub(super) fn all(&mut self) -> Vec<Span> {
        let all = std::mem::take(&mut self.waiting);
        all.into_iter().filter_map(|spell| self.resolve(spell)).collect()
    }

    fn resolve(&self, spell: Spell) -> Option<Span> {
        let (event_id, row) = match spell.what {
            What::Publish { event_id, .. } | What::Append { event_id, .. } => (event_id, None),
            What::Deliver { event_id, position } => (event_id, Some(self.rows.get(&position)?.1)),
            What::Socket { position } => {
                self.rows.get(&position).map(|(event_id, row)| (*event_id, Some(*row)))?
            }
        };
        let own = self.own(event_id);
        let place = self.publishes.get(&event_id).copied().unwrap_or(own);
        let (id, parent) = match spell.what {
            What::Publish { .. } => (place.span, place.parent),
            What::Append { .. } => (rand::random(), Some(place.span)),
            What::Deliver { .. } => (row?, Some(place.span)),
            What::Socket { .. } => (rand::random(), row),
        };
        let is_elsewhere = matches!(spell.what, What::Publish { .. }) && place.trace != own.trace;
        let link = is_elsewhere.then_some((own.trace, own.span));
        place.is_sampled.then_some(Span { trace: place.trace, id, parent, link, spell })
    }

    /// Where a publish belongs by itself, on any node. Of an id of version 7 as they are minted here the last 32 bits are
    /// random; those before them count within a millisecond.
    fn own(&self, event_id: Uuid) -> Place {
        let (_, low) = event_id.as_u64_pair();
        let [.., a, b, c, d] = *event_id.as_bytes();
        let is_sampled =
            f64::from(u32::from_be_bytes([a, b, c, d])) < self.share * (f64::from(u32::MAX) + 1.0);
        Place { trace: event_id.as_u128(), span: low, parent: None, is_sampled }
    }
}

impl Place {
    /// Below a caller's span, which says whether it is sampled (W3C Trace Context §3.2).
    fn below(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let mut hex = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let is_hex = part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            u128::from_str_radix(part, 16).ok().filter(|_| is_hex)
        };
        let (version, trace, parent, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let parent = u64::try_from(parent).ok().filter(|parent| *parent != 0)?;
        let is_valid = version != 0xff && trace != 0;
        is_valid.then_some(Self { trace, span: 0, parent: Some(parent), is_sampled: flags & 1 == 1 })
    }
}

/// A map that forgets what came first.
struct Known<K, V> {
    values: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Self { values: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash, V> Known<K, V> {
    fn insert(&mut self, key: K, value: V) {
        if self.values.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MOST_KNOWN
            && let Some(first) = self.order.pop_front()
        {
            self.values.remove(&first);
        }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: Uuid = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001);
    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn spell(what: What) -> Spell {
        Spell { what, from: SystemTime::UNIX_EPOCH, to: SystemTime::UNIX_EPOCH }
    }

    /// A publish and its way on its own node, in the order in which its spans end; with whether a caller is above it.
    fn told(share: f64, traceparent: Option<&str>) -> Vec<Span> {
        let mut resolving = Resolving::new(share);
        resolving.take(spell(What::Append { event_id: EVENT, batch: 1 }));
        resolving.take(spell(What::Socket { position: 7 }));
        resolving.take(spell(What::Deliver { event_id: EVENT, position: 7 }));
        let traceparent = traceparent.map(str::to_owned);
        resolving.take(spell(What::Publish { event_id: EVENT, traceparent }));
        resolving.ripe(SystemTime::UNIX_EPOCH + SETTLED)
    }

    #[test]
    fn one_trace_that_has_the_publishs_id() {
        let spans = told(1.0, None);
        let [append, socket, deliver, publish] = &spans[..] else { panic!("{spans:?}") };
        assert!(spans.iter().all(|span| span.trace == EVENT.as_u128() && span.link.is_none()));
        assert_eq!(
            (publish.parent, append.parent, deliver.parent),
            (None, Some(publish.id), Some(publish.id))
        );
        assert_eq!(socket.parent, Some(deliver.id));
    }

    #[test]
    fn below_a_caller_it_is_in_theirs_and_links_to_its_own() {
        let spans = told(0.0, Some(CALLER));
        assert!(
            spans.len() == 4
                && spans.iter().all(|span| span.trace == 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736)
        );
        let publish = spans.last().unwrap();
        assert_eq!(publish.parent, Some(0x00f0_67aa_0ba9_02b7));
        assert_eq!(publish.link, Some((EVENT.as_u128(), publish.id)));
        assert_eq!(told(1.0, Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")), []);
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Place::below(text), None, "{text}");
        }
    }

    #[test]
    fn another_node_puts_its_part_below_the_same_span() {
        let mut other = Resolving::new(1.0);
        other.take(spell(What::Deliver { event_id: EVENT, position: 7 }));
        let there = other.all();
        let publish = told(1.0, None).pop().unwrap();
        assert_eq!((there[0].trace, there[0].parent), (publish.trace, Some(publish.id)));
    }

    #[test]
    fn a_share_of_them_is_sampled_the_same_everywhere() {
        let sampled = |share: f64| {
            let resolving = Resolving::new(share);
            (0..10_000).filter(|_| resolving.own(Uuid::now_v7()).is_sampled).count()
        };
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 10_000));
        assert!((2_000..3_000).contains(&sampled(0.25)));
    }

    #[test]
    fn it_waits_for_what_has_not_ended_and_forgets_what_came_first() {
        let mut resolving = Resolving::new(1.0);
        resolving.take(spell(What::Append { event_id: EVENT, batch: 1 }));
        assert_eq!(resolving.ripe(SystemTime::UNIX_EPOCH + SETTLED / 2), []);
        for position in 0..MOST_KNOWN as u64 + 1 {
            resolving.take(spell(What::Deliver { event_id: EVENT, position }));
        }
        assert!(resolving.rows.get(&0).is_none() && resolving.rows.get(&1).is_some());
        assert_eq!(resolving.rows.values.len(), MOST_KNOWN);
    }
}
