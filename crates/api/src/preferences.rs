//! What a user wants to hear of.

use actix_web::{HttpRequest, HttpResponse, web};
use carillon_domain::Kind;
use serde::Serialize;

use crate::problem::Problem;
use crate::{State, body};

#[derive(Serialize)]
struct Shown {
    muted: Vec<Kind>,
}

/// `GET /api/v1/preferences`
pub(crate) async fn show(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    let user = api.user(&request)?;
    let muted = api.within(api.parts.preferences.muted(&user)).await?;
    Ok(HttpResponse::Ok().json(Shown { muted }))
}

/// `PUT /api/v1/preferences` with `{muted: [type]}`; answers the same as GET does from then on.
pub(crate) async fn change(
    request: HttpRequest,
    payload: web::Payload,
    api: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let user = api.user(&request)?;
    let bytes = body::read(&request, payload, body::SMALL).await?;
    let preferences = &api.parts.preferences;
    let muted = preferences.parse(body::json(&bytes)?)?;
    api.within(preferences.mute(&user, &muted)).await?;
    Ok(HttpResponse::Ok().json(Shown { muted }))
}
