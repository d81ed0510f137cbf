//! Coming back: how long until a client that was away has what it missed and `inbox:state`, from the node's recent rows
//! and from the store.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use carillon_tests::light::Light;
use carillon_tests::node::PUBLISH_KEY;
use carillon_tests::{Node, NodeSettings, User};
use clap::Args;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::latency::{Latencies, Quantiles};

/// How much the clients missed, in turn.
const MISSED: [usize; 3] = [1, 100, 1_000];
/// Rows that a node keeps at hand, and some more: so many that nobody may see push all others out.
const FORGET: usize = 4_200;

/// Who comes back, and to which store.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// Users, each with a session that it resumes.
    #[arg(long, default_value_t = 200)]
    clients: usize,
    /// Resumptions under way at once, where their rate is measured.
    #[arg(long, default_value_t = 32)]
    at_once: usize,
    /// The store of the server that is started; an SQLite file of its own without.
    #[arg(long)]
    database_url: Option<String>,
}

/// One session, as its client keeps it.
struct Session {
    token: String,
    sid: String,
    pid: String,
    offset: String,
}

#[derive(Deserialize)]
struct Connected {
    sid: String,
    pid: String,
}

/// Measures all of it; the table for people.
pub(crate) async fn run(options: &Resume) -> Result<String> {
    let mut settings = NodeSettings::default()
        .set("PUBLISH_RATE", 1_000_000)
        .set("PUBLISH_BURST", 1_000_000)
        .set("RUST_LOG", "warn");
    if let Some(url) = &options.database_url {
        settings = settings.set("DATABASE_URL", url);
    }
    let node = Node::start(settings).await;
    let mut sessions = Vec::new();
    for number in 0..options.clients {
        let token = User::new(format!("back-{number}"), "PATIENT").token();
        let mut light = Light::open(node.address(), None).await?;
        sessions.push(Arc::new(session(&mut light, token).await?));
    }
    publish(&node, "role:patient", MISSED[2]).await?;
    let places = places(&node, &sessions[0]).await?;
    let mut table = format!(
        "{:<14}{:>8}{:>10}{:>10}{:>10}{:>12}\n",
        "from", "missed", "p50 ms", "p99 ms", "max ms", "resumes/s"
    );
    for from in ["recent rows", "store"] {
        if from == "store" {
            publish(&node, "role:doctor", FORGET).await?;
        }
        for missed in MISSED {
            let offset = &places[MISSED[2] - missed];
            let alone = one_by_one(&node, &sessions, offset, missed).await?;
            let rate = together(&node, &sessions, offset, missed, options.at_once).await?;
            let Quantiles { p50_ms, p99_ms, max_ms, .. } = alone;
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "{from:<14}{missed:>8}{p50_ms:>10.2}{p99_ms:>10.2}{max_ms:>10.2}{rate:>12.0}"
            );
        }
    }
    Ok(table)
}

async fn session(light: &mut Light, token: String) -> Result<Session> {
    light.send(format!("40{}", json!({"token": token}))).await?;
    let answer = light.text().await?;
    let connected = answer.strip_prefix("40").context("CONNECT was refused")?;
    let Connected { sid, pid } = serde_json::from_str(connected)?;
    let (name, args) = light.event().await?;
    ensure!(name == "inbox:state", "{name} came before inbox:state");
    let offset = args.last().and_then(Value::as_str).context("no offset")?.to_owned();
    Ok(Session { token, sid, pid, offset })
}

/// Publishes so many notifications for a room.
async fn publish(node: &Node, room: &str, count: usize) -> Result<()> {
    let http = reqwest::Client::new();
    let item = json!({
        "to": [room], "type": "LOAD", "title": "A notification under load",
        "message": "About as long as one that a clinic would send to a patient.", "data": {"appointmentId": "a-1234"}
    });
    for rest in (0..count).step_by(500) {
        let items = vec![&item; (count - rest).min(500)];
        let request =
            http.post(format!("{}/api/v1/notifications/batch", node.url())).bearer_auth(PUBLISH_KEY);
        let answer: Value = request.json(&json!({"items": items})).send().await?.json().await?;
        let results = answer["results"].as_array().context("no results")?;
        ensure!(results.iter().all(|result| result["status"] == 201), "not all was accepted");
    }
    Ok(())
}

/// The places from which 1,000, 999, … notifications were missed.
async fn places(node: &Node, session: &Session) -> Result<Vec<String>> {
    let mut offsets = vec![session.offset.clone()];
    let mut light = Light::open(node.address(), None).await?;
    resume(&mut light, session, &session.offset, |offset| offsets.push(offset.to_owned())).await?;
    ensure!(offsets.len() == MISSED[2] + 1, "{} came instead of {}", offsets.len() - 1, MISSED[2]);
    Ok(offsets)
}

/// From CONNECT to `inbox:state`; each notification between is counted by its offset.
async fn resume(
    light: &mut Light,
    session: &Session,
    offset: &str,
    mut note: impl FnMut(&str),
) -> Result<()> {
    let Session { token, sid, pid, .. } = session;
    light.send(format!("40{}", json!({"token": token, "pid": pid, "offset": offset}))).await?;
    let answer = light.text().await?;
    let connected: Connected = serde_json::from_str(answer.strip_prefix("40").context("refused")?)?;
    ensure!(connected.sid == *sid && connected.pid == *pid, "the session was not resumed");
    loop {
        let text = light.text().await?;
        let json = text.strip_prefix("42").with_context(|| format!("{text} is no event"))?;
        let (name, _, offset): (&str, IgnoredAny, &str) = serde_json::from_str(json)?;
        match name {
            "notification" => note(offset),
            "inbox:state" => return Ok(()),
            _ => bail!("{name} was not expected"),
        }
    }
}

async fn once(node: &str, session: &Session, offset: &str, missed: usize) -> Result<Duration> {
    let mut light = Light::open(node, None).await?;
    let (begun, mut came) = (Instant::now(), 0);
    resume(&mut light, session, offset, |_| came += 1).await?;
    let took = begun.elapsed();
    ensure!(came == missed, "{came} came instead of {missed}");
    Ok(took)
}

async fn one_by_one(
    node: &Node,
    sessions: &[Arc<Session>],
    offset: &str,
    missed: usize,
) -> Result<Quantiles> {
    let latencies = Latencies::new();
    for (number, session) in sessions.iter().enumerate() {
        latencies.record(number, once(node.address(), session, offset, missed).await?);
    }
    Ok(latencies.quantiles())
}

/// Resumptions a second, opening the connection included.
async fn together(
    node: &Node,
    sessions: &[Arc<Session>],
    offset: &str,
    missed: usize,
    at_once: usize,
) -> Result<f64> {
    let turns = Arc::new(Semaphore::new(at_once));
    let (begun, mut resuming) = (Instant::now(), JoinSet::new());
    for session in sessions {
        let (session, turns) = (Arc::clone(session), Arc::clone(&turns));
        let (address, offset) = (node.address().to_owned(), offset.to_owned());
        resuming.spawn(async move {
            let _turn = turns.acquire_owned().await?;
            once(&address, &session, &offset, missed).await
        });
    }
    while let Some(resumed) = resuming.join_next().await {
        resumed??;
    }
    Ok(sessions.len() as f64 / begun.elapsed().as_secs_f64())
}
