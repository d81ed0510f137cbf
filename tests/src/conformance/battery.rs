//! A server with tokens, rooms and recovery, whose events let a client see and do on the server what it wants to test.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytestring::ByteString;
use carillon_gateway::{Application, Handshake, Peer};
use carillon_protocol::engine::{HandshakeError, Input};
use carillon_protocol::socket::{AckId, Args, Event};
use carillon_protocol::{Connection, Frame, Reason};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::hall::{Hall, Word};
use super::line::{Line, values};
use crate::users::JWT_SECRET;

/// The application.
pub(super) struct Battery {
    hall: Arc<Hall>,
    key: DecodingKey,
}

/// One of its connections.
pub(super) struct Talk {
    battery: Arc<Battery>,
    line: Line,
    who: Option<Claims>,
    recovered: bool,
    /// The `srv-ask` events that wait for their answers, with their namespaces.
    asked: Vec<AckId>,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(alias = "userId")]
    sub: String,
    role: String,
}

#[derive(Deserialize)]
struct Publish {
    nsp: String,
    room: String,
    event: String,
    #[serde(default)]
    args: Vec<Value>,
    #[serde(default)]
    volatile: bool,
}

impl Battery {
    /// With the secret in `JWT_SECRET`, or the tests' own.
    pub(super) fn from_env() -> Self {
        let secret = std::env::var("JWT_SECRET").unwrap_or_else(|_| JWT_SECRET.into());
        Self { hall: Arc::default(), key: DecodingKey::from_secret(secret.as_bytes()) }
    }

    /// Who the token in a CONNECT speaks for, or the message and code of the refusal.
    fn admit(&self, auth: Option<&ByteString>) -> Result<Claims, (&'static str, &'static str)> {
        let auth: Value = auth.and_then(|auth| serde_json::from_str(auth).ok()).unwrap_or_default();
        let invalid = ("Invalid authentication token", "token_invalid");
        match &auth["token"] {
            Value::Null => Err(("Authentication token missing", "token_missing")),
            Value::String(token) => decode(token, &self.key, &Validation::default())
                .map(|token| token.claims)
                .map_err(|fault| match fault.kind() {
                    ErrorKind::ExpiredSignature => ("Authentication token expired", "token_expired"),
                    _ => invalid,
                }),
            _ => Err(invalid),
        }
    }
}

impl Application for Battery {
    type Peer = Talk;

    async fn open(self: &Arc<Self>, _: &Handshake<'_>) -> Result<Talk, HandshakeError> {
        let line = Line::new(&self.hall);
        Ok(Talk { battery: Arc::clone(self), line, who: None, recovered: false, asked: Vec::new() })
    }
}

impl Talk {
    fn answer(&mut self, event: Event, machine: &mut Connection, now: Duration) -> anyhow::Result<()> {
        match event {
            Event::Connect { nsp, auth } => self.connect(&nsp, auth.as_ref(), machine),
            Event::Emitted { nsp, name, args, ack } => match ack {
                Some(id) => self.question(&nsp, &name, &args, id, machine),
                None => self.event(&nsp, &name, &args, machine, now),
            },
            Event::Acked { nsp, id, args } if self.asked.contains(&id) => {
                self.asked.retain(|asked| *asked != id);
                self.line.emit(machine, &nsp, "srv-ask-result", values(&args)?, args.attachments())
            }
            Event::Acked { .. } => Ok(()),
            Event::Disconnected { nsp, reason } => {
                self.line.leave(&nsp, reason);
                Ok(())
            }
        }
    }

    fn connect(
        &mut self,
        nsp: &ByteString,
        auth: Option<&ByteString>,
        machine: &mut Connection,
    ) -> anyhow::Result<()> {
        if !matches!(&**nsp, "/" | "/custom") {
            machine.refuse(nsp, "Invalid namespace", None);
            return Ok(());
        }
        match self.battery.admit(auth) {
            Ok(who) => {
                let rooms = [format!("user:{}", who.sub), format!("role:{}", who.role)];
                self.recovered = self.line.accept(machine, nsp, auth, &who.sub, &rooms)?;
                self.who = Some(who);
            }
            Err((message, code)) => {
                machine.refuse(nsp, message, Some(&*to_raw_value(&json!({"code": code}))?));
            }
        }
        Ok(())
    }

    /// An event that asks for an ack.
    fn question(
        &mut self,
        nsp: &str,
        name: &str,
        args: &Args,
        id: AckId,
        machine: &mut Connection,
    ) -> anyhow::Result<()> {
        let sid = self.line.sid(nsp).unwrap_or_default();
        let answer = match name {
            "echo" => return Ok(machine.ack(nsp, id, args, args.attachments())?),
            "rooms" => json!(self.line.hall.rooms(sid)),
            "reason-of" => {
                json!(self.line.hall.reason(&args.get::<String>(0)?).map(Reason::as_str))
            }
            "publish" => json!({"reached": self.publish(args.get(0)?)?}),
            "info" => json!({
                "sid": sid,
                "user": self.who.as_ref().map(|who| &who.sub),
                "role": self.who.as_ref().map(|who| &who.role),
                "recovered": self.recovered,
            }),
            _ => return Ok(()),
        };
        Ok(machine.ack(nsp, id, &[answer], &[])?)
    }

    /// An event that does not.
    fn event(
        &mut self,
        nsp: &str,
        name: &str,
        args: &Args,
        machine: &mut Connection,
        now: Duration,
    ) -> anyhow::Result<()> {
        match name {
            "echo-event" => {
                self.line.emit(machine, nsp, "echo-event-back", values(args)?, args.attachments())
            }
            "ask-me" => {
                self.asked.push(machine.emit_with_ack(nsp, "srv-ask", args, args.attachments())?);
                Ok(())
            }
            "kick" if args.get::<Option<bool>>(0)?.unwrap_or_default() => {
                machine.disconnect_all(now);
                Ok(())
            }
            "kick" => {
                machine.disconnect(nsp);
                Ok(())
            }
            // As if the link had broken: the client is told nothing in Socket.IO.
            "drop" => {
                machine.handle(Input::SocketFailed, now);
                machine.handle(Input::PollAborted, now);
                Ok(())
            }
            "publish" => self.publish(args.get(0)?).map(drop),
            _ => Ok(()),
        }
    }

    /// To how many sockets it went.
    fn publish(&self, what: Publish) -> anyhow::Result<usize> {
        let Publish { nsp, room, event, args, volatile } = what;
        let frame = if volatile {
            Frame::event(&nsp, &event, &args)?
        } else {
            self.line.hall.emit(&nsp, &room, &event, args, &[])?
        };
        Ok(self.line.hall.spread(&nsp, &room, &Word { frame, volatile }))
    }
}

impl Peer for Talk {
    type Machine = Connection;
    type Step = Option<Word>;

    fn hear(&mut self, event: Event, machine: &mut Connection, now: Duration) {
        if self.answer(event, machine, now).is_err() {
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
