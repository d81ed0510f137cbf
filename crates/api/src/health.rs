//! `/healthz` and `/readyz`, for whoever starts, stops and balances nodes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::rt::time::timeout;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::State;

/// A probe is repeated soon and is often given a second itself.
const READY_WITHIN: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Health {
    status: &'static str,
    reasons: Vec<&'static str>,
}

/// `GET /healthz`: the process answers.
pub(crate) async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok", reasons: Vec::new() })
}

/// `GET /readyz`: 200 `{"status":"ready","reasons":[]}`, or 503 with `"unready"` and why: `draining`, `store`. A node that
/// may not hear the others at once serves all the same: 200 with `"degraded"` and `fanout`.
pub(crate) async fn ready(api: web::Data<State>) -> HttpResponse {
    let mut reasons = Vec::new();
    if api.parts.draining.load(Ordering::Relaxed) {
        reasons.push("draining");
    }
    match timeout(READY_WITHIN.min(api.answer_within), api.parts.log.head()).await {
        Ok(Ok(_head)) => {}
        Ok(Err(fault)) => {
            tracing::warn!(error = %fault, "not ready: the store failed");
            reasons.push("store");
        }
        Err(_elapsed) => {
            tracing::warn!("not ready: the store did not answer");
            reasons.push("store");
        }
    }
    if !reasons.is_empty() {
        return HttpResponse::ServiceUnavailable().json(Health { status: "unready", reasons });
    }
    let health = if api.parts.fanout.reaches_all() {
        Health { status: "ready", reasons }
    } else {
        Health { status: "degraded", reasons: vec!["fanout"] }
    };
    HttpResponse::Ok().json(health)
}
