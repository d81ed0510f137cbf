//! A user's own inbox: list, count, show, mark.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use carillon_domain::{Entitled, InboxItem, ListQuery, Mark, NotificationId, Position, ReadError};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::openapi::{Document, Operation, Who, bodies, schemas};
use crate::problem::{Code, Problem};
use crate::query::query;
use crate::{State, body};

/// A page of an inbox.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationPage)]
struct Page {
    /// Newest first.
    #[schema(value_type = Vec<schemas::Notification>)]
    items: Vec<InboxItem>,
    #[schema(inline)]
    page: Next,
    /// How many are unread in all; 1,000 means that or more.
    unread: u32,
}

#[derive(Serialize, ToSchema)]
struct Next {
    /// The `before` that continues; null at the end.
    #[schema(required, value_type = Option<schemas::Id>)]
    next: Option<NotificationId>,
}

/// What is left to read.
#[derive(Serialize, ToSchema)]
struct Unread {
    /// 1,000 means that or more.
    unread: u32,
}

/// A page without its name, for the answer that has the same fields on a socket.
pub(crate) fn page_schema(document: &mut Document) -> Value {
    document.plain::<Page>()
}

/// These routes in the API's document.
pub(crate) fn describe(document: &mut Document) {
    let operation =
        |method, path, id, summary| Operation::new(method, path, id, summary).by(Who::Users, "inbox");
    let list = operation("get", "/api/v1/notifications", "listNotifications", "Your inbox, newest first");
    document.add(
        list.query("limit", &bodies::list_limit(), "How many at most")
            .query("before", &bodies::uuid(), "Only those older than this one")
            .query("status", &bodies::read_status(), "Only those in this state")
            .gives::<Page>(StatusCode::OK, "A page of it")
            .refuses(&[Code::NotFound]),
    );
    let unread = operation("get", "/api/v1/notifications/unread-count", "countUnread", "How many are unread");
    document.add(unread.gives::<Unread>(StatusCode::OK, "So many"));
    let show = operation("get", "/api/v1/notifications/{id}", "getNotification", "One notification");
    document.add(show.gives::<schemas::Notification>(StatusCode::OK, "This one").refuses(&[Code::NotFound]));
    let change =
        operation("patch", "/api/v1/notifications/{id}", "markNotification", "Mark one read or unread");
    document.add(
        change
            .takes("NotificationPatch", bodies::patch(), "What it is to be")
            .gives::<schemas::Notification>(StatusCode::OK, "What it is now")
            .refuses(&[Code::NotFound]),
    );
    let read = operation("post", "/api/v1/notifications/read", "markRead", "Mark many read");
    document.add(
        read.takes("ReadMark", bodies::read(), "These, this one and all older ones, or all there are")
            .gives::<Unread>(StatusCode::OK, "What is left")
            .refuses(&[Code::NotFound]),
    );
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
pub(crate) fn id(request: &HttpRequest) -> Result<NotificationId, Problem> {
    request.match_info().get("id").and_then(|id| id.parse().ok()).ok_or_else(Problem::no_notification)
}
