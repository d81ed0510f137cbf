//! Carillon beside its peers: the same load on each server in turn, within one run (`just bench peers`).
//!
//! [`servers`] starts them, [`phases`] is what is done to each, [`figures`] what is compared and aimed at; [`page`] writes
//! docs/benchmarks.md and [`chart`] its pictures. [`growth`] and [`endurance`] stand on the same. [`floor`] is the server that shows what the machine can do at best.

pub(crate) mod chart;
pub(crate) mod endurance;
pub(crate) mod figures;
pub(crate) mod floor;
pub(crate) mod growth;
pub(crate) mod page;
mod phases;
mod servers;
mod stored;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum as _};

use crate::bench::raise_descriptors;
use figures::Run;
use phases::Phase;
use servers::Kind;

/// Against whom, and how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often each server is measured; the medians count.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// The servers, comma-separated; all of them without.
    #[arg(long, value_enum, value_delimiter = ',')]
    servers: Vec<Kind>,
    /// What is measured, comma-separated; all of it without. The page is left as it is.
    #[arg(long, value_enum, value_delimiter = ',')]
    phases: Vec<Phase>,
    /// A tenth of the clients and of the time, to try it out.
    #[arg(long)]
    quick: bool,
    /// Where every measurement goes, as JSON.
    #[arg(long, default_value = "target/peers.json")]
    json: PathBuf,
    /// The page whose section is written, with the charts beside it.
    #[arg(long, default_value = "docs/benchmarks.md")]
    page: PathBuf,
    /// Leave the page as it is.
    #[arg(long)]
    no_page: bool,
}

impl Options {
    /// Some of the figures alone are no page.
    fn writes_page(&self) -> bool {
        !self.no_page && self.phases.is_empty()
    }
}

/// How many clients, and for how many seconds each figure is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    few: usize,
    many: usize,
    polling: usize,
    seconds: u64,
}

impl Sizes {
    const FULL: Self = Self { few: 1_000, many: 10_000, polling: 500, seconds: 5 };
    const QUICK: Self = Self { few: 100, many: 1_000, polling: 50, seconds: 1 };
}

/// Measures all of it. It blocks, and is to run in a thread of its own.
pub(crate) fn run(options: &Options) -> Result<()> {
    let sizes = if options.quick { Sizes::QUICK } else { Sizes::FULL };
    raise_descriptors(sizes.many)?;
    let kinds = if options.servers.is_empty() { Kind::value_variants() } else { &options.servers };
    let phases = if options.phases.is_empty() { Phase::value_variants() } else { &options.phases };
    let (mut runs, mut failed) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        for &server in kinds {
            eprintln!("round {round}: {}", server.name());
            match phases::all(server, &sizes, phases) {
                Ok(phases) => runs.push(Run { server, round, phases }),
                Err(error) => failed.push(format!("round {round}, {}: {error:#}", server.name())),
            }
            // What there is so far is kept, whatever comes.
            std::fs::write(&options.json, serde_json::to_string_pretty(&runs)?)?;
        }
    }
    let section = page::section(options, &sizes, kinds, &runs)?;
    eprint!("{section}");
    if options.writes_page() {
        page::replace(&options.page, "peers", &section)?;
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}
