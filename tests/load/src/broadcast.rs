//! `carillon-load broadcast`: an admin tells everyone, where a million users are known to the store and thousands are
//! connected. What each broadcast writes is counted by table, and every recipient's time is taken from the moment at which
//! the request was to be sent.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use carillon_tests::light::Light;
use carillon_tests::users::eve;
use carillon_tests::{Http, Node, NodeSettings, Postgres, User};
use clap::Args;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::bench::raise_descriptors;
use crate::crowd::{Rows, Store};
use crate::latency::{Latencies, Quantiles};

/// Before each broadcast, so that nothing of the one before is left to do.
const PAUSE: Duration = Duration::from_secs(2);
/// How long nobody may hear it before it counts as lost.
const QUIET: Duration = Duration::from_secs(30);

/// How many there are, and in which store.
#[derive(Debug, Args)]
pub(crate) struct Broadcast {
    /// Users that the store knows, besides those who connect.
    #[arg(long, default_value_t = 1_000_000)]
    known: u32,
    /// WebSocket clients, each a user of its own.
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// Clients that connect at the same time.
    #[arg(long, default_value_t = 64)]
    connecting: usize,
    /// Announcements, one after the other.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// On PostgreSQL (needs `tests/with-servers`) instead of SQLite.
    #[arg(long)]
    postgres: bool,
}

/// That a client heard the broadcast with this title.
struct Receipt {
    client: usize,
    title: String,
    at: Instant,
}

/// Measures all of it; the table for people.
pub(crate) async fn run(options: &Broadcast) -> Result<String> {
    ensure!(options.clients > 0 && options.connecting > 0, "--clients and --connecting must be at least 1");
    raise_descriptors(options.clients)?;
    let mut settings =
        NodeSettings::default().set("MAX_CONNECTIONS", options.clients + 16).set("RUST_LOG", "warn");
    let database = if options.postgres { Some(Postgres::create().await) } else { None };
    if let Some(database) = &database {
        settings = settings.set("DATABASE_URL", database.url());
    }
    let node = Node::start(settings).await;
    let store = match &database {
        Some(database) => Store::Postgres(database.connect().await),
        None => Store::sqlite(&node.database_url()),
    };
    store.fill(options.known).await?;
    let mut receipts = connect(&node, options).await?;
    let before = store.rows().await?;

    let http = Http::new(node.url());
    let mut table =
        format!("{:<12}{:>12}{:>10}{:>10}{:>10}{:>10}\n", "", "answer ms", "first", "p50", "p99", "last");
    for round in 1..=options.rounds {
        sleep(PAUSE).await;
        table.push_str(&tell(&http, &mut receipts, options.clients, &format!("round {round}")).await?);
    }
    // A node tells the store whom it reached a moment later.
    sleep(PAUSE).await;
    let written = grown(&before, &store.rows().await?);
    // Writing to a string does not fail.
    let _ = writeln!(table, "rows written by {} broadcasts: {written}", options.rounds);
    let (of, took) = tally(&http).await?;
    let _ = writeln!(table, "who has acknowledged an emergency, of {of}: counted in {:.1} ms", ms(took));
    Ok(table)
}

/// Tells everyone, and waits until all have heard it: a line of the table.
async fn tell(
    http: &Http,
    receipts: &mut mpsc::Receiver<Receipt>,
    clients: usize,
    title: &str,
) -> Result<String> {
    let due = Instant::now();
    announce(http, "announcement", title).await?;
    let answered = due.elapsed();
    let (first, all) = gather(receipts, clients, title, due).await?;
    let Quantiles { p50_ms, p99_ms, max_ms, .. } = all.quantiles();
    let (answered, first) = (ms(answered), ms(first));
    Ok(format!("{title:<12}{answered:>12.1}{first:>10.1}{p50_ms:>10.1}{p99_ms:>10.1}{max_ms:>10.1}\n"))
}

