//! The clients: they connect, note what they hear, and are asked at the end what they missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use carillon_tests::User;
use carillon_tests::light::Light;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::Bench;
use crate::latency::Latencies;
use crate::publisher::Plan;
use crate::target::Target;

/// What all clients count together.
pub(crate) struct Counts {
    /// From a publish's intended time to a client's receipt.
    pub(crate) latencies: Latencies,
    /// Notifications received.
    pub(crate) received: AtomicU64,
    /// When the last of them was, in microseconds since `epoch`.
    pub(crate) last_micros: AtomicU64,
    /// What all times of a run count from.
    pub(crate) epoch: Instant,
}

/// Connected clients that listen.
pub(crate) struct Fleet {
    pub(crate) counts: Arc<Counts>,
    /// From the first connection's begin to the last one's answer.
    pub(crate) connecting: Duration,
    /// From each connection's begin (TCP) to the answer to its CONNECT.
    pub(crate) connects: Latencies,
    listeners: Vec<JoinHandle<Heard>>,
    stop: watch::Sender<bool>,
}

/// What one client heard: a bit per notification that it should hear, and what was wrong.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    seen: Vec<u64>,
    /// The position of the last one; the log's order is the order to keep, not that in which requests were sent.
    position: Option<u64>,
    pub(crate) duplicates: u64,
    pub(crate) out_of_order: u64,
    pub(crate) strays: u64,
    pub(crate) disconnected: bool,
}

impl Heard {
    /// Notes the `turn`th of the notifications meant for this client, or one that was not, at its place in the log.
    fn note(&mut self, turn: Option<u64>, position: u64) {
        let Some(turn) = turn else { return self.strays += 1 };
        let (word, bit) = (usize::try_from(turn / 64).unwrap_or(usize::MAX), 1 << (turn % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] & bit != 0 {
            self.duplicates += 1;
        } else if self.position.is_some_and(|last| position <= last) {
            self.out_of_order += 1;
        }
        self.seen[word] |= bit;
        self.position = self.position.max(Some(position));
    }

    /// Whether the `turn`th was heard.
    pub(crate) fn has(&self, turn: u64) -> bool {
        let word = usize::try_from(turn / 64).ok().and_then(|word| self.seen.get(word));
        word.is_some_and(|word| word & (1 << (turn % 64)) != 0)
    }
}

impl Fleet {
    /// Connects all clients, `options.connecting` at a time.
    pub(crate) async fn connect(target: &Target, options: &Bench, plan: Plan) -> Result<Self> {
        let epoch = Instant::now();
        let (received, last_micros) = Default::default();
        let counts = Arc::new(Counts { latencies: Latencies::new(), received, last_micros, epoch });
        let (stop, stopped) = watch::channel(false);
        let turns = Arc::new(Semaphore::new(options.connecting));
        let mut connecting = JoinSet::new();
        for number in 0..options.clients {
            let token = User::new(format!("load-{number}"), "PATIENT").token_signed_with(&target.jwt_secret);
            let (address, turns) = (target.address.clone(), Arc::clone(&turns));
            connecting.spawn(async move {
                let _turn = turns.acquire_owned().await?;
                let begun = Instant::now();
                let light = Light::connect(&address, &token, None).await;
                let light = light.with_context(|| format!("client {number}"))?;
                anyhow::Ok((number, light, begun.elapsed(), Instant::now()))
            });
        }
        let (connects, mut last, mut lights) = (Latencies::new(), epoch, Vec::new());
        while let Some(connected) = connecting.join_next().await {
            let (number, light, took, at) = connected??;
            connects.record(number, took);
            last = last.max(at);
            lights.push((number, light));
        }
        let mut listeners = Vec::new();
        lights.sort_by_key(|(number, _)| *number);
        for (number, mut light) in lights {
            if !light.text().await?.starts_with("42[\"inbox:state\"") {
                bail!("client {number} was not told of its inbox first");
            }
            listeners.push(tokio::spawn(listen(number, light, plan, Arc::clone(&counts), stopped.clone())));
        }
        Ok(Self { counts, connecting: last - epoch, connects, listeners, stop })
    }

    /// Ends all connections: what each client heard, in the order of their numbers.
    pub(crate) async fn leave(self) -> Result<Vec<Heard>> {
        self.stop.send_replace(true);
        let mut heard = Vec::new();
        for listener in self.listeners {
            heard.push(listener.await?);
        }
        Ok(heard)
    }
}

/// A notification event, of which only what the bench put there and the offset matter.
type Event<'a> = (IgnoredAny, Notification, &'a str);

#[derive(Deserialize)]
struct Notification {
    data: Stamp,
}

/// What the publisher writes into a notification's data.
#[derive(Deserialize, serde::Serialize)]
pub(crate) struct Stamp {
    /// Its number in the run, from 0.
    pub(crate) seq: u64,
    /// When it was to be sent, in microseconds since the run's epoch.
    pub(crate) at: u64,
}

async fn listen(
    number: usize,
    mut light: Light,
    plan: Plan,
    counts: Arc<Counts>,
    mut stopped: watch::Receiver<bool>,
) -> Heard {
    let mut heard = Heard::default();
    loop {
        let text = tokio::select! {
            text = light.text() => text,
            _ = stopped.changed() => return heard,
        };
        let Ok(text) = text else {
            heard.disconnected = true;
            return heard;
        };
        let Some(json) = text.strip_prefix("42[\"notification\"").map(|_| &text[2..]) else { continue };
        let event = serde_json::from_str::<Event<'_>>(json).ok();
        let event = event.and_then(|(_, notification, offset)| Some((notification.data, position(offset)?)));
        let Some((stamp, position)) = event else {
            heard.strays += 1;
            continue;
        };
        let now = micros(counts.epoch.elapsed());
        counts.latencies.record(number, Duration::from_micros(now.saturating_sub(stamp.at)));
        counts.received.fetch_add(1, Relaxed);
        counts.last_micros.fetch_max(now, Relaxed);
        heard.note(plan.turn(stamp.seq, number), position);
    }
}

/// The place in the log that an offset (`<epoch>.<position>`, base36) names.
fn position(offset: &str) -> Option<u64> {
    u64::from_str_radix(offset.rsplit_once('.')?.1, 36).ok()
}

/// Whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_gaps_and_wrong_order_are_told_apart() {
        let mut heard = Heard::default();
        for (turn, position) in [(0, 10), (1, 11), (3, 14), (2, 13), (2, 13), (70, 90), (3, 14)] {
            heard.note(Some(turn), position);
        }
        heard.note(None, 91);
        assert_eq!((heard.duplicates, heard.out_of_order, heard.strays), (2, 1, 1));
        let missing: Vec<u64> = (0..=71).filter(|turn| !heard.has(*turn)).collect();
        assert_eq!(missing, (4..70).chain([71]).collect::<Vec<_>>());
    }
    #[test]
    fn a_place_in_the_log_is_read_from_the_offset() {
        assert_eq!((position("k3j.zz"), position("zz"), position("a.!")), (Some(1295), None, None));
    }
}
