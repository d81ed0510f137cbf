//! `/healthz` and `/readyz`, for whoever starts, stops and balances nodes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::rt::time::timeout;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::State;
use crate::openapi::{Document, Operation, Who};

/// A probe is repeated soon and is often given a second itself.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// How a node is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok` says /healthz; `ready`, `degraded` or `unready` says /readyz.
    status: &'static str,
    /// Why it is not ready: `draining`, `store`; or degraded: `fanout`, it may not hear the other nodes at once.
    reasons: Vec<&'static str>,
}

/// These routes in the API's document.
pub(crate) fn describe(document: &mut Document) {
    let operation = |path, id, summary| Operation::new("get", path, id, summary).by(Who::Anyone, "health");
    let alive = operation("/healthz", "isAlive", "Whether the process lives");
    document.add(alive.gives::<Health>(StatusCode::OK, "It does"));
    let ready = operation("/readyz", "isReady", "Whether it should get traffic");
    document.add(
        ready
            .gives::<Health>(StatusCode::OK, "It should")
            .gives::<Health>(StatusCode::SERVICE_UNAVAILABLE, "It should not, and why"),
    );
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
