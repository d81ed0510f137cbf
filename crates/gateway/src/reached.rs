//! For how many sockets and streams each row was queued: counted here, and told to the store once a second.
//!
//! What a node has counted and not told is lost when it is killed, and what it may not count any more when very many rows
//! are queued in one second, or the store is away: these are figures for whoever wonders, and nothing rests on them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carillon_domain::Position;
use carillon_domain::ports::{Explain, MOST_REACHED};
use metrics::counter;
use tokio::time::MissedTickBehavior;

use crate::gateway::Gateway;
use crate::server::Server;

/// How often the store is told.
const EVERY: Duration = Duration::from_secs(1);
/// Rows counted until then; with more of them a second, telling would be as much work as the log itself.
const MOST: usize = 8 * MOST_REACHED;

/// What was counted and not told yet.
#[derive(Default)]
pub(crate) struct Reached(Mutex<HashMap<Position, u32>>);

impl Reached {
    fn lock(&self) -> MutexGuard<'_, HashMap<Position, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows were queued, each for so many.
    pub(crate) fn count(&self, rows: impl IntoIterator<Item = (Position, u32)>) {
        let mut counts = self.lock();
        let mut lost = 0;
        for (position, sockets) in rows {
            let has_room = counts.len() < MOST;
            match counts.entry(position) {
                Entry::Occupied(mut count) => *count.get_mut() = count.get().saturating_add(sockets),
                Entry::Vacant(place) if has_room => drop(place.insert(sockets)),
                Entry::Vacant(_) => lost += 1,
            }
        }
        uncounted(lost);
    }

    /// Forgets all: the places belong to another log.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Tells the store. An outcome that is unknown is not tried again, since it might count twice.
    pub(crate) async fn tell(&self, explain: &dyn Explain, node: &str) {
        let counts = std::mem::take(&mut *self.lock());
        let mut rows: Vec<_> = counts.into_iter().collect();
        // In their order, as other nodes take them.
        rows.sort_unstable();
        for rows in rows.chunks(MOST_REACHED) {
            if let Err(fault) = explain.reached(node, rows).await {
                tracing::debug!(error = %fault, "how many sockets were reached could not be told");
                uncounted(rows.len());
            }
        }
    }

    /// Tells the store each second, for ever.
    pub(crate) async fn run(&self, explain: &dyn Explain, node: &str) {
        let mut seconds = tokio::time::interval(EVERY);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            self.tell(explain, node).await;
        }
    }
}

fn uncounted(rows: usize) {
    if rows > 0 {
        counter!("carillon_reached_lost_total").increment(rows as u64);
    }
}

impl Server<Gateway> {
    /// Tells the store what was counted and not told yet. To be done when everything has been closed.
    pub async fn settle(&self) {
        let gateway = &self.application;
        gateway.hub.reached.tell(gateway.explain.as_ref(), &self.settings.node_id).await;
    }
}

#[cfg(test)]
mod tests {
    use carillon_domain::ports::Log as _;
    use carillon_domain::testing::{Drafts, MemoryLog, block_on};

    use super::*;

    #[test]
    fn counts_add_up_and_are_told_once() {
        let (log, reached, publish) = (MemoryLog::new(), Reached::default(), Drafts::new().publish(&["all"]));
        let at = block_on(log.append(std::slice::from_ref(&publish))).unwrap().rows[0].position;
        let told = || {
            block_on(reached.tell(&log, "n1"));
            let mut explained = block_on(log.explain(publish.event_id)).unwrap().unwrap();
            explained.notifications.remove(0).reached.remove("n1")
        };
        reached.count([(at, 2)]);
        reached.count([(at, 1), (at, 1)]);
        assert_eq!((told(), told()), (Some(4), Some(4)));
        reached.count([(at, 1)]);
        reached.clear();
        assert_eq!(told(), Some(4));
    }

    #[test]
    fn no_more_is_held_than_may_be() {
        let reached = Reached::default();
        reached.count((0..MOST + 9).map(|n| (Position::START.plus(n), 1)));
        assert_eq!(reached.lock().len(), MOST);
        // What is held already counts on.
        reached.count([(Position::START, 1)]);
        assert_eq!(reached.lock()[&Position::START], 2);
    }
}
