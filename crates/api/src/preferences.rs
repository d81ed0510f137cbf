//! What a user wants to hear of.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use carillon_domain::Kind;
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::{Document, Operation, Who, bodies, schemas};
use crate::problem::{Code, Problem};
use crate::{State, body};

/// What a user wants to hear of.
#[derive(Serialize, ToSchema)]
#[schema(as = Preferences)]
struct Shown {
    /// Notifications of these types come as read and are not pushed, but for high and urgent ones.
    #[schema(value_type = Vec<schemas::Kind>)]
    muted: Vec<Kind>,
}

/// These routes in the API's document.
pub(crate) fn describe(document: &mut Document) {
    let operation = |method, id, summary| {
        Operation::new(method, "/api/v1/preferences", id, summary).by(Who::Users, "inbox")
    };
    let show = operation("get", "getPreferences", "What you mute");
    document.add(show.gives::<Shown>(StatusCode::OK, "These types"));
    let change = operation("put", "setPreferences", "Mute these types and no others");
    document.add(
        change
            .takes(
                "PreferencesChange",
                bodies::preferences(),
                "Types that are known: of the eight events, of broadcasts, of `NOTIFICATION_TYPES`",
            )
            .gives::<Shown>(StatusCode::OK, "What you mute from now on")
            .refuses(&[Code::RateLimited]),
    );
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
