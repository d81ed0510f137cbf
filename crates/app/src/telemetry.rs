//! Where log lines go: to the standard error, as text or JSON, filtered by RUST_LOG. And where traces go, if anywhere.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::{LogFormat, Settings};
use crate::traces::{self, Collector, Sending};

/// Whatever the filter says: libraries tell whole frames and statements below `info`, and with them who is ill with what.
fn is_discreet(line: &Metadata<'_>) -> bool {
    line.target().starts_with("carillon") || *line.level() <= Level::INFO
}

/// Starts logging for the whole process, and traces if they are to be sent; once. They are until the answer is dropped.
///
/// # Errors
/// The filter does not parse, or logging has been started before.
pub(crate) fn start(settings: &Settings) -> anyhow::Result<Option<Sending>> {
    let filter = EnvFilter::builder().parse(&settings.rust_log).context("RUST_LOG is no log filter")?;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match settings.log_format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let (collecting, sending) = match &settings.otel_exporter_otlp_endpoint {
        Some(endpoint) => {
            let collector = Collector::new(endpoint, settings.otel_traces_sampler_arg, &settings.node_id)?;
            let (collecting, sending) = traces::start(collector)?;
            (Some(collecting), Some(sending))
        }
        None => (None, None),
    };
    let is_trace = filter_fn(|line| line.target() == traces::TARGET);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter.and(filter_fn(is_discreet))))
        .with(collecting.map(|collecting| collecting.with_filter(is_trace)))
        .try_init()
        .map_err(|error| anyhow::anyhow!("logging could not start: {error}"))?;
    Ok(sending)
}
