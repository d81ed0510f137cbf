//! Takes into the log what services have published by SQL, until the node goes down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carillon_domain::Drain;
use tokio::time::sleep;

/// How often an empty outbox is looked into. Nobody is told of a new event: a NOTIFY would hold up the commits of those
/// who publish.
const EVERY: Duration = Duration::from_millis(25);
/// The same, after the database has failed.
const AFTER_A_FAULT: Duration = Duration::from_secs(1);

/// Rounds of `drain`, at once while there is more; ends after the round in which the node began to go down.
pub(crate) async fn run(drain: Drain, going_down: Arc<AtomicBool>) {
    let mut failing = false;
    while !going_down.load(Ordering::Acquire) {
        match drain.step().await {
            Ok(drained) => {
                failing = false;
                if drained.refused > 0 {
                    let refused = drained.refused;
                    tracing::warn!(
                        refused,
                        "events published by SQL were not understood: see carillon.outbox_refused"
                    );
                }
                if drained.claimed < Drain::MOST as usize {
                    sleep(EVERY).await;
                }
            }
            Err(fault) => {
                // Once, not each second of an outage.
                if !failing {
                    tracing::warn!(error = %fault, "the outbox cannot be drained; trying again");
                }
                failing = true;
                sleep(AFTER_A_FAULT).await;
            }
        }
    }
}
