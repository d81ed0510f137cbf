//! Engine.IO alone: the protocol suite's echo, and what the tests of engine.io-client ask for.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use bytes::Bytes;
use carillon_gateway::{Application, Handshake, Peer};
use carillon_protocol::Reason;
use carillon_protocol::engine::{HandshakeError, Message, Packet, Session};

use super::seen;

/// Sends back every message.
pub(super) struct Echo;

/// Sends back every message, and the answer to some.
pub(super) struct Asked;

/// A session of either.
pub(super) struct Talk {
    /// What is said first.
    greeting: Option<&'static str>,
    /// Whether some messages are questions.
    answers: bool,
    /// The headers of the last POST.
    headers: BTreeMap<String, String>,
}

impl Application for Echo {
    type Peer = Talk;
    const PATH: &'static str = "/engine.io";

    async fn open(self: &Arc<Self>, _: &Handshake<'_>) -> Result<Talk, HandshakeError> {
        Ok(Talk { greeting: None, answers: false, headers: BTreeMap::new() })
    }
}

impl Application for Asked {
    type Peer = Talk;
    const PATH: &'static str = "/engine.io";
    const HEARS_POST_HEADERS: bool = true;

    async fn open(self: &Arc<Self>, handshake: &Handshake<'_>) -> Result<Talk, HandshakeError> {
        if handshake.query().any(|(name, _)| name == "deny") {
            return Err(HandshakeError::FORBIDDEN);
        }
        Ok(Talk { greeting: Some("hi"), answers: true, headers: BTreeMap::new() })
    }
}

impl Talk {
    fn answer(&self, message: Message) -> Packet {
        match message {
            Message::Text(text) if self.answers => match &*text {
                "give binary" => Packet::Binary(Bytes::from_static(&[0, 1, 2, 3, 4])),
                "give utf8" => Packet::Text("пойду спать всем спокойной ночи".into()),
                "sendHeaders" => Packet::Text(serde_json::json!(self.headers).to_string().into()),
                _ => Packet::Text(text),
            },
            Message::Text(text) => Packet::Text(text),
            Message::Binary(bytes) => Packet::Binary(bytes),
        }
    }
}

impl Peer for Talk {
    type Machine = Session;
    type Step = Infallible;

    fn hear(&mut self, message: Message, machine: &mut Session, now: Duration) {
        if machine.send(&[self.answer(message).encode()]).is_err() {
            let why = carillon_protocol::Violation {
                reason: Reason::TransportError,
                detail: "what is sent back is not read",
            };
            machine.close(why, None, now);
        }
    }

    fn posting(&mut self, headers: HeaderMap) {
        self.headers = seen::headers(&headers);
    }

    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Infallible> {
        Poll::Pending
    }

    fn take(&mut self, step: Infallible, _: &mut Session, _: Duration) {
        match step {}
    }

    fn pump(&mut self, machine: &mut Session) {
        if let Some(greeting) = self.greeting.take() {
            // The first of all, in an empty buffer: it cannot fail.
            drop(machine.send(&[Packet::Text(greeting.into()).encode()]));
        }
    }

    fn has_room(&self) -> bool {
        true
    }
}
