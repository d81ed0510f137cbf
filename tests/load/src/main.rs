//! Load for a Carillon server: many clients, an open-loop publisher, and what came of it.
//!
//! `carillon-load bench` connects clients with a token each ([`fleet`]), publishes at a fixed rate whatever the
//! server's pace ([`publisher`]), checks that every accepted notification reached each of its readers once and in
//! order, and prints [`report::Report`]: JSON with `--json`, a table always. It ends with 1 if anything was lost,
//! doubled, out of order or not accepted.
//!
//! `carillon-load broadcast` tells everyone where a million users are known, and counts what that writes ([`broadcast`]).
//!
//! `carillon-load resume` lets clients come back to a server and measures how long they wait for what they missed
//! ([`resume`]). `carillon-load hop` puts two nodes over one PostgreSQL and one Redis ([`hop`]).
//!
//! `carillon-load peers` holds Carillon beside other servers ([`peers`]), with a generator that costs less than they do
//! ([`swarm`]); `growth` and `endurance` use the same.
//!
//! `carillon-load split` measures nothing: it simulates a log that is split by room ([`split`]).
//!
//! Client and server share the machine, so the figures are those of both together. It refuses any server but one on
//! the loopback interface.

mod abuse;
mod bench;
mod broadcast;
mod crowd;
mod fleet;
mod hop;
mod latency;
mod peers;
mod process;
mod publisher;
mod report;
mod resume;
mod split;
mod swarm;
mod target;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(version, about = "Load for a Carillon server on this machine")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Connect, publish, and measure what arrives.
    Bench(Bench),
    /// Tell everyone, where a million users are known.
    Broadcast(broadcast::Broadcast),
    /// Let clients come back, and measure how long they wait for what they missed.
    Resume(resume::Resume),
    /// Publish through one of two nodes, and measure how much later the other's clients hear. Run it by `tests/with-servers`.
    Hop(hop::Hop),
    /// Hold Carillon beside its peers. Run it by `tests/with-servers`.
    Peers(peers::Options),
    /// Measure how costs grow with connections and stored notifications. Run it by `tests/with-servers`.
    Growth(peers::growth::Options),
    /// Keep many connections for long, and look at memory and latency.
    Endurance(peers::endurance::Options),
    /// Simulate the log split by room into several, and write docs/beyond.md.
    Split(split::Options),
    /// Be the floor of that comparison.
    #[command(hide = true)]
    Floor,
}

/// What to do to which server.
#[derive(Debug, Clone, Args)]
struct Bench {
    /// The server, such as <http://127.0.0.1:5000>; JWT_SECRET and PUBLISH_KEY from the environment are used there.
    /// Without it, the `carillon` beside this program is started on a fresh database.
    #[arg(long)]
    url: Option<String>,
    /// The process of the server at --url, for its CPU and memory.
    #[arg(long, requires = "url")]
    pid: Option<u32>,
    /// Where the database of a server started here lies; its disk decides how fast a publish is kept.
    #[arg(long, conflicts_with = "url")]
    dir: Option<PathBuf>,
    /// WebSocket clients, each a user of its own.
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Clients that connect at the same time.
    #[arg(long, default_value_t = 64)]
    connecting: usize,
    /// Whom each notification is for.
    #[arg(long, value_enum, default_value_t = Audience::User)]
    publish: Audience,
    /// HTTP requests a second.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Notifications in each request.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    batch: u32,
    /// For how long to publish.
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Meanwhile abuse the server: oversized frames, floods of fragments and packets, half-open sessions, compressed bodies.
    #[arg(long)]
    abuse: bool,
    /// Print the report as JSON on the standard output.
    #[arg(long)]
    json: bool,
}

/// Whom a notification is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Audience {
    /// One user, each in turn.
    User,
    /// A role that all clients have.
    Role,
    /// Everyone.
    All,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Bench(options) => bench(&options).await,
        Command::Broadcast(options) => broadcast::run(&options).await.map(|table| show(&table)),
        Command::Resume(options) => resume::run(&options).await.map(|table| show(&table)),
        Command::Hop(options) => hop::run(&options).await.map(|table| show(&table)),
        Command::Peers(options) => blocking(move || peers::run(&options)).await,
        Command::Growth(options) => blocking(move || peers::growth::run(&options)).await,
        Command::Endurance(options) => blocking(move || peers::endurance::run(&options)).await,
        Command::Split(options) => blocking(move || split::run(&options)).await,
        Command::Floor => blocking(peers::floor::serve).await,
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// The generator and the floor are one thread each, which waits by itself.
async fn blocking(work: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> anyhow::Result<ExitCode> {
    tokio::task::spawn_blocking(work).await??;
    Ok(ExitCode::SUCCESS)
}

fn show(table: &str) -> ExitCode {
    eprint!("{table}");
    ExitCode::SUCCESS
}

async fn bench(options: &Bench) -> anyhow::Result<ExitCode> {
    let report = bench::run(options).await?;
    eprint!("{}", report.table());
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
