//! Many connections on one process for a long time, with users and everyone told things: does the memory stay, and does
//! everyone hear in time (`just bench endurance`)?

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::chart::{Line, lines};
use super::figures::{grouped, median, shown};
use super::page::{self, CHARTS};
use super::phases::{Faults, Phase, Stage, quantiles};
use super::servers::Kind;
use crate::bench::raise_descriptors;
use crate::process::rss_bytes;
use crate::swarm::client::Transport;
use crate::swarm::run::{Pace, Stream};
use crate::swarm::tally::Audience;

/// How many, how long, and how often.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long, value_enum, default_value_t = Kind::Sqlite)]
    server: Kind,
    #[arg(long, default_value_t = 15_000)]
    clients: usize,
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Notifications to single users a second.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Seconds between two broadcasts.
    #[arg(long, default_value_t = 10)]
    every: u64,
    /// Where every measurement goes, as JSON.
    #[arg(long, default_value = "target/endurance.json")]
    json: PathBuf,
    /// The page whose section is written, with the chart beside it.
    #[arg(long, default_value = "docs/benchmarks.md")]
    page: PathBuf,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Endured {
    server: Kind,
    clients: usize,
    /// Seconds since the first publish, and bytes.
    rss: Vec<(f64, u64)>,
    single_p50_ms: f64,
    single_p99_ms: f64,
    /// Of each broadcast, until the last client had it.
    lasts_ms: Vec<f64>,
    deliveries: u64,
    cpu_cores: f64,
    faults: Faults,
}

/// Measures it. It blocks, as [`super::run`] does.
pub(crate) fn run(options: &Options) -> Result<()> {
    raise_descriptors(options.clients)?;
    let mut stage = Stage::open(options.server, options.clients)?;
    stage.connect(Phase::ConnectMany, Transport::WebSocket, options.clients, true)?;
    let streams = [
        Stream {
            audience: Audience::Each,
            batch: 1,
            pace: Pace::Each(Duration::from_secs(1) / options.rate),
        },
        Stream { audience: Audience::All, batch: 1, pace: Pace::Each(Duration::from_secs(options.every)) },
    ];
    let (pid, begun) = (stage.server.pid(), Instant::now());
    let mut rss = vec![(0.0, rss_bytes(pid)?)];
    let tick = |_: &_| {
        rss.push((begun.elapsed().as_secs_f64(), rss_bytes(pid)?));
        Ok(())
    };
    stage.begin()?;
    let (tally, took) = stage.swarm.run(&streams, Duration::from_secs(options.seconds), 64, tick)?;
    let [cpu_micros, _] = stage.cpu_of(1)?;
    let (single_p50_ms, single_p99_ms) = quantiles(&tally.each);
    let endured = Endured {
        server: options.server,
        clients: options.clients,
        rss,
        single_p50_ms,
        single_p99_ms,
        lasts_ms: tally.lasts.iter().map(|last| *last as f64 / 1e6).collect(),
        deliveries: tally.delivered,
        cpu_cores: cpu_micros / took.as_micros() as f64,
        faults: Faults::of(&tally),
    };
    std::fs::write(&options.json, serde_json::to_string_pretty(&endured)?)?;
    let section = section(options, &endured)?;
    eprint!("{section}");
    page::replace(&options.page, "endurance", &section)
}

fn section(options: &Options, endured: &Endured) -> Result<String> {
    let &Options { server, clients, rate, every, seconds, .. } = options;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let rss = |at: usize| mib(endured.rss[at].1);
    let last = endured.rss.len() - 1;
    let mut text = format!(
        "{}.\n\n{}, {} connections for {seconds} s, {rate} notifications a second to single users and a broadcast each \
         {every} s:\n\n",
        page::place()?,
        server.name(),
        grouped(clients as f64)
    );
    page::table(&mut text, "figure", [""].into_iter());
    let most = endured.lasts_ms.iter().copied().fold(0.0, f64::max);
    let lasts = median(endured.lasts_ms.clone()).unwrap_or_default();
    let [begin, tenth, half, end] = [0, last / 10, last / 2, last].map(|at| shown(rss(at)));
    for (name, value) in [
        (
            "to a single user, p50 / p99",
            format!("{} / {} ms", shown(endured.single_p50_ms), shown(endured.single_p99_ms)),
        ),
        ("until the last has a broadcast, median / worst", format!("{} / {} ms", shown(lasts), shown(most))),
        (
            "resident at the begin / after a tenth / half / all of the time",
            format!("{begin} / {tenth} / {half} / {end} MiB"),
        ),
        ("CPU", format!("{} cores", shown(endured.cpu_cores))),
        ("deliveries", grouped(endured.deliveries as f64)),
        ("lost, doubled, misrouted or refused", endured.faults.sum().to_string()),
    ] {
        page::line(&mut text, name, [value].into_iter());
    }
    let points = endured.rss.iter().map(|(at, bytes)| (*at, mib(*bytes))).collect();
    let chart = Line { name: server.name().to_owned(), points };
    let title = format!("resident memory, {} connections", grouped(clients as f64));
    lines(
        &page::charts(&options.page).join("endurance-rss.svg"),
        &title,
        "MiB",
        "seconds",
        false,
        &[&chart],
    )?;
    let _ = writeln!(text, "\n![{title}]({CHARTS}/endurance-rss.svg)");
    Ok(text)
}
