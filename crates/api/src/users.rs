//! What the log holds of one user, for admins.

use actix_web::{HttpRequest, HttpResponse, web};
use carillon_domain::UserId;

use crate::State;
use crate::problem::{Code, Problem};

/// `DELETE /api/v1/users/{id}/data`: 204 once it is gone. It may be tried again, and then goes on.
pub(crate) async fn erase(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    let admin = api.admin(&request)?;
    let unknown = || Problem::new(Code::NotFound, "That is no user's id.");
    let id = request.match_info().get("id").and_then(|id| id.parse::<UserId>().ok()).ok_or_else(unknown)?;
    api.within(api.parts.eraser.erase(format!("user:{}", admin.user_id()), id)).await?;
    Ok(HttpResponse::NoContent().finish())
}
