//! How what things cost grows: with the connections of a node, and with the notifications that its store keeps
//! (`just bench growth`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::chart::{Line, lines};
use super::figures::{grouped, shown};
use super::page::{self, CHARTS};
use super::phases::{Measured, Phase, Stage, broadcast, open_loop};
use super::servers::Kind;
use super::stored::{self, Stored};
use crate::bench::raise_descriptors;
use crate::swarm::client::Transport;

/// Of whom, and up to what.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The servers whose connections grow, comma-separated.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "sqlite,postgres,socketioxide,floor")]
    servers: Vec<Kind>,
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000,10000,15000")]
    connections: Vec<usize>,
    /// How many notifications each of our stores keeps.
    #[arg(long, value_delimiter = ',', default_value = "1,1000,100000,1000000")]
    stored: Vec<usize>,
    /// For how long each is measured.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Where every measurement goes, as JSON.
    #[arg(long, default_value = "target/growth.json")]
    json: PathBuf,
    /// The page whose section is written, with the charts beside it.
    #[arg(long, default_value = "docs/benchmarks.md")]
    page: PathBuf,
}

#[derive(Debug, Default, Serialize)]
struct Grown {
    connections: Vec<(Kind, Vec<Measured>)>,
    stored: Vec<Stored>,
}

/// What one of a phase's figures is.
type Of<T> = fn(&T) -> Option<f64>;

/// Id, title, unit, and where it is from.
const BY_CONNECTIONS: [(&str, &str, &str, Phase, Of<Measured>); 4] = [
    ("growth-handshake", "CPU of a handshake", "µs", Phase::ConnectMany, |measured| {
        Some(measured.cpu_micros)
    }),
    ("growth-rss", "memory of an idle connection", "bytes", Phase::ConnectMany, |measured| {
        measured.rss_bytes_per_connection.map(|bytes| bytes as f64)
    }),
    (
        "growth-broadcast",
        "CPU of a delivery, broadcasts one at a time",
        "µs",
        Phase::BroadcastMany,
        |measured| Some(measured.cpu_micros),
    ),
    ("growth-single", "CPU of a delivery to single users, 1,000/s", "µs", Phase::SingleSlow, |measured| {
        Some(measured.cpu_micros)
    }),
];

const BY_STORED: [(&str, &str, Of<Stored>); 3] = [
    ("growth-unread", "unread count, p50", |stored| Some(stored.unread_p50_ms)),
    ("growth-list", "first page of the inbox, p50", |stored| Some(stored.list_p50_ms)),
    ("growth-publish", "one publish to its answer, p50", |stored| Some(stored.publish_p50_ms)),
];

/// Measures both. It blocks, as [`super::run`] does.
pub(crate) fn run(options: &Options) -> Result<()> {
    raise_descriptors(options.connections.iter().copied().max().unwrap_or_default())?;
    let mut grown = Grown::default();
    for &kind in &options.servers {
        let mut measured = Vec::new();
        for &clients in &options.connections {
            eprintln!("{}: {clients} connections", kind.name());
            measured.extend(by_connections(kind, clients, options.seconds).with_context(|| kind.name())?);
        }
        grown.connections.push((kind, measured));
    }
    for kind in [Kind::Sqlite, Kind::Postgres].into_iter().filter(|kind| options.servers.contains(kind)) {
        grown.stored.extend(stored::measure(kind, &options.stored).with_context(|| kind.name())?);
    }
    std::fs::write(&options.json, serde_json::to_string_pretty(&grown)?)?;
    let section = section(options, &grown)?;
    eprint!("{section}");
    page::replace(&options.page, "growth", &section)
}

fn by_connections(kind: Kind, clients: usize, seconds: u64) -> Result<[Measured; 3]> {
    let (mut stage, seconds) = (Stage::open(kind, clients)?, Duration::from_secs(seconds));
    Ok([
        stage.connect(Phase::ConnectMany, Transport::WebSocket, clients, true)?,
        stage.publish(Phase::BroadcastMany, broadcast(1), seconds, 1)?,
        stage.publish(Phase::SingleSlow, open_loop(1_000), seconds, 256)?,
    ])
}

fn section(options: &Options, grown: &Grown) -> Result<String> {
    let mut text = format!("{}.\n", page::place()?);
    let folder = page::charts(&options.page);
    for (id, title, unit, phase, of) in BY_CONNECTIONS {
        let lines = grown.connections.iter().map(|(kind, measured)| {
            let phase = measured.iter().filter(|measured| measured.phase == phase);
            let points = phase.filter_map(|measured| Some((measured.clients as f64, of(measured)?)));
            Line { name: kind.name().to_owned(), points: points.collect() }
        });
        figure(
            &mut text,
            &folder,
            id,
            &format!("{title}, by connections"),
            unit,
            &lines.collect::<Vec<_>>(),
        )?;
    }
    for (id, title, of) in BY_STORED {
        let lines = [Kind::Sqlite, Kind::Postgres].map(|kind| {
            let stored = grown.stored.iter().filter(|stored| stored.server == kind);
            let points = stored.filter_map(|stored| Some((stored.notifications as f64, of(stored)?)));
            Line { name: kind.name().to_owned(), points: points.collect() }
        });
        figure(&mut text, &folder, id, &format!("{title}, by stored notifications"), "ms", &lines)?;
    }
    Ok(text)
}

/// A table and its chart.
fn figure(text: &mut String, folder: &Path, id: &str, title: &str, unit: &str, of: &[Line]) -> Result<()> {
    let of: Vec<&Line> = of.iter().filter(|line| !line.points.is_empty()).collect();
    let Some(first) = of.first() else { return Ok(()) };
    text.push('\n');
    let columns: Vec<String> = first.points.iter().map(|(x, _)| grouped(*x)).collect();
    page::table(text, &format!("{title}, {unit}"), columns.iter().map(String::as_str));
    for line in &of {
        page::line(text, &line.name, line.points.iter().map(|(_, y)| shown(*y)));
    }
    lines(
        &folder.join(format!("{id}.svg")),
        title,
        unit,
        title.rsplit(" by ").next().unwrap_or_default(),
        true,
        &of,
    )?;
    text.push_str(&format!("\n![{title}, {unit}]({CHARTS}/{id}.svg)\n"));
    Ok(())
}
