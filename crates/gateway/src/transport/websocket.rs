//! One WebSocket: tungstenite's codec on the connection that actix handed over.
//!
//! The codec is the guard (docs/adr/0004): it looks at a frame's header before its payload, so that an announced length
//! over the limit, a reserved bit or opcode, or a frame without its mask ends the link before any memory is spent on it,
//! and it joins fragments in one buffer under the same limit.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use carillon_protocol::engine::Message;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use crate::counted;

/// How long a write may wait for a client that does not read, before the connection is closed as too slow.
const STALLED: Duration = Duration::from_secs(30);
/// How long a client may take over its part of the closing handshake.
const LINGER: Duration = Duration::from_secs(1);
/// Read at once, and allocated for the life of a connection: clients say little.
const READ_BUFFER: usize = 1024;
/// Gathered before it is written: what is sent in one turn leaves in one system call.
const WRITE_BUFFER: usize = 16 * 1024;

/// A WebSocket of a client.
pub(crate) struct WebSocket(WebSocketStream<TcpStream>);

/// What a client sent.
pub(crate) enum Received {
    /// A message.
    Message(Message),
    /// A ping or pong of the WebSocket's own, which the codec has answered.
    Control,
    /// The client closed the link.
    Closed,
    /// The link broke, or its bytes are no WebSocket's: close with this code, if there is still someone to hear it.
    Failed(Option<u16>),
}

impl WebSocket {
    /// Takes over a connection on which 101 was just sent; `early` are bytes of the client's that came before.
    pub(crate) async fn new(io: TcpStream, early: Vec<u8>, limit: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        Self(WebSocketStream::from_partially_read(io, early, Role::Server, Some(config)).await)
    }

    /// Waits for what the client sends next. Dropping the future loses nothing.
    pub(crate) async fn recv(&mut self) -> Received {
        match self.0.next().await {
            Some(Ok(Frame::Text(text))) => match ByteString::try_from(Bytes::from(text)) {
                Ok(text) => Received::Message(Message::Text(text)),
                Err(_) => Received::Failed(Some(1007)),
            },
            Some(Ok(Frame::Binary(bytes))) => Received::Message(Message::Binary(bytes)),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => Received::Control,
            Some(Ok(Frame::Close(_)) | Err(Error::ConnectionClosed)) | None => Received::Closed,
            Some(Err(fault)) => Received::Failed(code_of(&fault)),
        }
    }

    /// Queues a message; [`WebSocket::flush`] sends it. `false` when the link is gone or stalled.
    pub(crate) async fn feed(&mut self, message: Message) -> bool {
        let frame = match message {
            Message::Text(text) => match text.into_bytes().try_into() {
                Ok(text) => Frame::Text(text),
                Err(_) => return false,
            },
            Message::Binary(bytes) => Frame::Binary(bytes),
        };
        matches!(timeout(STALLED, self.0.feed(frame)).await, Ok(Ok(())))
    }

    /// Sends what is queued; `false` when the link is gone or stalled.
    pub(crate) async fn flush(&mut self) -> bool {
        matches!(timeout(STALLED, self.0.flush()).await, Ok(Ok(())))
    }

    /// Closes with this code, or none, in a task of its own: the client may take its time.
    pub(crate) fn close(self, code: Option<u16>) {
        counted::spawn(async move {
            // A client that does not answer is cut off.
            drop(timeout(LINGER, self.say_goodbye(code)).await);
        });
    }

    /// The closing handshake (RFC 6455 §7.1.1): our close frame, the client's, and the server ends the connection. It is
    /// read to its end, since a socket dropped with unread bytes sends a reset that overtakes the close frame.
    async fn say_goodbye(mut self, code: Option<u16>) {
        let frame = code.map(|code| CloseFrame { code: CloseCode::from(code), reason: "".into() });
        // A link that is broken already fails each of these at once.
        drop(self.0.close(frame).await);
        while let Some(Ok(_)) = self.0.next().await {}
        let io = self.0.get_mut();
        drop(io.shutdown().await);
        let mut rest = [0; 512];
        while io.read(&mut rest).await.is_ok_and(|n| n > 0) {}
    }
}

/// What a fault of the client's is called when it is closed for it (RFC 6455 §7.4.1).
fn code_of(fault: &Error) -> Option<u16> {
    match fault {
        Error::Capacity(_) => Some(1009),
        Error::Utf8(_) => Some(1007),
        Error::Protocol(_) => Some(1002),
        _ => None,
    }
}
