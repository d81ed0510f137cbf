//! A user's own inbox: list, count, show, mark.

use actix_web::{HttpRequest, HttpResponse, web};
use carillon_domain::{Entitled, InboxItem, ListQuery, Mark, NotificationId, Position, ReadError};
use serde::Serialize;

use crate::problem::Problem;
use crate::query::query;
use crate::{State, body};

#[derive(Serialize)]
struct Page {
    items: Vec<InboxItem>,
    page: Next,
    unread: u32,
}

#[derive(Serialize)]
struct Next {
    next: Option<NotificationId>,
}

#[derive(Serialize)]
struct Unread {
    unread: u32,
}

/// `GET /api/v1/notifications?limit=20&before=ID&status=all|unread|read`
pub(crate) async fn list(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    let user = api.user(&request)?;
    let query = ListQuery::parse(query(&request)?)?;
    let reader = &api.parts.reader;
    let step = async { reader.list(&reader.enter(&user).await?, query).await };
    let (listing, unread) = api.within(step).await?;
    let page = Next { next: listing.next };
    Ok(HttpResponse::Ok().json(Page { items: listing.items, page, unread }))
}

/// `GET /api/v1/notifications/unread-count`
pub(crate) async fn unread(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    let user = api.user(&request)?;
    let reader = &api.parts.reader;
    let step = async { reader.unread(&reader.enter(&user).await?, Position::END).await };
    Ok(HttpResponse::Ok().json(Unread { unread: api.within(step).await? }))
}

/// `GET /api/v1/notifications/{id}`
pub(crate) async fn show(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    let user = api.user(&request)?;
    let id = id(&request)?;
    let reader = &api.parts.reader;
    let step = async { reader.get(&reader.enter(&user).await?, id).await };
    Ok(HttpResponse::Ok().json(api.within(step).await?))
}

/// `PATCH /api/v1/notifications/{id}` with `{isRead}`; answers the notification.
pub(crate) async fn change(
    request: HttpRequest,
    payload: web::Payload,
    api: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let user = api.user(&request)?;
    let id = id(&request)?;
    let bytes = body::read(&request, payload, body::SMALL).await?;
    let mark = Mark::parse_patch(id, body::json(&bytes)?)?;
    let reader = &api.parts.reader;
    let step = async {
        let who: Entitled = reader.enter(&user).await?;
        reader.mark(&who, mark, None).await?;
        reader.get(&who, id).await
    };
    Ok(HttpResponse::Ok().json(api.within(step).await?))
}

/// `POST /api/v1/notifications/read` with `{ids}`, `{upTo: id}` or `{all: true}`; answers `{unread}`.
pub(crate) async fn read(
    request: HttpRequest,
    payload: web::Payload,
    api: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let user = api.user(&request)?;
    let bytes = body::read(&request, payload, body::SMALL).await?;
    let mark = Mark::parse_read(body::json(&bytes)?)?;
    let reader = &api.parts.reader;
    let step = async { reader.mark(&reader.enter(&user).await?, mark, None).await };
    let unread = api.within::<_, ReadError>(step).await?;
    Ok(HttpResponse::Ok().json(Unread { unread }))
}

/// The id in the path. What is no id is nobody's notification.
fn id(request: &HttpRequest) -> Result<NotificationId, Problem> {
    request.match_info().get("id").and_then(|id| id.parse().ok()).ok_or_else(Problem::no_notification)
}
