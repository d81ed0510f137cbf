//! One Engine.IO session, without IO (Engine.IO protocol v4; numbers as engine.io 6.6).
//! Over 400 lines because it is one state machine, whose every transition another one asks about.
//!
//! ```text
//!     open(Polling)                                   open(Websocket)
//!          |           Probe                  "5"           |
//!          v  ------------------> Upgrading ------------>   v
//!       Polling                       |                   Socket
//!          |  <-----------------------+                     |
//!          |   probe lost, late, or anything but "2probe"   |
//!          |                                                |
//!          | close() with no GET to answer with "1"         | any end
//!          v                                                |
//!       Closing -- a GET takes "1", a POST brings it, "5" on the WebSocket, or 30 s --> Closed <-- any other end
//! ```
//!
//! The driver keeps the HTTP answers and at most one WebSocket. It passes what happens to
//! [`Session::request`] and [`Session::handle`], and then takes [`Session::poll_output`] until `None`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;

use super::heartbeat::{Beat, Heartbeat};
use super::outbox::Outbox;
use super::outputs::Outputs;
use super::{HandshakeError, Input, Message, Output, Packet, Request, Transport, handshake, payload};
use crate::{Config, Reason, SendError, Violation};

/// How often a pending GET is released while the client tries its WebSocket: it may have sent another GET
/// before it learned of the upgrade, and one noop would leave that one hanging.
const RELEASE_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, PartialEq)]
enum State {
    Polling,
    Upgrading {
        until: Duration,
        release_at: Option<Duration>,
    },
    Socket,
    /// `moving`: the WebSocket that the client is on its way to, to be closed with this code.
    Closing {
        until: Duration,
        moving: Option<Option<u16>>,
    },
    Closed,
}

/// One session. Times are since an arbitrary origin that the caller keeps to.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    state: State,
    poll_pending: bool,
    heartbeat: Heartbeat,
    outbox: Outbox,
    outputs: Outputs,
}

impl Session {
    /// Opens a session whose id the caller made. On polling the opening GET is pending.
    #[must_use]
    pub fn open(config: impl Into<Arc<Config>>, sid: &str, transport: Transport, now: Duration) -> Self {
        let config = config.into();
        let open = handshake::open_packet(&config, sid, transport).encode();
        let mut session = Self {
            state: State::Polling,
            poll_pending: transport == Transport::Polling,
            heartbeat: Heartbeat::new(&config, now),
            outbox: Outbox::default(),
            outputs: Outputs::default(),
            config,
        };
        match transport {
            Transport::Polling => session.outbox.push(open),
            Transport::Websocket => {
                session.state = State::Socket;
                session.outputs.push(Output::Socket(open));
            }
        }
        session
    }

    /// Takes an HTTP request that names this session.
    ///
    /// # Errors
    /// How to refuse the request. A second GET, or an unreadable body, also closes the session.
    pub fn request(&mut self, request: Request, now: Duration) -> Result<(), HandshakeError> {
        match (request, &self.state) {
            (_, State::Closed) => Err(HandshakeError::SESSION_UNKNOWN),
            (Request::Probe, State::Polling) if self.config.allow_upgrades => {
                self.state = State::Upgrading { until: now + self.config.upgrade_timeout, release_at: None };
                Ok(())
            }
            (Request::Probe, _) | (_, State::Socket) => Err(HandshakeError::BAD_REQUEST),
            (Request::Poll, _) => self.on_poll(),
            (Request::Body(body), State::Closing { .. }) => {
                self.on_last_body(&body);
                Ok(())
            }
            (Request::Body(body), _) => self.on_body(body, now),
        }
    }

