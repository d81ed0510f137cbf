//! Broadcasts, for admins; and acknowledging one, for everyone who has it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use carillon_domain::{
    Broadcast, BroadcastError, BroadcastId, BroadcastQuery, Faults, Recipient, RecipientCursor,
    RecipientQuery, Tally, Timestamp,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::openapi::{Document, Operation, Who, bodies, schemas};
use crate::problem::{Code, Problem};
use crate::query::query;
use crate::{State, body, idempotency, inbox};

const ROUTE: &str = "/api/v1/broadcasts";
const ONE: &str = "/api/v1/broadcasts/{id}";

/// These routes in the API's document.
pub(crate) fn describe(document: &mut Document) {
    let operation =
        |method, path, id, summary| Operation::new(method, path, id, summary).by(Who::Admins, "broadcasts");
    let create = operation(
        "post",
        ROUTE,
        "createBroadcast",
        "Say something to everyone or to roles, now or at a time",
    );
    document.add(
        create
            .publishes()
            .takes("BroadcastDraft", bodies::broadcast(), "Times are compared with the store's clock: `publishAt` lies ahead, at most 366 days, and all else after it")
            .gives::<schemas::Broadcast>(StatusCode::CREATED, "It was sent, or is scheduled"),
    );
    let list = operation("get", ROUTE, "listBroadcasts", "Broadcasts, newest first");
    document.add(
        list.query(
            "limit",
            &bodies::limit(BroadcastQuery::DEFAULT_LIMIT, BroadcastQuery::MAX_LIMIT),
            "How many at most",
        )
        .query("before", &bodies::uuid(), "Only those made before this one")
        .query("kind", &bodies::broadcast_kind(), "Only those of this kind")
        .query("status", &bodies::broadcast_status(), "Only those that have come so far")
        .gives::<schemas::BroadcastPage>(StatusCode::OK, "A page of them"),
    );
    let show = operation("get", ONE, "getBroadcast", "One broadcast");
    document.add(show.gives::<schemas::Broadcast>(StatusCode::OK, "This one").refuses(&[Code::NotFound]));
    let gone = [Code::NotFound, Code::NotScheduled, Code::VersionMismatch];
    let change = operation("patch", ONE, "changeBroadcast", "Change one that is scheduled");
    document.add(
        change
            .takes(
                "BroadcastPatch",
                bodies::broadcast_patch(),
                "The version that is changed, and what becomes different; null takes away",
            )
            .gives::<schemas::Broadcast>(StatusCode::OK, "What it is now")
            .refuses(&gone),
    );
    let cancel = operation("delete", ONE, "cancelBroadcast", "Call off one that is scheduled");
    document.add(
        cancel
            .query(
                "version",
                &json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
                "Only if it is at this version",
            )
            .gives::<schemas::Broadcast>(StatusCode::OK, "It is never sent")
            .refuses(&gone),
    );
    let acks = operation(
        "get",
        "/api/v1/broadcasts/{id}/acks",
        "listAcks",
        "Who has acknowledged an emergency, and who has not",
    );
    document.add(
        acks.query("role", &bodies::role_name(), "Only those of this role")
            .query("acked", &json!({"type": "boolean"}), "Only those who have, or only those who have not")
            .query(
                "limit",
                &bodies::limit(RecipientQuery::DEFAULT_LIMIT, RecipientQuery::MAX_LIMIT),
                "How many at most",
            )
            .query("after", &bodies::recipient(), "Those after this one: `page.next`")
            .gives::<schemas::Acks>(StatusCode::OK, "How many, and a page of them")
            .refuses(&[Code::NotFound]),
    );
    let path = "/api/v1/notifications/{id}/ack";
    let acknowledge = Operation::new("post", path, "acknowledge", "Say that you have seen an emergency");
    document.add(
        acknowledge
            .by(Who::Users, "inbox")
            .gives::<Acked>(StatusCode::OK, "When you first said so")
            .refuses(&[Code::NotFound]),
    );
}

/// `POST /api/v1/broadcasts`: 201 with the broadcast, sent or scheduled.
pub(crate) async fn create(
    request: HttpRequest,
    payload: web::Payload,
    api: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let by = actor(&api, &request)?;
    api.limits.enter(&request, &by)?;
    let key = idempotency::key(request.headers())?;
    let bytes = body::read(&request, payload, body::ONE_PUBLISH).await?;
    let json = body::json(&bytes)?;
    let key = key.map(|key| idempotency::bind(key, by.clone(), ROUTE, &bytes));
    let (made, replayed) = api.within(api.parts.broadcaster.create(json, &by, key)).await?;
    let mut answer = HttpResponse::Created();
    if replayed {
        answer.insert_header((idempotency::REPLAYED, "true"));
    }
    Ok(answer.json(made))
}

