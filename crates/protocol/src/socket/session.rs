//! One client's namespaces, without IO (Socket.IO protocol v5).
//!
//! ```text
//!   one namespace:
//!                 CONNECT                    accept: "40{sid}"
//!     absent -----------------> connecting --------------------> joined <--+ EVENT, ACK
//!       ^                           |                             |   |    |
//!       |      refuse: "44{...}"    |                             |   +----+
//!       +---------------------------+                             |
//!       +---------- DISCONNECT ("41") from either side -----------+
//!
//!   the connection: any other packet in any other state is a violation and ends it, and so does
//!   reaching connect_timeout before the first accept.
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde_json::value::RawValue;

use super::acks::Acks;
use super::args::{self, Args};
use super::content::{Content, Said};
use super::reassembly::Reassembly;
use super::{AckId, Kind, Packet};
use crate::engine::Message;
use crate::{Config, Malformed, Reason, SendError, Violation};

/// What the application hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client asks to join. Answer with `accept` or `refuse`; until then it must stay silent there.
    Connect {
        /// The namespace, with any query part it came with.
        nsp: ByteString,
        /// The raw JSON object of the client's `auth`.
        auth: Option<ByteString>,
    },
    /// The client emitted an event.
    Emitted {
        /// A joined namespace.
        nsp: ByteString,
        /// The event; a numeric name as its digits.
        name: ByteString,
        /// What follows the name.
        args: Args,
        /// Set if the client waits for an acknowledgement.
        ack: Option<AckId>,
    },
    /// The client acknowledged an event of ours. Said at most once for each id.
    Acked {
        /// The event's namespace.
        nsp: ByteString,
        /// The event's id.
        id: AckId,
        /// The acknowledgement's arguments.
        args: Args,
    },
    /// A socket that was accepted has left. Said once for each accept.
    Disconnected {
        /// The namespace.
        nsp: ByteString,
        /// Why.
        reason: Reason,
    },
}

impl Event {
    /// The namespace it concerns.
    #[must_use]
    pub fn nsp(&self) -> &ByteString {
        match self {
            Self::Connect { nsp, .. }
            | Self::Emitted { nsp, .. }
            | Self::Acked { nsp, .. }
            | Self::Disconnected { nsp, .. } => nsp,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Connecting,
    Joined,
}

/// The namespaces of one client. Messages go in and come out without an Engine.IO session: incoming ones
/// without their packet type, outgoing ones as encoded Engine.IO packets.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    connect_by: Option<Duration>,
    was_joined: bool,
    // A handful at most, in the order of joining.
    namespaces: Vec<(ByteString, Stage)>,
    acks: Acks,
    reassembly: Reassembly,
}

impl Session {
    /// Begins with no namespace joined.
    #[must_use]
    pub fn new(config: impl Into<Arc<Config>>, now: Duration) -> Self {
        let config = config.into();
        Self {
            connect_by: Some(now + config.connect_timeout),
            was_joined: false,
            // Nearly every client joins one.
            namespaces: Vec::with_capacity(1),
            acks: Acks::default(),
            reassembly: Reassembly::default(),
            config,
        }
    }

    /// Takes one message of the client. `None`: nothing for the application (yet).
    ///
    /// # Errors
    /// A violation: close the connection.
    pub fn receive(&mut self, message: Message, now: Duration) -> Result<Option<Event>, Violation> {
        let text = match message {
            Message::Text(_) if self.reassembly.is_waiting() => {
                return Err(Malformed("got plaintext data when reconstructing a packet").into());
            }
            Message::Text(text) => text,
            Message::Binary(part) => {
                return match self.reassembly.add(part, &self.config)? {
                    Some((header, parts)) => self.on_content(Content::read(header)?, parts),
                    None => Ok(None),
                };
            }
        };
        let packet = Packet::decode(&text)?;
        match packet.kind {
            Kind::Connect => self.on_connect(packet),
            Kind::Disconnect => self.on_disconnect(packet, now),
            Kind::ConnectError => Err(Malformed("connect error from a client").into()),
            Kind::Event | Kind::Ack => self.on_content(Content::read(packet)?, Vec::new()),
            Kind::BinaryEvent | Kind::BinaryAck => {
                // Judged before its attachments are waited for, but kept as text: cut into arguments it
                // would hold up to 16 times as much.
                Content::read(packet.clone())?;
                self.must_be_joined(&packet.nsp)?;
                self.reassembly.begin(packet, &self.config, now);
                Ok(None)
            }
        }
    }

