//! What the log holds of one user, for admins.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use carillon_domain::UserId;

use crate::State;
use crate::openapi::{Document, Operation, Who};
use crate::problem::{Code, Problem};

/// This route in the API's document.
pub(crate) fn describe(document: &mut Document) {
    let erase = Operation::new(
        "delete",
        "/api/v1/users/{userId}/data",
        "eraseUser",
        "Erase what was said to a user alone, and what is kept of their reading and wishes",
    );
    document.add(
        erase
            .by(Who::Admins, "admin")
            .gives_nothing(StatusCode::NO_CONTENT, "It is gone; the user's clients reload")
            .refuses(&[Code::NotFound]),
    );
}

/// `DELETE /api/v1/users/{userId}/data`: 204 once it is gone. It may be tried again, and then goes on.
pub(crate) async fn erase(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    let admin = api.admin(&request)?;
    let unknown = || Problem::new(Code::NotFound, "That is no user's id.");
    let id =
        request.match_info().get("userId").and_then(|id| id.parse::<UserId>().ok()).ok_or_else(unknown)?;
    api.within(api.parts.eraser.erase(format!("user:{}", admin.user_id()), id)).await?;
    Ok(HttpResponse::NoContent().finish())
}