    /// Takes anything else that happened.
    pub fn handle(&mut self, input: Input, now: Duration) {
        match (input, &self.state) {
            (_, State::Closed) => {}
            (Input::Timer, _) => self.on_timer(now),
            (Input::PollAborted, State::Polling | State::Upgrading { .. }) => {
                self.poll_pending = false;
                self.fail(Reason::TransportError, "poll abandoned");
            }
            (Input::BodyFailed, State::Polling | State::Upgrading { .. }) => {
                self.fail(Reason::TransportError, "post failed");
            }
            (Input::Socket(message), State::Upgrading { .. }) => self.on_probe_message(message, now),
            (Input::SocketClosed | Input::SocketFailed, State::Upgrading { .. }) => {
                self.state = State::Polling;
            }
            (Input::Socket(message), State::Closing { moving: Some(_), .. }) => {
                if let Ok(Packet::Upgrade) = Packet::decode(message) {
                    self.outputs.extend(self.outbox.take().into_iter().map(Output::Socket));
                    self.finish();
                }
            }
            (Input::Socket(message), State::Socket) => match Packet::decode(message) {
                Ok(packet) => self.on_packet(packet, now),
                Err(error) => self.fail(Reason::ParseError, error.0),
            },
            (Input::SocketClosed, State::Socket) => self.fail(Reason::TransportClose, "websocket closed"),
            (Input::SocketFailed, State::Socket) => self.fail(Reason::TransportError, "websocket failed"),
            // What comes late from a link that no longer counts.
            _ => {}
        }
    }

    /// The next thing to do. A pending GET is answered only when nothing else is left, so that all that was
    /// sent in one turn travels in one body.
    pub fn poll_output(&mut self) -> Option<Output<Message>> {
        if self.outputs.is_empty() && self.poll_pending && !self.outbox.is_empty() {
            self.release_poll();
        }
        self.outputs.pop()
    }