    /// Whether a namespace was ever joined.
    #[must_use]
    pub fn was_joined(&self) -> bool {
        self.was_joined
    }

    /// When [`Session::on_deadline`] is next due.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        [self.connect_by, self.reassembly.deadline()].into_iter().flatten().min()
    }

    /// Call at the deadline; earlier is harmless.
    ///
    /// # Errors
    /// Something is overdue: close the connection.
    pub fn on_deadline(&mut self, now: Duration) -> Result<(), Violation> {
        if self.connect_by.is_some_and(|by| now >= by) {
            return Err(state("no namespace joined in time"));
        }
        if self.reassembly.deadline().is_some_and(|by| now >= by) {
            return Err(Malformed("attachments did not arrive in time").into());
        }
        Ok(())
    }

    /// Whether the namespace is joined.
    #[must_use]
    pub fn is_joined(&self, nsp: &str) -> bool {
        self.stage(nsp) == Some(Stage::Joined)
    }

    /// The joined namespaces, in the order of joining.
    #[must_use]
    pub fn joined(&self) -> Vec<ByteString> {
        let joined = self.namespaces.iter().filter(|(_, stage)| *stage == Stage::Joined);
        joined.map(|(nsp, _)| nsp.clone()).collect()
    }

    /// Lets a connecting socket in: `40{"sid":…}`, with the `pid` of connection state recovery if there is
    /// one. `None` if the namespace is not connecting (any more).
    pub fn accept(&mut self, nsp: &str, sid: &str, pid: Option<&str>) -> Option<Message> {
        #[derive(Serialize)]
        struct Accepted<'a> {
            sid: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            pid: Option<&'a str>,
        }
        let entry = self.namespaces.iter_mut().find(|(name, _)| name == nsp)?;
        if entry.1 != Stage::Connecting {
            return None;
        }
        entry.1 = Stage::Joined;
        self.connect_by = None;
        self.was_joined = true;
        Some(control(Kind::Connect, entry.0.clone(), &Accepted { sid, pid }))
    }

    /// Turns a connecting socket away: `44{"message":…,"data":…}`. The client may ask again. `None` if the
    /// namespace is not connecting (any more).
    pub fn refuse(&mut self, nsp: &str, message: &str, data: Option<&RawValue>) -> Option<Message> {
        #[derive(Serialize)]
        struct Refused<'a> {
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a RawValue>,
        }
        if self.stage(nsp) != Some(Stage::Connecting) {
            return None;
        }
        let nsp = self.remove(nsp)?;
        Some(control(Kind::ConnectError, nsp, &Refused { message, data }))
    }

    /// Removes a joined socket: `41`. `None` if it is not joined.
    pub fn disconnect(&mut self, nsp: &str) -> Option<Message> {
        if !self.is_joined(nsp) {
            return None;
        }
        let nsp = self.remove(nsp)?;
        Some(Message::Text(Packet::new(Kind::Disconnect, nsp).encode_for_engine()))
    }

    /// An id for an event that asks the client for an acknowledgement.
    ///
    /// # Errors
    /// [`SendError::NotJoined`] or [`SendError::TooManyAcks`].
    pub fn issue_ack(&mut self, nsp: &str) -> Result<AckId, SendError> {
        if !self.is_joined(nsp) {
            return Err(SendError::NotJoined);
        }
        self.acks.issue(nsp.into(), self.config.max_pending_acks).ok_or(SendError::TooManyAcks)
    }

    /// Stops waiting for an acknowledgement; one that still comes is ignored.
    pub fn forget_ack(&mut self, id: AckId) {
        self.acks.forget(id);
    }

    /// Ends it all and frees what was held. The joined namespaces, in the order of joining.
    pub fn close(&mut self) -> Vec<ByteString> {
        self.connect_by = None;
        self.reassembly.clear();
        self.acks.clear();
        let joined = self.joined();
        self.namespaces.clear();
        joined
    }

    fn on_connect(&mut self, packet: Packet) -> Result<Option<Event>, Violation> {
        if packet.payload.as_ref().is_some_and(|payload| !args::is_object(payload)) {
            return Err(Malformed("invalid payload").into());
        }
        if self.stage(&packet.nsp).is_some() {
            return Err(state("second connect of a namespace"));
        }
        if self.namespaces.len() >= self.config.max_namespaces {
            return Err(state("too many namespaces"));
        }
        self.namespaces.push((packet.nsp.clone(), Stage::Connecting));
        Ok(Some(Event::Connect { nsp: packet.nsp, auth: packet.payload }))
    }

    fn on_disconnect(&mut self, packet: Packet, now: Duration) -> Result<Option<Event>, Violation> {
        if packet.payload.is_some() {
            return Err(Malformed("invalid payload").into());
        }
        self.must_be_joined(&packet.nsp)?;
        self.remove(&packet.nsp);
        // A client that has left everything is where it was before its first CONNECT: no session is kept for nothing.
        if self.joined().is_empty() {
            self.connect_by = Some(now + self.config.connect_timeout);
        }
        Ok(Some(Event::Disconnected { nsp: packet.nsp, reason: Reason::ClientNamespaceDisconnect }))
    }

    /// An event or acknowledgement, complete with its attachments.
    fn on_content(&mut self, content: Content, parts: Vec<Bytes>) -> Result<Option<Event>, Violation> {
        let Content { nsp, id, said } = content;
        let said = match said {
            Said::Nothing => None,
            Said::Event(name, items) => Some((Some(name), Args::new(items, parts)?)),
            Said::Ack(items) => Some((None, Args::new(items, parts)?)),
        };
        self.must_be_joined(&nsp)?;
        Ok(match said {
            None => None,
            Some((Some(name), args)) => Some(Event::Emitted { nsp, name, args, ack: id }),
            Some((None, args)) => {
                let known = id.filter(|id| self.acks.settle(&nsp, *id));
                known.map(|id| Event::Acked { nsp, id, args })
            }
        })
    }

    fn must_be_joined(&self, nsp: &str) -> Result<(), Violation> {
        if self.is_joined(nsp) { Ok(()) } else { Err(state("packet for a namespace that is not joined")) }
    }

    fn stage(&self, nsp: &str) -> Option<Stage> {
        self.namespaces.iter().find(|(name, _)| name == nsp).map(|(_, stage)| *stage)
    }

    fn remove(&mut self, nsp: &str) -> Option<ByteString> {
        self.acks.leave(nsp);
        let index = self.namespaces.iter().position(|(name, _)| name == nsp)?;
        Some(self.namespaces.remove(index).0)
    }
}

fn state(detail: &'static str) -> Violation {
    Violation { reason: Reason::ForcedServerClose, detail }
}

fn control(kind: Kind, nsp: ByteString, payload: &impl Serialize) -> Message {
    #[expect(clippy::expect_used, reason = "strings and raw JSON always serialise")]
    let payload = serde_json::to_string(payload).expect("a control payload serialises");
    let packet = Packet { payload: Some(payload.into()), ..Packet::new(kind, nsp) };
    Message::Text(packet.encode_for_engine())
}
