//! Requests that ask for a WebSocket. actix-http hands over their connection, ahead of the App and its middleware, and
//! forgets it: what stays is our task and the codec, a tenth of the memory of a connection that stays (docs/adr/0004).

use std::io;
use std::sync::Arc;

use actix_codec::Framed;
use actix_http::body::{BodySize, MessageBody as _};
use actix_http::header::{self, HeaderMap, HeaderValue};
use actix_http::{HttpMessage as _, Request, Response, StatusCode, h1, ws};
use bytes::Bytes;
use carillon_protocol::engine::handshake::{self, Asked};
use carillon_protocol::engine::{HandshakeError, Transport};
use futures_util::SinkExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::websocket::WebSocket;
use super::{find, header_token, new_sid};
use crate::drive::{Driver, Link};
use crate::gateway::Gateway;
use crate::origin::Origin;

/// A connection that asks to become a WebSocket.
type Handover = Framed<TcpStream, h1::Codec>;

/// A request that is answered and not upgraded.
enum Refused {
    /// In Engine.IO's words.
    Handshake(HandshakeError),
    /// No WebSocket handshake (RFC 6455 §4.2.1).
    WebSocket(ws::HandshakeError),
    /// Passing trouble, in these words.
    Unavailable(&'static str),
    /// Nothing is served as a WebSocket at this path.
    NotFound,
}

impl From<HandshakeError> for Refused {
    fn from(refusal: HandshakeError) -> Self {
        Self::Handshake(refusal)
    }
}

/// Serves one handed-over connection: refuses it, or answers 101 and leaves it to its driver.
pub(crate) async fn serve(gateway: Arc<Gateway>, request: Request, io: Handover) {
    if let Err(fault) = converse(gateway, request, io).await {
        tracing::debug!(error = %fault, "the connection broke while it was answered");
    }
}

async fn converse(gateway: Arc<Gateway>, request: Request, mut io: Handover) -> io::Result<()> {
    let origin = gateway.origins.classify(request.headers());
    let (driver, mut response) = match accept(&gateway, &request, &origin).await {
        Err(refused) => return answer(&mut io, refused, &origin).await,
        Ok(accepted) => accepted,
    };
    allow(response.headers_mut(), &origin);
    io.send(h1::Message::Item((response, BodySize::None))).await?;
    let parts = io.into_parts();
    let limit = gateway.settings.protocol.max_payload;
    let websocket = WebSocket::new(parts.io, parts.read_buf.to_vec(), limit).await;
    actix_web::rt::spawn(driver.run(Some(websocket)));
    Ok(())
}

/// The driver that the WebSocket is for, and the 101.
async fn accept(
    gateway: &Arc<Gateway>,
    request: &Request,
    origin: &Origin,
) -> Result<(Box<Driver>, Response<()>), Refused> {
    if !request.path().starts_with("/socket.io/") && request.path() != "/socket.io" {
        return Err(Refused::NotFound);
    }
    if matches!(origin, Origin::Foreign) {
        return Err(HandshakeError::FORBIDDEN.into());
    }
    let query = request.uri().query().unwrap_or_default();
    let asked = handshake::parse(request.method().as_str(), query, true)?;
    let mut response = ws::handshake(request.head()).map_err(Refused::WebSocket)?;
    let driver = match asked {
        Asked::Open(Transport::Websocket) if gateway.is_draining() => {
            return Err(Refused::Unavailable("the server is draining"));
        }
        Asked::Open(Transport::Websocket) => open(gateway, request.headers())?,
        Asked::Upgrade(sid) => take_over(gateway, &sid).await?,
        Asked::Open(Transport::Polling) | Asked::Poll(_) | Asked::Post(_) => {
            return Err(HandshakeError::BAD_REQUEST.into());
        }
    };
    Ok((driver, response.message_body(()).map_err(|_| HandshakeError::BAD_REQUEST)?))
}

/// Opens a session on a WebSocket.
fn open(gateway: &Arc<Gateway>, headers: &HeaderMap) -> Result<Box<Driver>, Refused> {
    let sid = new_sid(gateway);
    if !gateway.directory.open_websocket(&sid, gateway.settings.max_connections) {
        return Err(Refused::Unavailable("too many connections"));
    }
    Ok(Driver::new(Arc::clone(gateway), sid, header_token(headers), None, None))
}

/// Brings the driver of a session that polls to its WebSocket.
async fn take_over(gateway: &Gateway, sid: &str) -> Result<Box<Driver>, HandshakeError> {
    let session = find(gateway, sid)?;
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
        Refused::Unavailable(why) => {
            let mut response = Response::new(StatusCode::SERVICE_UNAVAILABLE).drop_body();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            (response, why.to_owned())
        }
        Refused::NotFound => (Response::new(StatusCode::NOT_FOUND).drop_body(), String::new()),
    };
    allow(response.headers_mut(), origin);
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

fn allow(headers: &mut HeaderMap, origin: &Origin) {
    if let Origin::Allowed(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}
