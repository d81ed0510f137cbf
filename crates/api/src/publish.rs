//! Publishing: one event, one notification, or a batch of them. Answered only after the commit.

use actix_web::http::StatusCode;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use carillon_domain::ports::Stored;
use carillon_domain::{Draft, EventId, Faults, IdempotencyKey, NotificationId, Published, Room, Timestamp};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::envelope::RequestId;
use crate::openapi::{Document, Operation, Who, bodies, schemas};
use crate::problem::{Code, Problem, ProblemBody};
use crate::{State, body, by, idempotency, traces};

/// How many of one batch's items wait for the store at once, so that a few batches do not fill the
/// publisher's queue.
const IN_FLIGHT: usize = 256;

/// These routes in the API's document.
pub(crate) fn describe(document: &mut Document) {
    let publish = |path, id, summary| {
        Operation::new("post", path, id, summary).by(Who::Publishers, "publish").publishes()
    };
    let event = publish("/api/v1/events", "publishEvent", "Publish one of the eight events");
    let event = event.takes("Event", bodies::event(), "Where it goes follows from the event");
    document.add(event.gives::<Kept<'_>>(StatusCode::CREATED, KEPT));
    let notification = publish("/api/v1/notifications", "publishNotification", "Publish to rooms");
    let notification =
        notification.takes("NotificationDraft", bodies::notification(), "What is to be said to whom");
    document.add(notification.gives::<Kept<'_>>(StatusCode::CREATED, KEPT));
    let batch = publish("/api/v1/notifications/batch", "publishBatch", "Publish up to 1,000 notifications");
    let batch = batch.takes("Batch", bodies::batch(), "A faulty item does not spoil the others");
    document.add(batch.gives_json(
        StatusCode::MULTI_STATUS,
        "What became of each item, in their order",
        results,
    ));
}

const KEPT: &str = "It is in the log, and will be delivered";

/// Each result is what the item would have been answered on its own, with its status.
fn results(document: &mut Document) -> Value {
    let (kept, problem) = (document.schema::<Kept<'_>>(), document.schema::<ProblemBody<'_>>());
    let status = json!({"type": "object", "properties": {"status": {"const": 201}}, "required": ["status"]});
    let item = json!({"oneOf": [{"allOf": [status, kept]}, problem]});
    let results = json!({"type": "array", "items": item});
    document.keep(
        "BatchResults",
        json!({"type": "object", "properties": {"results": results}, "required": ["results"]}),
    )
}

/// `POST /api/v1/events`
pub(crate) async fn event(
    request: HttpRequest,
    payload: web::Payload,
    api: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    one(&api, &request, payload, "/api/v1/events", |body, _now| Draft::parse_event(body)).await
}

/// `POST /api/v1/notifications`
pub(crate) async fn notification(
    request: HttpRequest,
    payload: web::Payload,
    api: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    one(&api, &request, payload, "/api/v1/notifications", Draft::parse_notification).await
}

async fn one(
    api: &State,
    request: &HttpRequest,
    payload: web::Payload,
    route: &str,
    parse: impl FnOnce(Value, Timestamp) -> Result<Draft, Faults>,
) -> Result<HttpResponse, Problem> {
    let caller = api.publisher(request.headers())?;
    api.limits.enter(request, &caller)?;
    let key = idempotency::key(request.headers())?;
    let bytes = body::read(request, payload, body::ONE_PUBLISH).await?;
    let draft = parse(body::json(&bytes)?, api.parts.clock.now())?;
    let key = key.map(|key| idempotency::bind(key, caller.clone(), route, &bytes));
    let publishing = api.within(api.parts.publisher.publish(&draft, key));
    let published = traces::publish(request.headers(), publishing).await?;
    // Also of an earlier publish: that one may have failed here.
    if let Some(note) = draft.note(&caller, published.stored.event_id) {
        api.within(api.parts.audit.note(&note)).await?;
    }
    let mut answer = HttpResponse::Created();
    if published.replayed {
        answer.insert_header((idempotency::REPLAYED, "true"));
    }
    Ok(answer.json(Kept::new(&published.stored)))
}

/// `POST /api/v1/notifications/batch`: 207 with `{results: […]}`, one for each item and in their order.
///
/// A result is `{status: 201, eventId, notifications}`, or a problem without request id whose `errors` point
/// into the item: `{status: 422, type, title, detail, code, errors?}`, or the same with 503 for an item that
/// is to be sent again. When nothing at all was kept because the store is away, the answer as a whole is 503.
/// A key that was used for another batch makes it 422 as a whole.
pub(crate) async fn batch(
    request: HttpRequest,
    payload: web::Payload,
    api: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = api.publisher(request.headers())?;
    api.limits.enter(&request, &caller)?;
    let key = idempotency::key(request.headers())?;
    let bytes = body::read(&request, payload, body::BATCH).await?;
    let drafts = Draft::parse_batch(body::json(&bytes)?, api.parts.clock.now())?;
    api.limits.batch(&request, &caller, drafts.len())?;
    let key = key.map(|key| idempotency::bind(key, caller, "/api/v1/notifications/batch", &bytes));
    let outcomes = publish_all(&api, &request, drafts, key.as_ref()).await?;

    let mut away = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err())
        .filter(|p| p.code() == Code::Unavailable);
    if let Some(away) = away.next() {
        if outcomes.iter().all(Result::is_err) {
            return Err(away.clone());
        }
        // Items fail together and for one reason: the first speaks for all.
        if let Some(id) = request.extensions().get::<RequestId>() {
            away.log(id.as_str());
        }
    }
    let is_replay = |outcome: &Outcome| match outcome {
        Ok(published) => published.replayed,
        Err(problem) => problem.code() == Code::Validation,
    };
    let mut answer = HttpResponse::build(StatusCode::MULTI_STATUS);
    if outcomes.iter().any(Result::is_ok) && outcomes.iter().all(is_replay) {
        answer.insert_header((idempotency::REPLAYED, "true"));
    }
    Ok(answer.json(Results { results: outcomes.iter().map(item_result).collect() }))
}

type Outcome = Result<Published, Problem>;

/// Publishes what can be published, in order, and answers for each item.
async fn publish_all(
    api: &State,
    request: &HttpRequest,
    drafts: Vec<Result<Draft, Faults>>,
    key: Option<&IdempotencyKey>,
) -> Result<Vec<Outcome>, Problem> {
    let deadline = api.deadline();
    let publish = |(i, draft): (usize, Result<Draft, Faults>)| async move {
        let draft = draft?;
        let key = key.map(|key| idempotency::item(key, i));
        let publishing = by(deadline, api.parts.publisher.publish(&draft, key));
        traces::publish(request.headers(), publishing).await
    };
    if let Some(key) = key {
        // Ahead of the items: if the key belongs to another batch, none of this one may be published under it.
        by(deadline, api.parts.publisher.claim(key.clone())).await?;
    }
    Ok(stream::iter(drafts.into_iter().enumerate().map(publish)).buffered(IN_FLIGHT).collect().await)
}

/// An accepted publish.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Published)]
struct Kept<'a> {
    #[schema(value_type = schemas::Id)]
    event_id: EventId,
    /// One for each room.
    #[schema(inline)]
    notifications: Vec<Place<'a>>,
}

#[derive(Serialize, ToSchema)]
struct Place<'a> {
    #[schema(value_type = schemas::Id)]
    id: NotificationId,
    #[schema(value_type = schemas::Room)]
    room: &'a Room,
}

impl<'a> Kept<'a> {
    fn new(stored: &'a Stored) -> Self {
        let notifications = stored.notifications.iter().map(|(id, room)| Place { id: *id, room }).collect();
        Self { event_id: stored.event_id, notifications }
    }
}

#[derive(Serialize)]
struct Results<T> {
    results: Vec<T>,
}

/// What became of one item of a batch.
#[derive(Serialize)]
#[serde(untagged)]
enum ItemResult<'a, P> {
    Kept {
        status: u16,
        #[serde(flatten)]
        kept: Kept<'a>,
    },
    Problem(P),
}

fn item_result(outcome: &Outcome) -> ItemResult<'_, impl Serialize> {
    match outcome {
        Ok(published) => {
            ItemResult::Kept { status: StatusCode::CREATED.as_u16(), kept: Kept::new(&published.stored) }
        }
        Err(problem) => ItemResult::Problem(problem.body(None)),
    }
}
