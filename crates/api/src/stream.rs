//! The door to a user's stream of server-sent events; what flows through it is the gateway's affair.

use std::convert::Infallible;
use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use carillon_domain::Principal;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde_json::json;

use crate::State;
use crate::openapi::{Document, Operation, Who};
use crate::problem::{Code, Problem};

/// Opens the stream of a user who was let in, after the last event id that the client heard, if it names one. `None`
/// when the user has as many connections as one may have.
pub type OpenStream = Arc<
    dyn Fn(Principal, Option<String>) -> BoxFuture<'static, Option<BoxStream<'static, Bytes>>> + Send + Sync,
>;

/// This route in the API's document; what is said on it is in the events' document.
pub(crate) fn describe(document: &mut Document) {
    let text = json!({"type": "string"});
    let open =
        Operation::new("get", "/api/v1/stream", "streamNotifications", "Your notifications as they come");
    document.add(
        open.by(Who::Users, "inbox")
            .parameter(
                "query",
                "since",
                &text,
                "The offset after which to begin; one that is none of ours begins now",
            )
            .parameter(
                "header",
                "Last-Event-ID",
                &text,
                "The same, as a client sends it that comes back; it counts more",
            )
            .gives_other(StatusCode::OK, "Server-sent events, until the token ends", "text/event-stream")
            .refuses(&[Code::TooManyConnections]),
    );
}

/// `GET /api/v1/stream?since=OFFSET`
pub(crate) async fn open(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    let user = api.user(&request)?;
    let mut answer = HttpResponse::Ok();
    // nginx would gather events for its own convenience.
    answer
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header(("x-accel-buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(answer.finish());
    }
    let too_many = || Problem::new(Code::TooManyConnections, "You have too many connections open.");
    let events = (api.parts.open_stream)(user, since(&request)).await.ok_or_else(too_many)?;
    Ok(answer.streaming(events.map(Ok::<_, Infallible>)))
}

/// Where the client left off. What a browser's own `EventSource` sends when it comes back counts more than the address
/// it was first given.
fn since(request: &HttpRequest) -> Option<String> {
    let last = request.headers().get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()));
    last.filter(|id| !id.is_empty()).map(Into::into).or_else(|| {
        let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
        query.into_inner().into_iter().find_map(|(name, since)| (name == "since").then_some(since))
    })
}
