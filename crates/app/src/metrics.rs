//! `GET /metrics`: what the crates count, in Prometheus's text format. docs/operations/metrics.md lists all of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::header;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use metrics::gauge;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::runtime::Handle;

use crate::cli;

/// How often old samples of summaries are let go.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The upper bounds by which times are counted, in seconds.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Those for the rows of a batch, which has 512 at most.
const ROWS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// What there is to tell.
#[derive(Clone)]
pub(crate) struct Metrics {
    counted: PrometheusHandle,
    /// The main one and each worker's.
    runtimes: Arc<Mutex<Vec<Handle>>>,
}

impl Metrics {
    /// Counts this thread's tasks from now on.
    pub(crate) fn include_this_runtime(&self) {
        self.runtimes.lock().unwrap_or_else(PoisonError::into_inner).push(Handle::current());
    }

    fn render(&self) -> String {
        let runtimes = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks: usize = runtimes.iter().map(|runtime| runtime.metrics().num_alive_tasks()).sum();
        let tasks = tasks + carillon_gateway::connection_tasks();
        #[expect(clippy::cast_precision_loss, reason = "there is memory for far fewer than 2^52 tasks")]
        gauge!("carillon_tasks").set(tasks as f64);
        #[cfg(feature = "count-allocations")]
        gauge!("carillon_allocated_bytes").set(crate::allocated());
        self.counted.render()
    }
}

/// Counts for the whole process; once, and before there is anything to count.
pub(crate) fn start(max_connections: usize) -> anyhow::Result<Metrics> {
    let counted = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_rows".to_owned()), &ROWS))
        .and_then(PrometheusBuilder::install_recorder)
        .context("metrics could not start")?;
    gauge!("carillon_build_info", "version" => cli::VERSION, "commit" => cli::COMMIT).set(1);
    gauge!("carillon_draining").set(0);
    #[expect(clippy::cast_precision_loss, reason = "at most 10 million")]
    gauge!("carillon_sessions_max").set(max_connections as f64);
    let upkeep = counted.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP_EVERY);
        loop {
            ticks.tick().await;
            upkeep.run_upkeep();
        }
    });
    let metrics = Metrics { counted, runtimes: Arc::default() };
    metrics.include_this_runtime();
    Ok(metrics)
}

/// Mounts `/metrics`.
pub(crate) fn mount(app: &mut web::ServiceConfig, metrics: &Metrics) {
    let metrics = metrics.clone();
    let render = move || {
        let text = metrics.render();
        async {
            HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4")).body(text)
        }
    };
    app.route("/metrics", web::get().to(render));
}

/// Serves `/metrics` alone on a port of its own, for as long as the process lives.
pub(crate) fn serve(host: &str, port: u16, metrics: Metrics) -> anyhow::Result<()> {
    let server = HttpServer::new(move || App::new().configure(|app| mount(app, &metrics)))
        .workers(1)
        .disable_signals()
        .bind((host, port))
        .with_context(|| format!("METRICS_PORT: listening on {host}:{port}"))?;
    tokio::spawn(server.run());
    Ok(())
}
