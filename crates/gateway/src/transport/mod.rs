//! What each request asks for, and by which transport it is served.

mod not_now;
mod polling;
pub(crate) mod upgrade;
mod websocket;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use carillon_protocol::engine::handshake::{self, Asked};
use carillon_protocol::engine::{HandshakeError, Transport};

use crate::application::{Application, Handshake};
use crate::directory::{Polling, Session};
use crate::server::Server;
use crate::{doorstep, ids};

pub(crate) use not_now::NotNow;
pub(crate) use websocket::{Received, WebSocket, gather};

/// Mounts [`Application::PATH`]. The official client ends it with a slash, unless `addTrailingSlash` is off; the official
/// server takes whatever follows.
pub(crate) fn configure<A: Application>(config: &mut web::ServiceConfig) {
    config
        .service(web::resource(A::PATH).to(entry::<A>))
        .service(web::resource(format!("{}/{{rest:.*}}", A::PATH)).to(entry::<A>));
}

async fn entry<A: Application>(
    request: HttpRequest,
    payload: web::Payload,
    server: web::Data<Server<A>>,
) -> HttpResponse {
    let server = server.into_inner();
    // Whoever asks for a WebSocket does not come here (`upgrade`).
    let served = match handshake::parse(request.method().as_str(), request.query_string(), false) {
        Err(refusal) => Err(refusal),
        Ok(Asked::Open(Transport::Polling)) if server.is_draining() => {
            return NotNow::Trouble(DRAINING).into();
        }
        Ok(Asked::Open(Transport::Polling)) => {
            let handshake =
                Handshake { headers: request.headers(), uri: request.uri(), address: request.peer_addr() };
            let place = match server.doorstep.enter(doorstep::address(&handshake)) {
                Ok(place) => place,
                Err(not_now) => return not_now.into(),
            };
            match server.application.open(&handshake).await {
                Ok(peer) => polling::open(server, peer, place).await,
                Err(refusal) => Err(refusal),
            }
        }
        Ok(Asked::Poll(sid)) => match find(&server, &sid) {
            Ok(session) => polling::poll(&session).await,
            Err(refusal) => Err(refusal),
        },
        Ok(Asked::Post(sid)) => match find(&server, &sid) {
            Ok(session) => {
                polling::post(&request, payload, &session, server.settings.protocol.max_payload).await
            }
            Err(refusal) => Err(refusal),
        },
        Ok(Asked::Open(Transport::Websocket) | Asked::Upgrade(_)) => Err(HandshakeError::BAD_REQUEST),
    };
    served.unwrap_or_else(|refusal| refuse(&refusal))
}

/// A session that is reached by requests.
fn find<A: Application>(server: &Server<A>, sid: &str) -> Result<Polling<A>, HandshakeError> {
    match server.directory.find(sid) {
        Some(Session::Polling(session)) => Ok(session),
        Some(Session::Direct) => Err(HandshakeError::BAD_REQUEST),
        None => Err(HandshakeError::SESSION_UNKNOWN),
    }
}

/// A new session's id: the node's name, so that a proxy can route by it, and 20 characters that nobody can guess.
fn new_sid<A: Application>(server: &Server<A>) -> String {
    format!("{}.{}", server.settings.node_id, ids::random())
}

fn refuse(refusal: &HandshakeError) -> HttpResponse {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::build(status).insert_header((header::CONTENT_TYPE, "application/json")).body(refusal.body())
}

const DRAINING: &str = "the server is draining";
const FULL: &str = "too many connections";
