//! One client's connection: an Engine.IO session with a Socket.IO session on top.
//!
//! ```text
//!              request, handle                       Output::Event
//!   driver  -------------------->  engine::Session  --- Message ---> socket::Session ---> application
//!   (links) <--------------------  engine::Session  <--------------  socket::Session <--- application
//!            Poll, Socket, Close…                    encoded packets          accept, send, ack…
//! ```
//!
//! The driver calls one method for each thing that happens, then takes [`Connection::poll_output`] until
//! `None` and waits for the next thing, until [`Connection::deadline`] at most.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::engine::{self, HandshakeError, Input, Message, Output, Request, Transport};
use crate::frame::{encode_ack, encode_event};
use crate::socket::{self, AckId, Event};
use crate::{Config, Frame, Reason, SendError, Violation};

/// One connection. Times are since an arbitrary origin that the caller keeps to.
#[derive(Debug)]
pub struct Connection {
    engine: engine::Session,
    socket: socket::Session,
    outputs: VecDeque<Output<Event>>,
    // Set by the first violation: what came after it in the same body is not read.
    is_rejected: bool,
    now: Duration,
}

impl Connection {
    /// Opens a connection whose Engine.IO session id the caller made. On polling the opening GET is pending.
    #[must_use]
    pub fn open(config: impl Into<Arc<Config>>, sid: &str, transport: Transport, now: Duration) -> Self {
        let config = config.into();
        Self {
            socket: socket::Session::new(Arc::clone(&config), now),
            engine: engine::Session::open(config, sid, transport, now),
            outputs: VecDeque::new(),
            is_rejected: false,
            now,
        }
    }

    /// Takes an HTTP request that names this session.
    ///
    /// # Errors
    /// How to refuse the request. Some refusals also close the connection: take the outputs.
    pub fn request(&mut self, request: Request, now: Duration) -> Result<(), HandshakeError> {
        self.now = now;
        let answer = self.engine.request(request, now);
        self.pump();
        answer
    }

    /// Takes anything else that happened.
    pub fn handle(&mut self, input: Input, now: Duration) {
        self.now = now;
        let is_timer = matches!(input, Input::Timer);
        self.engine.handle(input, now);
        self.pump();
        if is_timer && let Err(violation) = self.socket.on_deadline(now) {
            if self.socket.was_joined() {
                self.engine.close(violation, None, now);
            } else {
                self.engine.abandon(violation);
            }
            self.pump();
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output<Event>> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let Some(output) = self.engine.poll_output() else {
                // An idle connection keeps no room for what it does not say.
                self.outputs = VecDeque::new();
                return None;
            };
            // Nearly always a frame on its way to the link, which need not be queued twice.
            match self.lift(output) {
                Some(output) if self.outputs.is_empty() => return Some(output),
                lifted => self.outputs.extend(lifted),
            }
        }
    }

