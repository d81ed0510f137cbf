//! WebSockets, new ones and those that take over from polling.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError};
use carillon_protocol::engine::{HandshakeError, Message};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{new_sid, unavailable};
use crate::application::Application;
use crate::directory::Polling;
use crate::drive::{Driver, Link};
use crate::server::Server;

/// How long a write may wait for a client that does not read, before the connection is closed as too slow.
const STALLED: Duration = Duration::from_secs(30);

/// One WebSocket. A message is up to the limit, whole or in fragments.
pub(crate) struct WebSocket {
    session: actix_ws::Session,
    messages: AggregatedMessageStream,
}

/// Opens a session on a WebSocket.
pub(super) fn open<A: Application>(
    request: &HttpRequest,
    payload: web::Payload,
    server: Arc<Server<A>>,
    peer: A::Peer,
) -> Result<HttpResponse, HandshakeError> {
    let sid = new_sid(&server);
    if !server.directory.open_websocket(&sid, server.settings.max_connections) {
        return Ok(unavailable("too many connections"));
    }
    let limit = server.settings.protocol.max_payload;
    // Made first: dropped when the handshake fails, it takes the sid out again.
    let driver = Driver::new(server, sid, peer, None, None);
    match WebSocket::accept(request, payload, limit) {
        Ok((response, websocket)) => {
            actix_web::rt::spawn(driver.run(Some(websocket)));
            Ok(response)
        }
        Err(refusal) => Ok(refusal.error_response()),
    }
}

/// Brings a WebSocket to a session that polls. The session is asked first, so that a refusal is an HTTP answer.
pub(super) async fn upgrade<A: Application>(
    request: &HttpRequest,
    payload: web::Payload,
    session: &Polling<A>,
    limit: usize,
) -> Result<HttpResponse, HandshakeError> {
    let (response, websocket) = match WebSocket::accept(request, payload, limit) {
        Ok(accepted) => accepted,
        Err(refusal) => return Ok(refusal.error_response()),
    };
    let (reply, driver) = oneshot::channel();
    session.links.send(Link::Upgrade(reply)).await.map_err(|_| HandshakeError::SESSION_UNKNOWN)?;
    let driver = driver.await.map_err(|_| HandshakeError::SESSION_UNKNOWN)??;
    actix_web::rt::spawn(driver.run(Some(websocket)));
    Ok(response)
}

impl WebSocket {
    /// The 101, and the WebSocket that begins once it is sent; or the refusal of a bad handshake.
    fn accept(
        request: &HttpRequest,
        payload: web::Payload,
        limit: usize,
    ) -> Result<(HttpResponse, Self), actix_web::Error> {
        let (response, session, messages) = actix_ws::handle(request, payload)?;
        let messages = messages.max_frame_size(limit).aggregate_continuations().max_continuation_size(limit);
        Ok((response, Self { session, messages }))
    }

    pub(crate) async fn recv(&mut self) -> Option<Result<AggregatedMessage, ProtocolError>> {
        self.messages.recv().await
    }

    /// Writes a message; `false` when the link is gone or stalled.
    pub(crate) async fn send(&mut self, message: Message) -> bool {
        let write = async {
            match message {
                Message::Text(text) => self.session.text(text).await,
                Message::Binary(bytes) => self.session.binary(bytes).await,
            }
        };
        matches!(timeout(STALLED, write).await, Ok(Ok(())))
    }

    pub(crate) async fn pong(&mut self, data: &[u8]) {
        // A link that cannot take it is noticed by the next write or read.
        drop(timeout(STALLED, self.session.pong(data)).await);
    }

    /// Closes with this code, or none.
    pub(crate) async fn close(self, code: Option<u16>) {
        let reason = code.map(|code| CloseReason { code: CloseCode::from(code), description: None });
        drop(timeout(STALLED, self.session.close(reason)).await);
    }

    /// Closes with the code that names what was wrong with the bytes (RFC 6455 §7.4.1).
    pub(crate) async fn reject(self, fault: &ProtocolError) {
        let code = match fault {
            ProtocolError::Overflow => 1009,
            ProtocolError::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => 1007,
            _ => 1002,
        };
        self.close(Some(code)).await;
    }
}