    /// When [`Input::Timer`] is next due. `None`: never again.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Polling | State::Socket => Some(self.heartbeat.deadline()),
            State::Upgrading { until, release_at } => {
                Some(self.heartbeat.deadline().min(until).min(release_at.unwrap_or(until)))
            }
            State::Closing { until, .. } => Some(until),
            State::Closed => None,
        }
    }

    /// Sends encoded packets, all or none, with nothing between them. On a WebSocket they become outputs at
    /// once; on polling they wait, within [`Config::buffer_bytes`], for the next GET.
    ///
    /// # Errors
    /// [`SendError::Closed`], [`SendError::Full`] or [`SendError::Separator`].
    pub fn send(&mut self, packets: &[Message]) -> Result<(), SendError> {
        self.put(packets, self.config.buffer_bytes)
    }

    /// Sends what the client itself asked for, and so may use the buffer twice over. A client that asks for
    /// still more and does not read is closed with "transport error".
    pub fn reply(&mut self, packets: &[Message]) {
        match self.put(packets, self.config.buffer_bytes.saturating_mul(2)) {
            Err(SendError::Full) => self.fail(Reason::TransportError, "replies pile up unread"),
            Err(SendError::Separator) => self.fail(Reason::TransportError, "a reply holds the separator"),
            _ => {}
        }
    }

    /// Whether it is on a WebSocket, from the beginning or since the client upgraded.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.state == State::Socket
    }

    /// Whether more may be sent: always on a WebSocket, where the driver's own write waits; on polling while
    /// the buffer is below its bound.
    #[must_use]
    pub fn writable(&self) -> bool {
        self.is_open() && (self.state == State::Socket || self.outbox.bytes() < self.config.buffer_bytes)
    }

    /// Whether what is sent now leaves now: for volatile packets, which are dropped otherwise.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.state == State::Socket || (self.is_open() && self.poll_pending)
    }

    /// Whether the session lives, as the application sees it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Polling | State::Upgrading { .. } | State::Socket)
    }

    /// Ends the session from this side. A WebSocket is closed with `code`; a polling client is told `1`, by its
    /// pending GET, or by the next one if that must carry what is buffered.
    pub fn close(&mut self, why: Violation, code: Option<u16>, now: Duration) {
        if !self.is_open() {
            return;
        }
        let is_polling = matches!(self.state, State::Polling | State::Upgrading { .. });
        // `1` does not share a body with what was said before it: the official client takes up an event only after
        // the whole body, and a close at once.
        if is_polling && (!self.poll_pending || !self.outbox.is_empty()) {
            if self.poll_pending {
                self.release_poll();
            }
            // Once its probe is answered a client stops polling: were its WebSocket closed before it has moved there, it
            // would notice nothing until a ping is overdue.
            let moving = matches!(self.state, State::Upgrading { release_at: Some(_), .. }).then_some(code);
            if moving.is_none() {
                self.close_socket_unless_polling(code);
            }
            self.state = State::Closing { until: now + self.config.close_timeout, moving };
            self.outputs.push(Output::Closed(why));
        } else {
            self.end(why, code, &Packet::Close);
        }
    }

    /// Ends the session from this side without a farewell kept for a later GET: for a client that was never let in, and
    /// shall cost nothing more.
    pub fn abandon(&mut self, why: Violation) {
        if self.is_open() {
            self.end(why, None, &Packet::Close);
        }
    }

    /// Ends the session at once: there is nobody left to tell, or nothing worth telling.
    fn fail(&mut self, reason: Reason, detail: &'static str) {
        self.end(Violation { reason, detail }, None, &Packet::Close);
    }

    fn end(&mut self, why: Violation, code: Option<u16>, last: &Packet) {
        self.close_socket_unless_polling(code);
        if self.poll_pending {
            if *last == Packet::Close || self.outbox.is_empty() {
                self.outbox.push(last.encode());
            }
            self.release_poll();
        }
        self.state = State::Closed;
        self.outbox.take();
        self.outputs.extend([Output::Closed(why), Output::Finished]);
    }

    fn close_socket_unless_polling(&mut self, code: Option<u16>) {
        if matches!(self.state, State::Socket | State::Upgrading { .. }) {
            self.outputs.push(Output::CloseSocket(code));
        }
    }

    fn on_poll(&mut self) -> Result<(), HandshakeError> {
        if self.poll_pending {
            self.fail(Reason::TransportError, "overlapping polls");
            return Err(HandshakeError::BAD_REQUEST);
        }
        self.poll_pending = true;
        if matches!(self.state, State::Closing { .. }) && self.outbox.is_empty() {
            self.outbox.push(Packet::Noop.encode());
            self.outbox.push(Packet::Close.encode());
            self.release_poll();
            self.finish();
        }
        Ok(())
    }

    /// The end of a session that was closing.
    fn finish(&mut self) {
        if let State::Closing { moving: Some(code), .. } = self.state {
            self.outputs.push(Output::CloseSocket(code));
        }
        self.state = State::Closed;
        self.outbox.take();
        self.outputs.push(Output::Finished);
    }

    /// A client that closes too, as the official one does when its last socket was disconnected, will not poll again.
    fn on_last_body(&mut self, body: &[u8]) {
        if body.split(|byte| *byte == payload::SEPARATOR as u8).any(|packet| packet == b"1") {
            self.finish();
        }
    }

    fn on_body(&mut self, body: Bytes, now: Duration) -> Result<(), HandshakeError> {
        let Ok(body) = ByteString::try_from(body) else {
            self.fail(Reason::ParseError, "a body that is no UTF-8");
            return Err(HandshakeError::BAD_REQUEST);
        };
        if payload::count(&body) > self.config.max_packets {
            self.fail(Reason::ParseError, "too many packets in a body");
            return Err(HandshakeError::BAD_REQUEST);
        }
        for packet in payload::decode(&body) {
            match packet {
                Ok(packet) => self.on_packet(packet, now),
                Err(error) => {
                    self.fail(Reason::ParseError, error.0);
                    return Err(HandshakeError::BAD_REQUEST);
                }
            }
            if !self.is_open() {
                break;
            }
        }
        Ok(())
    }

    /// A packet over the transport that counts.
    fn on_packet(&mut self, packet: Packet, now: Duration) {
        match packet {
            Packet::Pong(_) => return self.heartbeat.on_pong(&self.config, now),
            Packet::Ping(_) => return self.fail(Reason::TransportError, "invalid heartbeat direction"),
            Packet::Close => {
                let why = Violation { reason: Reason::TransportClose, detail: "close packet" };
                return self.end(why, None, &Packet::Noop);
            }
            Packet::Text(text) => self.outputs.push(Output::Event(Message::Text(text))),
            Packet::Binary(bytes) => self.outputs.push(Output::Event(Message::Binary(bytes))),
            Packet::Open(_) | Packet::Upgrade | Packet::Noop => {}
        }
        self.heartbeat.on_packet(&self.config, now);
    }

    fn on_probe_message(&mut self, message: Message, now: Duration) {
        match Packet::decode(message) {
            Ok(Packet::Ping(data)) if data == "probe" => {
                self.outputs.push(Output::Socket(Packet::Pong(data).encode()));
                self.release_while_upgrading(now);
            }
            Ok(Packet::Upgrade) => {
                self.state = State::Socket;
                if std::mem::take(&mut self.poll_pending) {
                    self.outputs.push(Output::Poll(ByteString::from_static("6")));
                }
                self.outputs.push(Output::Upgraded);
                self.outputs.extend(self.outbox.take().into_iter().map(Output::Socket));
            }
            _ => self.drop_probe(),
        }
    }

    /// Only the WebSocket is lost; polling goes on.
    fn drop_probe(&mut self) {
        self.outputs.push(Output::CloseSocket(None));
        self.state = State::Polling;
    }

    fn on_timer(&mut self, now: Duration) {
        match self.state {
            State::Closing { until, .. } if now >= until => return self.finish(),
            State::Closing { .. } | State::Closed => return,
            State::Upgrading { until, .. } if now >= until => self.drop_probe(),
            State::Upgrading { release_at: Some(at), .. } if now >= at => self.release_while_upgrading(now),
            State::Upgrading { .. } | State::Polling | State::Socket => {}
        }
        match self.heartbeat.on_deadline(&self.config, now) {
            Some(Beat::Dead) => self.fail(Reason::PingTimeout, "no pong in time"),
            Some(Beat::Ping) => self.ping(),
            None => {}
        }
    }

    fn ping(&mut self) {
        let ping = Packet::Ping(ByteString::new()).encode();
        match self.state {
            State::Socket => self.outputs.push(Output::Socket(ping)),
            _ => self.outbox.push_first(ping),
        }
    }

    /// Answers the pending GET with what is buffered or a noop, and looks again a little later.
    fn release_while_upgrading(&mut self, now: Duration) {
        if self.poll_pending {
            if self.outbox.is_empty() {
                self.outbox.push(Packet::Noop.encode());
            }
            self.release_poll();
        }
        if let State::Upgrading { release_at, .. } = &mut self.state {
            *release_at = Some(now + RELEASE_EVERY);
        }
    }

    fn release_poll(&mut self) {
        self.poll_pending = false;
        let body = self.outbox.take_body();
        self.outputs.push(Output::Poll(body));
    }

    fn put(&mut self, packets: &[Message], bound: usize) -> Result<(), SendError> {
        match self.state {
            State::Closing { .. } | State::Closed => Err(SendError::Closed),
            State::Socket => {
                self.outputs.extend(packets.iter().cloned().map(Output::Socket));
                Ok(())
            }
            State::Polling | State::Upgrading { .. } => {
                let splits = |packet: &Message| matches!(packet, Message::Text(text) if text.contains(payload::SEPARATOR));
                if packets.iter().any(splits) {
                    return Err(SendError::Separator);
                }
                if !self.outbox.has_room(packets.iter().map(Message::len).sum(), bound) {
                    return Err(SendError::Full);
                }
                packets.iter().cloned().for_each(|packet| self.outbox.push(packet));
                Ok(())
            }
        }
    }
}