#[derive(Serialize)]
struct Page<T, N> {
    items: Vec<T>,
    page: Next<N>,
}

#[derive(Serialize)]
struct Next<N> {
    next: Option<N>,
}

/// `GET /api/v1/broadcasts?kind=&status=&limit=20&before=ID`: newest first.
pub(crate) async fn list(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    api.admin(&request)?;
    let query = BroadcastQuery::parse(query(&request)?)?;
    let (items, next) = api.within(api.parts.broadcaster.list(query)).await?;
    Ok(HttpResponse::Ok().json(Page { items, page: Next { next } }))
}

/// `GET /api/v1/broadcasts/{id}`
pub(crate) async fn show(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    api.admin(&request)?;
    let id = id(&request)?;
    Ok(HttpResponse::Ok().json(api.within(api.parts.broadcaster.get(id)).await?))
}

/// `PATCH /api/v1/broadcasts/{id}` with `{version, …}`; answers the broadcast.
pub(crate) async fn change(
    request: HttpRequest,
    payload: web::Payload,
    api: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let by = actor(&api, &request)?;
    let id = id(&request)?;
    let bytes = body::read(&request, payload, body::ONE_PUBLISH).await?;
    let changed: Broadcast = api.within(api.parts.broadcaster.change(id, body::json(&bytes)?, &by)).await?;
    Ok(HttpResponse::Ok().json(changed))
}

/// `DELETE /api/v1/broadcasts/{id}?version=`; answers the broadcast, which is never sent.
pub(crate) async fn cancel(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    let by = actor(&api, &request)?;
    let (id, version) = (id(&request)?, version(&request)?);
    Ok(HttpResponse::Ok().json(api.within(api.parts.broadcaster.cancel(id, version, &by)).await?))
}

#[derive(Serialize)]
struct Acks {
    #[serde(flatten)]
    tally: Tally,
    #[serde(flatten)]
    recipients: Page<Recipient, RecipientCursor>,
}

/// `GET /api/v1/broadcasts/{id}/acks?role=&acked=&limit=100&after=`
pub(crate) async fn acks(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    api.admin(&request)?;
    let id = id(&request)?;
    let query = RecipientQuery::parse(query(&request)?)?;
    let broadcaster = &api.parts.broadcaster;
    let step = async { Ok((broadcaster.tally(id).await?, broadcaster.recipients(id, &query).await?)) };
    let (tally, (items, has_more)) = api.within::<_, BroadcastError>(step).await?;
    let last = items.last().filter(|_| has_more);
    let next = last.map(|last| RecipientCursor { role: last.role, user_id: last.user_id.clone() });
    Ok(HttpResponse::Ok().json(Acks { tally, recipients: Page { items, page: Next { next } } }))
}

/// Someone has seen an emergency.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Acked {
    #[schema(value_type = schemas::Instant)]
    acked_at: Timestamp,
}

/// `POST /api/v1/notifications/{id}/ack`: `{ackedAt}`, the first time's.
pub(crate) async fn acknowledge(
    request: HttpRequest,
    api: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let user = api.user(&request)?;
    let id = inbox::id(&request)?;
    let step = async {
        let who = api.parts.reader.enter(&user).await?;
        api.parts.broadcaster.acknowledge(&who, id).await
    };
    let acked = api.within(step).await;
    let acked_at = acked.map_err(|problem: Problem| match problem.code() {
        Code::NotFound => Problem::new(Code::NotFound, "There is no such emergency."),
        _ => problem,
    })?;
    Ok(HttpResponse::Ok().json(Acked { acked_at }))
}

/// The admin who asks, as the audit table names them.
fn actor(api: &State, request: &HttpRequest) -> Result<String, Problem> {
    Ok(format!("user:{}", api.admin(request)?.user_id()))
}

/// The id in the path. What is no id is no broadcast.
fn id(request: &HttpRequest) -> Result<BroadcastId, Problem> {
    let id = request.match_info().get("id").and_then(|id| id.parse().ok());
    id.ok_or_else(|| BroadcastError::NotFound.into())
}

fn version(request: &HttpRequest) -> Result<Option<u32>, Problem> {
    let Value::Object(mut query) = query(request)? else { return Ok(None) };
    let version = query.remove("version");
    if let Some(name) = query.keys().next() {
        return Err(Faults::one(format!("/{name}"), "is not a known field").into());
    }
    let Some(version) = version else { return Ok(None) };
    let version = version.as_u64().and_then(|version| u32::try_from(version).ok());
    version.map(Some).ok_or_else(|| Faults::one("/version", "must be a whole number").into())
}
