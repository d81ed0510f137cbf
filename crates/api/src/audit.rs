//! What was done by whom, for admins.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use carillon_domain::{AuditEntry, AuditQuery};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::State;
use crate::openapi::{Document, Operation, Who, bodies, schemas};
use crate::problem::Problem;
use crate::query::query;

/// A page of the audit table.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditPage)]
struct Entries {
    /// Oldest first.
    #[schema(value_type = Vec<schemas::AuditEntry>)]
    items: Vec<AuditEntry>,
    #[schema(inline)]
    page: Next,
}

#[derive(Serialize, ToSchema)]
struct Next {
    /// The `since` that continues; null where nothing follows yet.
    #[schema(required)]
    next: Option<u64>,
}

/// This route in the API's document.
pub(crate) fn describe(document: &mut Document) {
    let since = json!({"oneOf": [
        {"type": "integer", "minimum": 0, "maximum": i64::MAX}, {"type": "string", "format": "date-time"},
    ]});
    let limit = bodies::limit(AuditQuery::DEFAULT_LIMIT, AuditQuery::MAX_LIMIT);
    let list = Operation::new("get", "/api/v1/audit", "listAudit", "What was done by whom, oldest first");
    document.add(
        list.by(Who::Admins, "admin")
            .query("since", &since, "Those after this entry, or those of this instant or later")
            .query("limit", &limit, "How many at most")
            .gives::<Entries>(StatusCode::OK, "A page of it"),
    );
}

/// `GET /api/v1/audit?since=&limit=100`: oldest first.
pub(crate) async fn list(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    api.admin(&request)?;
    let query = AuditQuery::parse(query(&request)?)?;
    let items = api.within(api.parts.audit.entries(query)).await?;
    let next = items.last().filter(|_| items.len() == query.limit as usize).map(|entry| entry.id);
    Ok(HttpResponse::Ok().json(Entries { items, page: Next { next } }))
}
