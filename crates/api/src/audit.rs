//! What was done by whom, for admins.

use actix_web::{HttpRequest, HttpResponse, web};
use carillon_domain::{AuditEntry, AuditQuery};
use serde::Serialize;

use crate::State;
use crate::problem::Problem;
use crate::query::query;

#[derive(Serialize)]
struct Entries {
    items: Vec<AuditEntry>,
    page: Next,
}

#[derive(Serialize)]
struct Next {
    /// The `since` that continues; null where nothing follows yet.
    next: Option<u64>,
}

/// `GET /api/v1/audit?since=&limit=100`: oldest first.
pub(crate) async fn list(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    api.admin(&request)?;
    let query = AuditQuery::parse(query(&request)?)?;
    let items = api.within(api.parts.audit.entries(query)).await?;
    let next = items.last().filter(|_| items.len() == query.limit as usize).map(|entry| entry.id);
    Ok(HttpResponse::Ok().json(Entries { items, page: Next { next } }))
}
