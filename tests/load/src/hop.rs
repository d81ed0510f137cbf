//! Two nodes over one PostgreSQL and one Redis: how much later the other node's clients hear, and what the way there costs.
//!
//! Each user has a client at either node, and everything is published through the first. So one run has both sides of each
//! comparison: the same notification, received here and there. First in an open loop at a moderate rate, for latency; then
//! in batches of [`BATCH`] with as many requests under way as asked for, for the CPU of both nodes per notification.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use carillon_tests::light::Light;
use carillon_tests::node::PUBLISH_KEY;
use carillon_tests::{Node, NodeSettings, Postgres, RedisServer, User};
use clap::Args;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::fleet::{Stamp, micros};
use crate::latency::{Latencies, Quantiles};
use crate::process::cpu_micros;
use crate::publisher::{Plan, publish};
use crate::target::Target;
use crate::{Audience, Bench};

/// Notifications in a request, where the nodes are saturated.
const BATCH: usize = 100;
/// How long nothing may arrive before what is missing counts as lost.
const QUIET: Duration = Duration::from_secs(10);

/// How much.
#[derive(Debug, Args)]
pub(crate) struct Hop {
    /// Users, each with a client at either node.
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// Publishes a second, where latency is measured.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// For how long to publish, either time.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Requests under way at once, where the nodes are saturated.
    #[arg(long, default_value_t = 4)]
    under_way: usize,
}

/// What one node's clients hear.
struct Ears {
    epoch: Instant,
    /// When each notification of the open loop came, in microseconds since `epoch`; 0 before that.
    arrivals: Vec<AtomicU64>,
    /// From the publish's intended time.
    latencies: Latencies,
    heard: AtomicU64,
}

/// Measures both; the table for people.
pub(crate) async fn run(options: &Hop) -> Result<String> {
    let (database, redis) = (Postgres::create().await, RedisServer::start());
    let settings = NodeSettings::default()
        .set("DATABASE_URL", database.url())
        .set("REDIS_URL", redis.url())
        .set("PUBLISH_RATE", 1_000_000)
        .set("PUBLISH_BURST", 1_000_000)
        .set("RUST_LOG", "warn");
    let nodes = [Node::start(settings.clone()).await, Node::start(settings).await];
    let pids = [nodes[0].pid(), nodes[1].pid()];
    let publishes = usize::try_from(u64::from(options.rate) * u64::from(options.seconds))?;
    let epoch = Instant::now();
    let ears = [(); 2].map(|()| Arc::new(Ears::new(epoch, publishes)));
    let mut listeners = JoinSet::new();
    for (node, ears) in nodes.iter().zip(&ears) {
        for number in 0..options.clients {
            let user = User::new(format!("load-{number}"), "PATIENT");
            let light = Light::connect(node.address(), &user.token(), None).await?;
            listeners.spawn(listen(number, light, Arc::clone(ears)));
        }
    }
    let [here, _there] = nodes.map(Target::started);
    let mut table = open_loop(options, &here, &ears).await?;
    table += &saturated(options, &here, &ears, pids).await?;
    Ok(table)
}

impl Ears {
    fn new(epoch: Instant, publishes: usize) -> Self {
        let arrivals = (0..publishes).map(|_| AtomicU64::new(0)).collect();
        Self { epoch, arrivals, latencies: Latencies::new(), heard: AtomicU64::new(0) }
    }

