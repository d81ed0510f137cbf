//! The server of the Socket.IO protocol suite: two namespaces, no recovery.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use carillon_gateway::{Application, Handshake, Peer};
use carillon_protocol::engine::HandshakeError;
use carillon_protocol::socket::Event;
use carillon_protocol::{Connection, Frame, Reason};
use serde_json::{Value, json};

/// The application; it shares nothing.
pub(super) struct Suite;

/// One of its connections.
pub(super) struct Talk;

impl Application for Suite {
    type Peer = Talk;

    async fn open(self: &Arc<Self>, _: &Handshake<'_>) -> Result<Talk, HandshakeError> {
        Ok(Talk)
    }
}

impl Talk {
    fn answer(event: Event, machine: &mut Connection) -> anyhow::Result<()> {
        match event {
            Event::Connect { nsp, auth } if matches!(&*nsp, "/" | "/custom") => {
                machine.accept(&nsp, &super::hall::random(), None);
                let auth: Value = auth.as_deref().map_or(Ok(json!({})), serde_json::from_str)?;
                machine.send(&Frame::event(&nsp, "auth", &[auth])?)?;
            }
            Event::Connect { nsp, .. } => {
                machine.refuse(&nsp, "Invalid namespace", None);
            }
            Event::Emitted { nsp, name, args, ack } if nsp == "/" => match (&*name, ack) {
                ("message", _) => {
                    machine.send(&Frame::binary_event("/", "message-back", &args, args.attachments())?)?;
                }
                ("message-with-ack", Some(id)) => machine.ack("/", id, &args, args.attachments())?,
                _ => {}
            },
            Event::Emitted { .. } | Event::Acked { .. } | Event::Disconnected { .. } => {}
        }
        Ok(())
    }
}

impl Peer for Talk {
    type Machine = Connection;
    type Step = Infallible;

    fn hear(&mut self, event: Event, machine: &mut Connection, now: Duration) {
        if Self::answer(event, machine).is_err() {
            machine.close(Reason::TransportError, None, now);
        }
    }

    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Infallible> {
        Poll::Pending
    }

    fn take(&mut self, step: Infallible, _: &mut Connection, _: Duration) {
        match step {}
    }

    fn pump(&mut self, _: &mut Connection) {}

    fn has_room(&self) -> bool {
        true
    }
}
