//! Where log lines go: to the standard error, as text or JSON, filtered by RUST_LOG.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::LogFormat;

/// Whatever the filter says: libraries tell whole frames and statements below `info`, and with them who is ill with what.
fn is_discreet(line: &Metadata<'_>) -> bool {
    line.target().starts_with("carillon") || *line.level() <= Level::INFO
}

/// Starts logging for the whole process; once.
///
/// # Errors
/// The filter does not parse, or logging has been started before.
pub(crate) fn start(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(filter).context("RUST_LOG is no log filter")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let discreet = filter_fn(is_discreet);
    match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).finish().with(discreet).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().with(discreet).try_init(),
    }
    .map_err(|error| anyhow::anyhow!("logging could not start: {error}"))
}