/// Connects everyone; where they say what they heard.
async fn connect(node: &Node, options: &Broadcast) -> Result<mpsc::Receiver<Receipt>> {
    let turns = Arc::new(Semaphore::new(options.connecting));
    let mut connecting = JoinSet::new();
    for client in 0..options.clients {
        let (address, turns) = (node.address().to_owned(), Arc::clone(&turns));
        let token = User::new(format!("load-{client}"), "PATIENT").token();
        connecting.spawn(async move {
            let _turn = turns.acquire_owned().await?;
            let light = Light::connect(&address, &token, None).await;
            anyhow::Ok((client, light.with_context(|| format!("client {client}"))?))
        });
    }
    // All of them hear one broadcast at once.
    let (tells, receipts) = mpsc::channel(options.clients);
    while let Some(connected) = connecting.join_next().await {
        let (client, light) = connected??;
        tokio::spawn(listen(client, light, tells.clone()));
    }
    Ok(receipts)
}

async fn listen(client: usize, mut light: Light, tells: mpsc::Sender<Receipt>) {
    while let Ok(text) = light.text().await {
        let at = Instant::now();
        let Some(event) = text.strip_prefix("42[\"notification\",") else { continue };
        let title = event.split_once("\"title\":\"").and_then(|(_, rest)| rest.split_once('"'));
        let title = title.map(|(title, _)| title.to_owned()).unwrap_or_default();
        if tells.send(Receipt { client, title, at }).await.is_err() {
            return;
        }
    }
}

async fn announce(http: &Http, kind: &str, title: &str) -> Result<String> {
    let body = json!({"kind": kind, "title": title, "message": "About as long as what a clinic would say to everyone."});
    let answer = http.post("/api/v1/broadcasts", &body).by(&eve()).try_send().await?;
    let made = answer.json();
    ensure!(answer.status == 201 && made["status"] == "sent", "{title} was answered {}", answer.text);
    made["id"].as_str().map(str::to_owned).context("a broadcast without an id")
}

/// Waits until everyone has heard this: how long after `due` the first did, and all.
async fn gather(
    receipts: &mut mpsc::Receiver<Receipt>,
    clients: usize,
    title: &str,
    due: Instant,
) -> Result<(Duration, Latencies)> {
    let (mut heard, mut left) = (vec![false; clients], clients);
    let (mut first, all) = (Duration::MAX, Latencies::new());
    while left > 0 {
        let Ok(Some(receipt)) = timeout(QUIET, receipts.recv()).await else {
            bail!("{left} of {clients} never heard {title}");
        };
        ensure!(receipt.title == title, "client {} heard {:?} in {title}", receipt.client, receipt.title);
        ensure!(
            !std::mem::replace(&mut heard[receipt.client], true),
            "client {} heard it twice",
            receipt.client
        );
        let took = receipt.at.saturating_duration_since(due);
        first = first.min(took);
        all.record(receipt.client, took);
        left -= 1;
    }
    Ok((first, all))
}

/// How many an emergency is for, and how long it takes to count them.
async fn tally(http: &Http) -> Result<(u64, Duration)> {
    let id = announce(http, "emergency", "leave the building").await?;
    let begun = Instant::now();
    let answer = http.get(&format!("/api/v1/broadcasts/{id}/acks?limit=1")).by(&eve()).try_send().await?;
    Ok((answer.json()["of"].as_u64().context("no tally")?, begun.elapsed()))
}

/// Which tables have more rows than before, and how many more; what has as many is named if that is many.
fn grown(before: &Rows, after: &Rows) -> String {
    let more = after.iter().filter_map(|(table, rows)| {
        let was = before.get(table).copied().unwrap_or(0);
        let is_large = *rows >= 1_000;
        (*rows != was || is_large).then(|| format!("{table} {:+} (to {rows})", rows - was))
    });
    more.collect::<Vec<_>>().join(", ")
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
