//! Tells the admins of this node how an emergency is taken, as it happens.
//!
//! Each node looks for itself: what was acknowledged on any of them is in the store. It looks only while an admin is here
//! to be told, and counts only what was acknowledged of late.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use carillon_domain::{BroadcastId, Broadcaster, Role, Room, Tally};
use tokio::time::{Instant, sleep};

use crate::frames;
use crate::hub::Hub;

/// How often an admin is told at most.
const EVERY: Duration = Duration::from_secs(1);
/// After a count the store is left alone for so many times as long as it took: where a million are to be counted it takes a
/// second, on every node, and that in an emergency.
const REST: u32 = 9;
/// However long it took. A look must not miss what came since the last one, which is within [`WITHIN`] as long as a count takes less than
/// the rest of it.
const LONGEST: Duration = Duration::from_secs(10);
/// How far back a look goes: an acknowledgement is seen by its commit, which may come a while after its time.
const WITHIN: Duration = Duration::from_secs(30);
/// How many emergencies are remembered; there is seldom more than one.
const MOST: usize = 256;

/// Tells of changes for as long as it is polled.
pub(crate) async fn run(broadcaster: Broadcaster, hub: Arc<Hub>) {
    let admins = Room::role(Role::Admin);
    let mut told = HashMap::new();
    let mut took = Duration::ZERO;
    loop {
        sleep(pause(took)).await;
        took = Duration::ZERO;
        if !hub.is_heard(&admins) {
            // Whoever comes next asks how things stand, and is told what changes.
            told.clear();
            continue;
        }
        let begun = Instant::now();
        let stirring = broadcaster.stirring(WITHIN).await;
        took = begun.elapsed();
        match stirring {
            Ok(tallies) => {
                for tally in changed(&mut told, tallies) {
                    hub.post(&admins, &frames::acks(&tally), None);
                }
            }
            // The feed says when the store is away.
            Err(fault) => tracing::debug!(error = %fault, "acknowledgements could not be counted"),
        }
    }
}

/// From the end of a count that took so long to the next.
fn pause(took: Duration) -> Duration {
    took.saturating_mul(REST).clamp(EVERY, LONGEST)
}

/// Those that are not as they were told last.
fn changed(told: &mut HashMap<BroadcastId, Tally>, tallies: Vec<Tally>) -> Vec<Tally> {
    if told.len() > MOST {
        told.clear();
    }
    let is_new = |tally: &Tally| told.insert(tally.broadcast_id, tally.clone()).as_ref() != Some(tally);
    tallies.into_iter().filter(is_new).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use carillon_domain::Share;

    use super::*;

    #[test]
    fn a_count_that_takes_long_is_seldom() {
        let millis = Duration::from_millis;
        assert_eq!(
            [0, 100, 500, 2_000].map(|took| pause(millis(took))),
            [1_000, 1_000, 4_500, 10_000].map(millis)
        );
        assert!(LONGEST + EVERY < WITHIN, "what came since the last look is found by the next");
    }

    #[test]
    fn what_was_told_is_told_again_when_it_changes() {
        let id = |n: u128| format!("01980000-0000-7000-8000-{n:012}").parse().unwrap();
        let tally = |n: u128, acked: u64| Tally {
            broadcast_id: id(n),
            all: Share { acked, of: 9 },
            by_role: BTreeMap::new(),
        };
        let mut told = HashMap::new();
        assert_eq!(changed(&mut told, vec![tally(1, 1), tally(2, 1)]).len(), 2);
        assert_eq!(changed(&mut told, vec![tally(1, 1), tally(2, 2)]), [tally(2, 2)]);
        assert!(changed(&mut told, vec![tally(1, 1), tally(2, 2)]).is_empty());
    }
}
