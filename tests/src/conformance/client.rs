//! What the tests of socket.io-client expect of their server.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use carillon_gateway::{Application, Handshake, Peer};
use carillon_protocol::engine::HandshakeError;
use carillon_protocol::socket::{AckId, Args, Event};
use carillon_protocol::{Connection, Reason};
use serde_json::{Map, Value, json};

use super::hall::{Hall, Word};
use super::line::{Line, placeholder};
use super::seen;

/// How long each handshake takes, for the tests of the client's own timeout.
const DELAY: Duration = Duration::from_millis(10);
/// Texts of several alphabets and planes.
const UTF8: [&str; 5] = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"];

/// The application.
#[derive(Default)]
pub(super) struct Client {
    hall: Arc<Hall>,
}

/// One of its connections.
pub(super) struct Talk {
    line: Line,
    handshake: Map<String, Value>,
    auth: Value,
    /// The `ack` event that waits for its answer.
    waits: Option<AckId>,
    /// Whether `abuff1` came.
    is_buffered: bool,
}

impl Application for Client {
    type Peer = Talk;

    async fn open(self: &Arc<Self>, handshake: &Handshake<'_>) -> Result<Talk, HandshakeError> {
        actix_web::rt::time::sleep(DELAY).await;
        Ok(Talk {
            line: Line::new(&self.hall),
            handshake: seen::handshake(handshake),
            auth: json!({}),
            waits: None,
            is_buffered: false,
        })
    }
}

impl Talk {
    fn answer(&mut self, event: Event, machine: &mut Connection) -> anyhow::Result<()> {
        match event {
            Event::Connect { nsp, auth } => self.connect(&nsp, auth.as_ref(), machine),
            Event::Emitted { nsp, name, args, ack } if nsp == "/" => self.asked(&name, &args, ack, machine),
            Event::Emitted { nsp, name, ack: Some(id), .. } if nsp == "/foo" && name == "getId" => {
                Ok(machine.ack(&nsp, id, &[self.line.sid(&nsp)], &[])?)
            }
            Event::Acked { id, args, .. } if self.waits == Some(id) => {
                let is_right = args.get::<Value>(0)? == 5 && args.get::<Value>(1)?["test"] == true;
                if is_right { self.line.emit(machine, "/", "got it", vec![], &[]) } else { Ok(()) }
            }
            Event::Disconnected { nsp, reason } => {
                self.line.leave(&nsp, reason);
                Ok(())
            }
            Event::Emitted { .. } | Event::Acked { .. } => Ok(()),
        }
    }

    fn connect(
        &mut self,
        nsp: &ByteString,
        auth: Option<&ByteString>,
        machine: &mut Connection,
    ) -> anyhow::Result<()> {
        let refusal = match &**nsp {
            "/" if self.handshake["query"].get("fail").is_some() => Some("Auth failed (main namespace)"),
            "/no" => Some("Auth failed (custom namespace)"),
            "/" | "/foo" | "/timeout_socket" | "/valid" | "/asd" | "/abc" => None,
            _ => Some("Invalid namespace"),
        };
        if let Some(refusal) = refusal {
            machine.refuse(nsp, refusal, None);
            return Ok(());
        }
        let said = auth.map_or(Ok(json!({})), |auth| serde_json::from_str(auth))?;
        self.line.accept(machine, nsp, auth, "", &[])?;
        match &**nsp {
            "/" => self.auth = said,
            "/abc" => self.line.emit(machine, nsp, "handshake", vec![self.seen(said)], &[])?,
            _ => {}
        }
        Ok(())
    }

    fn seen(&self, auth: Value) -> Value {
        let mut seen = self.handshake.clone();
        seen.insert("auth".into(), auth);
        seen.into()
    }

    /// An event on `/`.
    fn asked(
        &mut self,
        name: &str,
        args: &Args,
        ack: Option<AckId>,
        machine: &mut Connection,
    ) -> anyhow::Result<()> {
        if let Some(id) = ack {
            let answer = match name {
                "echo" => return Ok(machine.ack("/", id, &[args.get::<Value>(0)?], args.attachments())?),
                "getAckDate" => now().into(),
                "getHandshake" => self.seen(self.auth.clone()),
                "getId" => self.line.sid("/").into(),
                _ => return Ok(()),
            };
            return Ok(machine.ack("/", id, &[answer], &[])?);
        }
        let mut emit = |name: &str, args, bytes: &[Bytes]| self.line.emit(machine, "/", name, args, bytes);
        match name {
            "hi" => emit("hi", vec![], &[]),
            "ack" => {
                self.waits = Some(machine.emit_with_ack("/", "ack", &(), &[])?);
                Ok(())
            }
            "getDate" => emit("takeDate", vec![now().into()], &[]),
            "getDateObj" => emit("takeDateObj", vec![json!({"date": now()})], &[]),
            "getUtf8" => UTF8.iter().try_for_each(|text| emit("takeUtf8", vec![(*text).into()], &[])),
            "false" => emit("false", vec![false.into()], &[]),
            "doge" => emit("doge", vec![placeholder()], &[Bytes::from_static(b"asdfasdf")]),
            "getbin" => emit("takebin", vec![placeholder()], &[Bytes::from_static(b"asdfasdf")]),
            "buffa" if args.bytes(0).is_some() => emit("buffack", vec![], &[]),
            "jsonbuff" if is_jsonbuff(args)? => emit("jsonbuff-ack", vec![], &[]),
            "abuff1" if args.bytes(0).is_some() => {
                self.is_buffered = true;
                Ok(())
            }
            "abuff2" if self.is_buffered => emit("abuff2-ack", vec![], &[]),
            _ => Ok(()),
        }
    }
}

fn is_jsonbuff(args: &Args) -> anyhow::Result<bool> {
    let said: Value = args.get(0)?;
    Ok(said == json!({"hello": "lol", "message": placeholder(), "goodbye": "gotcha"})
        && args.attachments().len() == 1)
}

/// As JavaScript's `toISOString`.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

impl Peer for Talk {
    type Machine = Connection;
    type Step = Option<Word>;

    fn hear(&mut self, event: Event, machine: &mut Connection, now: Duration) {
        if self.answer(event, machine).is_err() {
            machine.close(Reason::TransportError, None, now);
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Word>> {
        self.line.poll_next(cx)
    }

    fn take(&mut self, word: Option<Word>, machine: &mut Connection, now: Duration) {
        if Line::take(word, machine).is_err() {
            machine.close(Reason::TransportError, None, now);
        }
    }

    fn pump(&mut self, _: &mut Connection) {}

    fn has_room(&self) -> bool {
        true
    }
}
