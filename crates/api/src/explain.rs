//! What became of a publish, for admins.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::State;
use crate::openapi::{Document, Operation, Who, schemas};
use crate::problem::{Code, Problem};

/// This route in the API's document.
pub(crate) fn describe(document: &mut Document) {
    let show = Operation::new("get", "/api/v1/events/{id}", "explainEvent", "What became of one publish");
    document.add(
        show.by(Who::Admins, "admin")
            .gives::<schemas::Explained>(
                StatusCode::OK,
                "Where it went and who has read it; nothing of its content",
            )
            .refuses(&[Code::NotFound]),
    );
}

/// `GET /api/v1/events/{eventId}`
pub(crate) async fn show(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    api.admin(&request)?;
    let unknown = || Problem::new(Code::NotFound, "There is no such event.");
    let id = request.match_info().get("id").and_then(|id| id.parse().ok()).ok_or_else(unknown)?;
    let explained = api.within(api.parts.explain.explain(id)).await?;
    Ok(HttpResponse::Ok().json(explained.ok_or_else(unknown)?))
}
