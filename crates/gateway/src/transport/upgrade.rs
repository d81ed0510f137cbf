//! Requests that ask for a WebSocket. actix-http hands over their connection, ahead of the App and its middleware, and
//! forgets it: what stays is our task and the codec, a tenth of the memory of a connection that stays (docs/adr/0004).

use std::io;
use std::sync::Arc;

use actix_codec::Framed;
use actix_http::body::{BodySize, MessageBody as _};
use actix_http::header::{self, HeaderValue};
use actix_http::{HttpMessage as _, Request, Response, StatusCode, h1, ws};
use bytes::Bytes;
use carillon_protocol::engine::handshake::{self, Asked};
use carillon_protocol::engine::{HandshakeError, Transport};
use futures_util::SinkExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::websocket::WebSocket;
use super::{DRAINING, FULL, NotNow, find, new_sid};
use crate::application::{Application, Handshake};
use crate::counted;
use crate::doorstep;
use crate::drive::{Driver, Link};
use crate::origin::Origin;
use crate::server::Server;

/// A connection that asks to become a WebSocket.
type Handover = Framed<TcpStream, h1::Codec>;

/// A request that is answered and not upgraded.
enum Refused {
    /// In Engine.IO's words.
    Handshake(HandshakeError),
    /// No WebSocket handshake (RFC 6455 §4.2.1).
    WebSocket(ws::HandshakeError),
    /// It passes.
    NotNow(NotNow),
    /// Nothing is served as a WebSocket at this path.
    NotFound,
}

impl From<HandshakeError> for Refused {
    fn from(refusal: HandshakeError) -> Self {
        Self::Handshake(refusal)
    }
}

impl From<NotNow> for Refused {
    fn from(not_now: NotNow) -> Self {
        Self::NotNow(not_now)
    }
}

/// Serves one handed-over connection: refuses it, or answers 101 and leaves it to its driver.
pub(crate) async fn serve<A: Application>(server: Arc<Server<A>>, request: Request, io: Handover) {
    if let Err(fault) = converse(server, request, io).await {
        tracing::debug!(error = %fault, "the connection broke while it was answered");
    }
}

async fn converse<A: Application>(
    server: Arc<Server<A>>,
    request: Request,
    mut io: Handover,
) -> io::Result<()> {
    let origin = server.origins.classify(request.headers());
    let (driver, mut response) = match accept(&server, &request, &origin).await {
        Err(refused) => return answer(&mut io, refused, &origin).await,
        Ok(accepted) => accepted,
    };
    origin.allow(response.headers_mut());
    if let Err(fault) = io.send(h1::Message::Item((response, BodySize::None))).await {
        // A session that polls goes on polling; one without another link ends.
        counted::spawn(driver.run_without());
        return Err(fault);
    }
    let parts = io.into_parts();
    let limit = server.settings.protocol.max_payload;
    let websocket = WebSocket::new(parts.io, parts.read_buf.to_vec(), limit);
    counted::spawn(driver.run(Some(websocket)));
    Ok(())
}

/// The driver that the WebSocket is for, and the 101.
async fn accept<A: Application>(
    server: &Arc<Server<A>>,
    request: &Request,
    origin: &Origin,
) -> Result<(Box<Driver<A>>, Response<()>), Refused> {
    let below = request.path().strip_prefix(A::PATH);
    if below.is_none_or(|below| !below.is_empty() && !below.starts_with('/')) {
        return Err(Refused::NotFound);
    }
    if matches!(origin, Origin::Foreign) {
        counted::handshake("forbidden");
        return Err(HandshakeError::FORBIDDEN.into());
    }
    let query = request.uri().query().unwrap_or_default();
    let asked = handshake::parse(request.method().as_str(), query, true)?;
    let mut response = ws::handshake(request.head()).map_err(Refused::WebSocket)?;
    let driver = match asked {
        Asked::Open(Transport::Websocket) if server.is_draining() => {
            return Err(NotNow::Trouble(DRAINING).into());
        }
        Asked::Open(Transport::Websocket) => open(server, request).await?,
        Asked::Upgrade(sid) => take_over(server, &sid).await?,
        Asked::Open(Transport::Polling) | Asked::Poll(_) | Asked::Post(_) => {
            return Err(HandshakeError::BAD_REQUEST.into());
        }
    };
    Ok((driver, response.message_body(()).map_err(|_| HandshakeError::BAD_REQUEST)?))
}

/// Opens a session on a WebSocket.
async fn open<A: Application>(server: &Arc<Server<A>>, request: &Request) -> Result<Box<Driver<A>>, Refused> {
    let handshake =
        Handshake { headers: request.headers(), uri: request.uri(), address: request.peer_addr() };
    let place = server.doorstep.enter(doorstep::address(&handshake))?;
    let peer = server.application.open(&handshake).await?;
    let sid = new_sid(server);
    let Some(bell) = server.directory.open_direct(&sid, server.settings.max_connections) else {
        return Err(NotNow::Trouble(FULL).into());
    };
    Ok(Driver::new(Arc::clone(server), sid, peer, place, (None, bell), None))
}

/// Brings the driver of a session that polls to its WebSocket.
async fn take_over<A: Application>(server: &Server<A>, sid: &str) -> Result<Box<Driver<A>>, HandshakeError> {
    let session = find(server, sid)?;
    let (reply, driver) = oneshot::channel();
    session.links.send(Link::Upgrade(reply)).await.map_err(|_| HandshakeError::SESSION_UNKNOWN)?;
    driver.await.map_err(|_| HandshakeError::SESSION_UNKNOWN)?
}

async fn answer(io: &mut Handover, refused: Refused, origin: &Origin) -> io::Result<()> {
    let (mut response, body) = match refused {
        Refused::Handshake(refusal) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            (json(status), refusal.body())
        }
        Refused::WebSocket(fault) => {
            let response = Response::from(fault).drop_body();
            (response, HandshakeError::BAD_REQUEST.body())
        }
        Refused::NotNow(not_now) => {
            not_now.count();
            let mut response = Response::new(not_now.status()).drop_body();
            not_now.write(response.headers_mut());
            (response, not_now.words().to_owned())
        }
        Refused::NotFound => (Response::new(StatusCode::NOT_FOUND).drop_body(), String::new()),
    };
    origin.allow(response.headers_mut());
    response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
    let body = Bytes::from(body);
    io.send(h1::Message::Item((response, body.size()))).await?;
    io.send(h1::Message::Chunk(Some(body))).await?;
    io.send(h1::Message::Chunk(None)).await?;
    Ok(())
}

fn json(status: StatusCode) -> Response<()> {
    let mut response = Response::new(status).drop_body();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
