//! `/socket.io/`: what each request asks for, and by which transport it is served.

mod polling;
pub(crate) mod upgrade;
mod websocket;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use carillon_protocol::engine::handshake::{self, Asked};
use carillon_protocol::engine::{HandshakeError, Transport};

use crate::directory::Session;
use crate::gateway::Gateway;
use crate::ids;

pub(crate) use websocket::{Received, WebSocket};

/// Mounts the Socket.IO path. The official client ends it with a slash, unless `addTrailingSlash` is off; the official
/// server takes whatever follows.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/socket.io").to(entry))
        .service(web::resource("/socket.io/{rest:.*}").to(entry));
}

async fn entry(request: HttpRequest, payload: web::Payload, gateway: web::Data<Gateway>) -> HttpResponse {
    let gateway = gateway.into_inner();
    // Whoever asks for a WebSocket does not come here (`upgrade`).
    let served = match handshake::parse(request.method().as_str(), request.query_string(), false) {
        Err(refusal) => Err(refusal),
        Ok(Asked::Open(Transport::Polling)) if gateway.is_draining() => {
            return unavailable("the server is draining");
        }
        Ok(Asked::Open(Transport::Polling)) => polling::open(&request, gateway).await,
        Ok(Asked::Poll(sid)) => match find(&gateway, &sid) {
            Ok(session) => polling::poll(&session).await,
            Err(refusal) => Err(refusal),
        },
        Ok(Asked::Post(sid)) => match find(&gateway, &sid) {
            Ok(session) => {
                polling::post(&request, payload, &session, gateway.settings.protocol.max_payload).await
            }
            Err(refusal) => Err(refusal),
        },
        Ok(Asked::Open(Transport::Websocket) | Asked::Upgrade(_)) => Err(HandshakeError::BAD_REQUEST),
    };
    served.unwrap_or_else(|refusal| refuse(&refusal))
}

/// A session that is reached by requests.
fn find(gateway: &Gateway, sid: &str) -> Result<crate::directory::Polling, HandshakeError> {
    match gateway.directory.find(sid) {
        Some(Session::Polling(session)) => Ok(session),
        Some(Session::Websocket) => Err(HandshakeError::BAD_REQUEST),
        None => Err(HandshakeError::SESSION_UNKNOWN),
    }
}

/// A new session's id: the node's name, so that a proxy can route by it, and 20 characters that nobody can guess.
fn new_sid(gateway: &Arc<Gateway>) -> String {
    format!("{}.{}", gateway.settings.node_id, ids::random())
}

/// What `Authorization` says on the first request of a session. Browsers cannot set it on a WebSocket, so that of an
/// upgrade does not count.
fn header_token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    carillon_domain::bearer(value).map(str::to_owned)
}

fn refuse(refusal: &HandshakeError) -> HttpResponse {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::build(status).insert_header((header::CONTENT_TYPE, "application/json")).body(refusal.body())
}

/// Trouble that passes: the official client comes back after a 503, as it would not after a refusal in Socket.IO.
fn unavailable(why: &'static str) -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, "1"))
        .insert_header((header::CONTENT_TYPE, "text/plain; charset=UTF-8"))
        .body(why)
}
