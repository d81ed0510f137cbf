//! HTTP long polling: GET to receive, POST to send.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use carillon_protocol::engine::HandshakeError;
use futures_util::StreamExt as _;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{FULL, NotNow, new_sid};
use crate::application::Application;
use crate::counted;
use crate::directory::Polling;
use crate::doorstep::Place;
use crate::drive::{Driver, Link};
use crate::server::Server;

/// How long a body may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// A session's first GET, which is answered with the open packet.
pub(super) async fn open<A: Application>(
    server: Arc<Server<A>>,
    peer: A::Peer,
    place: Place,
) -> Result<HttpResponse, HandshakeError> {
    let sid = new_sid(&server);
    let Some(reached) = server.directory.open_polling(&sid, server.settings.max_connections) else {
        return Ok(NotNow::Trouble(FULL).into());
    };
    let (reply, answer) = oneshot::channel();
    let driver = Driver::new(server, sid, peer, place, reached, Some(reply));
    counted::spawn(driver.run(None));
    respond(answer).await
}

/// A GET of a session that is there.
pub(super) async fn poll<A: Application>(session: &Polling<A>) -> Result<HttpResponse, HandshakeError> {
    let (reply, answer) = oneshot::channel();
    session.links.send(Link::Poll(reply)).await.map_err(|_| HandshakeError::SESSION_UNKNOWN)?;
    respond(answer).await
}

/// Waits for what the session's task answers. When the client abandons the request, actix drops this future and so
/// the receiver, by which the task knows.
async fn respond(
    answer: oneshot::Receiver<Result<ByteString, HandshakeError>>,
) -> Result<HttpResponse, HandshakeError> {
    let body = answer.await.map_err(|_| HandshakeError::SESSION_UNKNOWN)??;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; charset=UTF-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body.into_bytes()))
}

/// A POST: packets from the client.
pub(super) async fn post<A: Application>(
    request: &HttpRequest,
    payload: web::Payload,
    session: &Polling<A>,
    limit: usize,
) -> Result<HttpResponse, HandshakeError> {
    let Some(post) = session.begin_post() else {
        // An overlap: the session cannot know in which order the two were meant.
        drop(session.links.send(Link::BodyFailed).await);
        return Err(HandshakeError::BAD_REQUEST);
    };
    if let Some(refusal) = unreadable(request) {
        return Ok(refusal);
    }
    let body = match timeout(BODY_WITHIN, read(payload, limit)).await {
        Ok(Ok(body)) => body,
        Ok(Err(refusal)) => return Ok(refusal),
        Err(_) => return Ok(HttpResponse::RequestTimeout().force_close().finish()),
    };
    let (reply, answer) = oneshot::channel();
    let headers = A::HEARS_POST_HEADERS.then(|| Box::new(request.headers().clone()));
    let sent = session.links.send(Link::Body(body, headers, reply)).await;
    post.complete();
    sent.map_err(|_| HandshakeError::SESSION_UNKNOWN)?;
    answer.await.map_err(|_| HandshakeError::SESSION_UNKNOWN)??;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body("ok"))
}

/// Engine.IO v4 bodies are text, and are not compressed: a few kilobytes of gzip can hold gigabytes.
fn unreadable(request: &HttpRequest) -> Option<HttpResponse> {
    let headers = request.headers();
    let mut codings = headers.get_all(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if !codings.all(|coding| coding.eq_ignore_ascii_case(b"identity")) {
        return Some(HttpResponse::UnsupportedMediaType().force_close().finish());
    }
    const BINARY: &[u8] = b"application/octet-stream";
    let mut kinds = headers.get_all(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kinds
        .any(|kind| kind.get(..BINARY.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(BINARY)))
        .then(|| HttpResponse::BadRequest().force_close().finish())
}

/// The body, counted while it comes: a `Content-Length` proves nothing.
async fn read(mut payload: web::Payload, limit: usize) -> Result<Bytes, HttpResponse> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| HttpResponse::BadRequest().finish())?;
        if body.len() + chunk.len() > limit {
            return Err(HttpResponse::PayloadTooLarge().force_close().finish());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