    /// Waits until so many have come in all: how long after `epoch` the last did.
    async fn until(&self, expected: u64) -> Result<Duration> {
        let (mut before, mut since) = (0, Instant::now());
        loop {
            let heard = self.heard.load(Relaxed);
            if heard >= expected {
                ensure!(heard == expected, "{heard} came instead of {expected}");
                return Ok(self.epoch.elapsed());
            }
            if heard > before {
                (before, since) = (heard, Instant::now());
            }
            ensure!(since.elapsed() < QUIET, "{heard} of {expected} came");
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// A notification event, of which only what was put there matters.
type Event = (IgnoredAny, Notification, IgnoredAny);

#[derive(Deserialize)]
struct Notification {
    data: Stamp,
}

async fn listen(number: usize, mut light: Light, ears: Arc<Ears>) {
    while let Ok(text) = light.text().await {
        let Some(json) = text.strip_prefix("42[\"notification\"").map(|_| &text[2..]) else { continue };
        let Ok((_, Notification { data: Stamp { seq, at } }, _)) = serde_json::from_str::<Event>(json) else {
            continue;
        };
        // What comes in batches is only counted.
        if let Some(arrival) = usize::try_from(seq).ok().and_then(|seq| ears.arrivals.get(seq)) {
            let now = micros(ears.epoch.elapsed());
            arrival.store(now, Relaxed);
            ears.latencies.record(number, Duration::from_micros(now.saturating_sub(at)));
        }
        ears.heard.fetch_add(1, Relaxed);
    }
}

async fn open_loop(options: &Hop, here: &Target, ears: &[Arc<Ears>; 2]) -> Result<String> {
    let audience = Audience::User;
    let bench = Bench {
        url: None,
        pid: None,
        dir: None,
        clients: options.clients,
        connecting: 1,
        publish: audience,
        rate: options.rate,
        batch: 1,
        seconds: options.seconds,
        abuse: false,
        json: false,
    };
    let plan = Plan { audience, clients: options.clients };
    let published = publish(here, &bench, plan, ears[0].epoch).await?;
    ensure!(published.failed.is_empty(), "not all was accepted: {:?}", published.failed);
    for ears in ears {
        ears.until(ears.arrivals.len() as u64).await?;
    }
    let pairs = ears[0].arrivals.iter().zip(&ears[1].arrivals);
    let mut later: Vec<i64> = pairs
        .map(|(here, there)| there.load(Relaxed).cast_signed() - here.load(Relaxed).cast_signed())
        .collect();
    later.sort_unstable();
    let share = |hundredths: usize| later[(later.len() - 1) * hundredths / 100] as f64 / 1e3;
    let mut table = format!("{:<34}{:>10}{:>10}\n", "ms", "p50", "p99");
    let mut row = |name: &str, p50: f64, p99: f64| {
        // Writing to a string does not fail.
        let _ = writeln!(table, "{name:<34}{p50:>10.2}{p99:>10.2}");
    };
    for (name, ears) in
        [("publish to receipt, the same node", &ears[0]), ("publish to receipt, the other", &ears[1])]
    {
        let Quantiles { p50_ms, p99_ms, .. } = ears.latencies.quantiles();
        row(name, p50_ms, p99_ms);
    }
    row("later there, of each notification", share(50), share(99));
    Ok(table)
}

async fn saturated(options: &Hop, here: &Target, ears: &[Arc<Ears>; 2], pids: [u32; 2]) -> Result<String> {
    let before = [cpu_micros(pids[0])?, cpu_micros(pids[1])?];
    let begun = ears[0].epoch.elapsed();
    let until = Instant::now() + Duration::from_secs(options.seconds.into());
    let mut publishers = JoinSet::new();
    for number in 0..options.under_way {
        publishers.spawn(in_batches(here.url.clone(), number, options.clients, until));
    }
    let mut published = 0;
    while let Some(one) = publishers.join_next().await {
        published += one??;
    }
    let mut took = Duration::ZERO;
    for ears in ears {
        took = took.max(ears.until(ears.arrivals.len() as u64 + published).await? - begun);
    }
    let used = [cpu_micros(pids[0])? - before[0], cpu_micros(pids[1])? - before[1]];
    let [here, there] = used.map(|micros| micros as f64 / published as f64);
    let rate = published as f64 / took.as_secs_f64();
    let mut table = String::new();
    let _ = writeln!(
        table,
        "saturated: {published} in {:.1} s, {rate:.0}/s; CPU per notification {here:.1} us where it is published, \
         {there:.1} us at the other node: {:.0}/s per core of both, {:.0}/s per core of the other",
        took.as_secs_f64(),
        1e6 / (here + there),
        1e6 / there,
    );
    Ok(table)
}

/// Publishes one batch after the other until then: how many notifications.
async fn in_batches(url: String, mut number: usize, clients: usize, until: Instant) -> Result<u64> {
    let (http, mut published) = (reqwest::Client::new(), 0);
    while Instant::now() < until {
        let item = |turn: usize| {
            json!({
                "to": [format!("user:load-{}", (number + turn) % clients)], "type": "LOAD",
                "title": "A notification under load",
                "message": "About as long as one that a clinic would send to a patient.",
                "data": Stamp { seq: u64::MAX, at: 0 },
            })
        };
        let items: Vec<Value> = (0..BATCH).map(item).collect();
        let request = http.post(format!("{url}/api/v1/notifications/batch")).bearer_auth(PUBLISH_KEY);
        let answer: Value = request.json(&json!({"items": items})).send().await?.json().await?;
        let results = answer["results"].as_array().context("no results")?;
        ensure!(results.iter().all(|result| result["status"] == 201), "not all was accepted");
        published += BATCH as u64;
        number += BATCH;
    }
    Ok(published)
}