    /// When [`Input::Timer`] is next due. `None`: never again.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        [self.engine.deadline(), self.socket.deadline()].into_iter().flatten().min()
    }

    /// Whether it is on a WebSocket. See [`engine::Session::is_websocket`].
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.engine.is_websocket()
    }

    /// Whether the driver should offer more to [`Connection::send`]. See [`engine::Session::writable`].
    #[must_use]
    pub fn writable(&self) -> bool {
        self.engine.writable()
    }

    /// Whether what is sent now leaves now: send volatile frames only then.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.engine.is_listening()
    }

    /// Whether the connection lives, as the application sees it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.engine.is_open()
    }

    /// Whether a namespace was ever joined.
    #[must_use]
    pub fn was_joined(&self) -> bool {
        self.socket.was_joined()
    }

    /// Whether the namespace is joined.
    #[must_use]
    pub fn is_joined(&self, nsp: &str) -> bool {
        self.socket.is_joined(nsp)
    }

    /// Lets a connecting socket in, under this public id. `false` if it no longer asks.
    pub fn accept(&mut self, nsp: &str, sid: &str, pid: Option<&str>) -> bool {
        let answer = self.socket.accept(nsp, sid, pid);
        self.reply_if_any(answer)
    }

    /// Turns a connecting socket away; the client hears `connect_error`. `false` if it no longer asks.
    pub fn refuse(&mut self, nsp: &str, message: &str, data: Option<&RawValue>) -> bool {
        let answer = self.socket.refuse(nsp, message, data);
        self.reply_if_any(answer)
    }

    /// Sends an event.
    ///
    /// # Errors
    /// [`SendError::NotJoined`], [`SendError::Full`] or [`SendError::Closed`]; nothing was sent.
    pub fn send(&mut self, frame: &Frame) -> Result<(), SendError> {
        if !self.engine.is_open() {
            return Err(SendError::Closed);
        }
        if !self.socket.is_joined(frame.nsp()) {
            return Err(SendError::NotJoined);
        }
        self.engine.send(frame.messages())
    }

    /// Sends an event that asks for an acknowledgement, which comes as [`Event::Acked`] or never. Waiting no
    /// longer is [`Connection::forget_ack`]. Arguments as for [`Frame::binary_event`].
    ///
    /// # Errors
    /// See [`SendError`]; nothing was sent.
    pub fn emit_with_ack(
        &mut self,
        nsp: &str,
        name: &str,
        args: &impl Serialize,
        attachments: &[Bytes],
    ) -> Result<AckId, SendError> {
        let id = self.socket.issue_ack(nsp)?;
        let sent = encode_event(nsp, Some(id), name, args, attachments)
            .map_err(SendError::Encode)
            .and_then(|messages| self.engine.send(&messages));
        if sent.is_err() {
            self.socket.forget_ack(id);
        }
        sent.map(|()| id)
    }

    /// Stops waiting for an acknowledgement; one that still comes is ignored.
    pub fn forget_ack(&mut self, id: AckId) {
        self.socket.forget_ack(id);
    }

    /// Acknowledges a client's event. Arguments as for [`Frame::binary_event`].
    ///
    /// # Errors
    /// [`SendError::NotJoined`] if the socket has gone, or [`SendError::Encode`].
    pub fn ack(
        &mut self,
        nsp: &str,
        id: AckId,
        args: &impl Serialize,
        attachments: &[Bytes],
    ) -> Result<(), SendError> {
        if !self.socket.is_joined(nsp) {
            return Err(SendError::NotJoined);
        }
        self.engine.reply(&encode_ack(nsp, id, args, attachments)?);
        Ok(())
    }

    /// Removes a socket from its namespace; the client hears "io server disconnect" and does not come back
    /// by itself. Events of it that were not yet taken are dropped. `false` if it is not joined.
    pub fn disconnect(&mut self, nsp: &str) -> bool {
        let Some(packet) = self.socket.disconnect(nsp) else {
            return false;
        };
        self.outputs.retain(|output| !matches!(output, Output::Event(event) if event.nsp() == nsp));
        let reason = Reason::ServerNamespaceDisconnect;
        self.outputs.push_back(Output::Event(Event::Disconnected { nsp: nsp.into(), reason }));
        self.engine.reply(&[packet]);
        true
    }

    /// Removes all sockets and then closes the connection.
    pub fn disconnect_all(&mut self, now: Duration) {
        for nsp in self.socket.joined() {
            self.disconnect(&nsp);
        }
        self.close(Reason::ForcedClose, None, now);
    }

    /// Closes the connection from this side. Events that were not yet taken are dropped. A WebSocket is
    /// closed with `code`; the client then comes back by itself.
    pub fn close(&mut self, reason: Reason, code: Option<u16>, now: Duration) {
        self.now = now;
        if self.engine.is_open() {
            let is_ending = |event: &Event| matches!(event, Event::Disconnected { .. });
            self.outputs.retain(|output| !matches!(output, Output::Event(event) if !is_ending(event)));
            self.engine.close(Violation { reason, detail: "closed by the application" }, code, now);
        }
    }

    fn reply_if_any(&mut self, answer: Option<Message>) -> bool {
        answer.map(|packet| self.engine.reply(&[packet])).is_some()
    }

    /// Moves what the engine says up to the socket layer or out to the driver.
    fn pump(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            let lifted = self.lift(output);
            self.outputs.extend(lifted);
        }
    }

    /// What the engine says, as the driver hears it. What must come before that is queued.
    fn lift(&mut self, output: Output<Message>) -> Option<Output<Event>> {
        Some(match output {
            Output::Event(message) => Output::Event(self.on_message(message)?),
            Output::Closed(why) => {
                for nsp in self.socket.close() {
                    let reason = why.reason;
                    self.outputs.push_back(Output::Event(Event::Disconnected { nsp, reason }));
                }
                Output::Closed(why)
            }
            Output::Poll(body) => Output::Poll(body),
            Output::Socket(message) => Output::Socket(message),
            Output::CloseSocket(code) => Output::CloseSocket(code),
            Output::Upgraded => Output::Upgraded,
            Output::Finished => Output::Finished,
        })
    }

    fn on_message(&mut self, message: Message) -> Option<Event> {
        if self.is_rejected {
            return None;
        }
        match self.socket.receive(message, self.now) {
            Ok(event) => event,
            Err(violation) => {
                self.is_rejected = true;
                self.engine.close(violation, None, self.now);
                None
            }
        }
    }
}
