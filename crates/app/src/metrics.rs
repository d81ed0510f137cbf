//! `GET /metrics`: what the crates count, in Prometheus's text format. docs/operations/metrics.md lists all of it.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// How often old samples of summaries are let go.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Counts for the whole process; once.
pub(crate) fn start() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new().install_recorder().context("metrics could not start")?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP_EVERY);
        loop {
            ticks.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// Mounts `/metrics`.
pub(crate) fn mount(app: &mut web::ServiceConfig, metrics: &PrometheusHandle) {
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
pub(crate) fn serve(host: &str, port: u16, metrics: PrometheusHandle) -> anyhow::Result<()> {
    let server = HttpServer::new(move || App::new().configure(|app| mount(app, &metrics)))
        .workers(1)
        .disable_signals()
        .bind((host, port))
        .with_context(|| format!("METRICS_PORT: listening on {host}:{port}"))?;
    tokio::spawn(server.run());
    Ok(())
}
