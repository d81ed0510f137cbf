//! The log split by room into P logs, simulated: what it would bring and cost (`just split`). Nothing of it is built
//! (docs/adr/0007).
//!
//! [`flow`] lets notifications pass through P writers and the nodes that follow them, in virtual time, with [`costs`] that were measured
//! on one log; [`traffic`] says who is told things and [`witness`] what was seen. [`world`] is about truth instead of time: what goes
//! wrong while clients come back by P numbers and P itself changes ([`generations`]). [`tables`] writes docs/beyond.md.

mod agenda;
mod costs;
mod flow;
mod generations;
mod setup;
mod tables;
#[cfg(test)]
mod tests;
mod traffic;
mod witness;
mod world;

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;

use crate::peers::page;

/// Where it is written.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The page whose section is written, with the chart beside it.
    #[arg(long, default_value = "docs/beyond.md")]
    page: PathBuf,
    /// Lives of clients, nodes and publishers to look for a fault in.
    #[arg(long, default_value_t = 20_000)]
    worlds: u64,
}

/// How many logs are tried.
const LOGS: [usize; 5] = [1, 2, 4, 8, 16];

/// Lives through everything, and writes the page.
pub(crate) fn run(options: &Options) -> Result<()> {
    let lived = live(options.worlds)?;
    let section = tables::section(&page::charts(&options.page), options.worlds, lived)?;
    eprint!("{section}");
    page::replace(&options.page, "split", &section)
}

/// What has happened in so many worlds.
fn live(worlds: u64) -> Result<world::Happened> {
    (0..worlds).try_fold(world::Happened::default(), |all, seed| {
        let (happened, judged) = world::World::live(seed, None);
        judged.map_err(|fault| anyhow!("world {seed}: {fault}"))?;
        Ok(all.and(happened))
    })
}
