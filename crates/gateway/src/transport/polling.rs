//! HTTP long polling: GET to receive, POST to send.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use carillon_protocol::engine::HandshakeError;
use futures_util::StreamExt as _;
use tokio::sync::oneshot;

use super::{new_sid, unavailable};
use crate::application::Application;
use crate::directory::Polling;
use crate::drive::{Driver, Link};
use crate::server::Server;

/// A session's first GET, which is answered with the open packet.
pub(super) async fn open<A: Application>(
    server: Arc<Server<A>>,
    peer: A::Peer,
) -> Result<HttpResponse, HandshakeError> {
    let sid = new_sid(&server);
    let Some(links) = server.directory.open_polling(&sid, server.settings.max_connections) else {
        return Ok(unavailable("too many connections"));
    };
    let (reply, answer) = oneshot::channel();
    let driver = Driver::new(server, sid, peer, Some(links), Some(reply));
    actix_web::rt::spawn(driver.run(None));
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
    let body = match read(payload, limit).await {
        Ok(body) => body,
        Err(refusal) => return Ok(refusal),
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

/// Engine.IO v4 bodies are text, and are not compressed.
fn unreadable(request: &HttpRequest) -> Option<HttpResponse> {
    let is =
        |name, refused: fn(&[u8]) -> bool| request.headers().get(name).is_some_and(|v| refused(v.as_bytes()));
    if is(header::CONTENT_ENCODING, |value| !value.eq_ignore_ascii_case(b"identity")) {
        return Some(HttpResponse::UnsupportedMediaType().finish());
    }
    is(header::CONTENT_TYPE, |value| value.starts_with(b"application/octet-stream"))
        .then(|| HttpResponse::BadRequest().finish())
}

/// The body, counted while it comes: a `Content-Length` proves nothing.
async fn read(mut payload: web::Payload, limit: usize) -> Result<Bytes, HttpResponse> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| HttpResponse::BadRequest().finish())?;
        if body.len() + chunk.len() > limit {
            return Err(HttpResponse::PayloadTooLarge().finish());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
