//! Sends broadcasts whose time has come, until the node goes down. Every node does: whichever is first, the store lets it be
//! the only one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carillon_domain::{Broadcaster, Stepped};
use metrics::{counter, histogram};
use tokio::time::sleep;

/// How often the schedule is looked at, on average: one probe of an index. Nodes drift apart by chance, so that several of
/// them look more often together.
const EVERY_MS: u64 = 250;
/// The same, after the database has failed.
const AFTER_A_FAULT: Duration = Duration::from_secs(1);

/// Rounds, at once while there is more; ends after the round in which the node began to go down.
pub(crate) async fn run(broadcaster: Broadcaster, going_down: Arc<AtomicBool>) {
    let mut failing = false;
    while !going_down.load(Ordering::Acquire) {
        match broadcaster.step().await {
            Ok(stepped) => {
                failing = false;
                tell(&stepped);
                // What another node was sending this instant is due no more: only a round that did something goes on.
                let is_at_work = !stepped.sent.is_empty() || stepped.missed > 0;
                if stepped.due < Broadcaster::MOST as usize || !is_at_work {
                    let by_chance = rand::random_range(EVERY_MS / 2..=EVERY_MS * 3 / 2);
                    sleep(Duration::from_millis(by_chance)).await;
                }
            }
            Err(fault) => {
                // Once, not each second of an outage.
                if !failing {
                    tracing::warn!(error = %fault, "the schedule cannot be looked at; trying again");
                }
                failing = true;
                sleep(AFTER_A_FAULT).await;
            }
        }
    }
}

fn tell(stepped: &Stepped) {
    let in_time = stepped.sent.len() - stepped.late;
    for (outcome, count) in
        [("in_time", in_time as u64), ("late", stepped.late as u64), ("missed", stepped.missed.into())]
    {
        counter!("carillon_broadcasts_due_total", "outcome" => outcome).increment(count);
    }
    for late in &stepped.sent {
        histogram!("carillon_broadcast_lateness_seconds").record(late.as_secs_f64());
    }
    if stepped.late > 0 || stepped.missed > 0 {
        let (late, missed) = (stepped.late, stepped.missed);
        tracing::warn!(late, missed, "broadcasts were due while no node could send them");
    }
}
