//! What a driver needs of a session, whatever is spoken inside it.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::{self, HandshakeError, Input, Message, Output, Request, Transport};
use crate::socket::Event;
use crate::{Config, Connection, Reason, Violation};

/// A session without IO that a driver brings to life: Engine.IO alone ([`engine::Session`], which tells of
/// [`Message`]s) or with Socket.IO on top ([`Connection`], which tells of [`Event`]s). Times are since an
/// arbitrary origin that the caller keeps to.
pub trait Machine {
    /// What the application is told.
    type Event;

    /// Opens a session whose id the caller made. On polling the opening GET is pending.
    fn open(config: Arc<Config>, sid: &str, transport: Transport, now: Duration) -> Self;

    /// Takes an HTTP request that names this session.
    ///
    /// # Errors
    /// How to refuse the request. Some refusals also close the session: take the outputs.
    fn request(&mut self, request: Request, now: Duration) -> Result<(), HandshakeError>;

    /// Takes anything else that happened.
    fn handle(&mut self, input: Input, now: Duration);

    /// The next thing to do.
    fn poll_output(&mut self) -> Option<Output<Self::Event>>;

    /// When [`Input::Timer`] is next due. `None`: never again.
    fn deadline(&self) -> Option<Duration>;

    /// Whether the application has let the client in: joined a namespace once, where there are any.
    fn is_let_in(&self) -> bool;

    /// Closes the session from this side; a WebSocket with `code`.
    fn close(&mut self, reason: Reason, code: Option<u16>, now: Duration);
}

impl Machine for engine::Session {
    type Event = Message;

    fn open(config: Arc<Config>, sid: &str, transport: Transport, now: Duration) -> Self {
        Self::open(config, sid, transport, now)
    }

    fn request(&mut self, request: Request, now: Duration) -> Result<(), HandshakeError> {
        self.request(request, now)
    }

    fn handle(&mut self, input: Input, now: Duration) {
        self.handle(input, now);
    }

    fn poll_output(&mut self) -> Option<Output<Message>> {
        self.poll_output()
    }

    fn deadline(&self) -> Option<Duration> {
        self.deadline()
    }

    fn is_let_in(&self) -> bool {
        true
    }

    fn close(&mut self, reason: Reason, code: Option<u16>, now: Duration) {
        self.close(Violation { reason, detail: "closed by the application" }, code, now);
    }
}

impl Machine for Connection {
    type Event = Event;

    fn open(config: Arc<Config>, sid: &str, transport: Transport, now: Duration) -> Self {
        Self::open(config, sid, transport, now)
    }

    fn request(&mut self, request: Request, now: Duration) -> Result<(), HandshakeError> {
        self.request(request, now)
    }

    fn handle(&mut self, input: Input, now: Duration) {
        self.handle(input, now);
    }

    fn poll_output(&mut self) -> Option<Output<Event>> {
        self.poll_output()
    }

    fn deadline(&self) -> Option<Duration> {
        self.deadline()
    }

    fn is_let_in(&self) -> bool {
        self.was_joined()
    }

    fn close(&mut self, reason: Reason, code: Option<u16>, now: Duration) {
        self.close(reason, code, now);
    }
}
