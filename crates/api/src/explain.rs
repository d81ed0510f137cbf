//! What became of a publish, for admins.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::State;
use crate::problem::{Code, Problem};

/// `GET /api/v1/events/{eventId}`
pub(crate) async fn show(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    api.admin(&request)?;
    let unknown = || Problem::new(Code::NotFound, "There is no such event.");
    let id = request.match_info().get("id").and_then(|id| id.parse().ok()).ok_or_else(unknown)?;
    let explained = api.within(api.parts.explain.explain(id)).await?;
    Ok(HttpResponse::Ok().json(explained.ok_or_else(unknown)?))
}
