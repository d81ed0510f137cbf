//! One task, one connection: it waits for its link, its peer and its deadline, and does what the machine says.
//!
//! ```text
//!   HTTP requests ──Link──▶ ┌────────┐ ──▶ machine ──▶ answers to polls, WebSocket messages
//!   WebSocket ────────────▶ │ Driver │ ──▶ peer: what the application makes of it
//!   peer, deadline ───────▶ └────────┘
//! ```
//!
//! The WebSocket of an upgrading client may arrive on another worker than its polls, whose IO driver it is registered
//! with; so the driver moves to it, whole, and goes on there.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use bytes::Bytes;
use bytestring::ByteString;
use carillon_protocol::engine::{HandshakeError, Input, Request, Transport};
use carillon_protocol::{Machine, Output, Reason};
use metrics::counter;
use tokio::sync::{mpsc, oneshot};

use crate::alarm::Alarm;
use crate::application::{Application, MachineOf, Peer};
use crate::bell::Bell;
use crate::counted;
use crate::directory::Reach;
use crate::doorstep::Place;
use crate::limiter::Limiter;
use crate::server::Server;
use crate::transport::{Received, WebSocket, gather};

mod driving;

pub(crate) use driving::Driving;

/// The WebSocket close code that says "come back, to another node if you can" (RFC 6455 registry: Service Restart).
pub(crate) const RESTARTING: u16 = 1012;
/// The WebSocket close code for one who will not keep the rules (RFC 6455 §7.4.1).
pub(crate) const POLICY: u16 = 1008;
/// How long a client may take nothing, before the connection is closed as too slow.
const STALLED: Duration = Duration::from_secs(30);
/// Bytes gathered before they are written: what is said in one turn leaves in one system call.
const GATHERED: usize = 16 * 1024;
/// What one connection takes up before the others of its worker have their turn.
const TURNS: usize = 64;

/// An HTTP request for a session's task.
pub(crate) enum Link<A: Application> {
    /// A GET: the answer is the body.
    Poll(oneshot::Sender<Result<ByteString, HandshakeError>>),
    /// A POST's body, and its headers if the application hears them.
    Body(Bytes, Option<Box<HeaderMap>>, oneshot::Sender<Result<(), HandshakeError>>),
    /// A POST that could not be read to its end.
    BodyFailed,
    /// A WebSocket wants to take over: the answer is the driver itself.
    Upgrade(oneshot::Sender<Result<Box<Driver<A>>, HandshakeError>>),
}

/// Everything one connection is.
pub(crate) struct Driver<A: Application> {
    server: Arc<Server<A>>,
    sid: String,
    machine: MachineOf<A>,
    peer: A::Peer,
    /// Its place among those that are not let in yet.
    place: Option<Place>,
    /// `None` for a session that never polled.
    links: Option<mpsc::Receiver<Link<A>>>,
    websocket: Option<WebSocket>,
    /// Pings of the WebSocket's own, which the codec answers.
    controls: Limiter,
    /// The GET that waits for an answer.
    poll: Option<oneshot::Sender<Result<ByteString, HandshakeError>>>,
    /// Rung when the node begins to drain.
    bell: Arc<Bell>,
    /// When this connection is to be closed for the drain.
    leave_at: Option<Duration>,
    /// When the WebSocket is given up, while it takes nothing.
    stalled_at: Option<Duration>,
    alarm: Alarm,
    /// Of what it waits for, the one that is looked at first: each in turn, so that none keeps another waiting.
    first: u8,
}

/// What ended a wait.
enum Wake<A: Application> {
    Link(Option<Link<A>>),
    PollAborted,
    Received(Received),
    Step(<A::Peer as Peer>::Step),
    Time,
}

/// How far the machine's word was done.
enum Performed {
    All,
    /// As far as the WebSocket takes it.
    Blocked,
    /// There is nothing left to do, ever.
    Finished,
}

impl<A: Application> Driver<A> {
    /// A driver for a session that was just opened, and has this `place` until it is let in; `bell` is the directory's. `poll` is
    /// its first request, if it polls.
    pub(crate) fn new(
        server: Arc<Server<A>>,
        sid: String,
        peer: A::Peer,
        place: Place,
        (links, bell): Reach<A>,
        poll: Option<oneshot::Sender<Result<ByteString, HandshakeError>>>,
    ) -> Box<Self> {
        counted::handshake("opened");
        let transport = if links.is_some() { Transport::Polling } else { Transport::Websocket };
        Box::new(Self {
            machine: Machine::open(Arc::clone(&server.protocol), &sid, transport, server.now()),
            controls: server.control_limiter(),
            server,
            sid,
            peer,
            place: Some(place),
            links,
            websocket: None,
            poll,
            bell,
            leave_at: None,
            stalled_at: None,
            alarm: Alarm::default(),
            first: 0,
        })
    }

    /// Drives on where the WebSocket that was to come broke first.
    pub(crate) fn run_without(mut self: Box<Self>) -> Driving<A> {
        self.machine.handle(Input::SocketFailed, self.server.now());
        self.run(None)
    }

    /// Drives the connection to its end, or until it moves on to a WebSocket elsewhere.
    pub(crate) fn run(mut self: Box<Self>, websocket: Option<WebSocket>) -> Driving<A> {
        self.websocket = websocket;
        // It belongs to the worker that the connection was on before.
        self.alarm = Alarm::default();
        Driving::new(self)
    }

    /// Does all there is to do. What it was asked for last, if that takes the driver itself.
    fn drive(&mut self, gathered: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<Option<Link<A>>> {
        for _ in 0..TURNS {
            if self.is_blocked(gathered, cx) {
                return Poll::Pending;
            }
            self.peer.pump(&mut self.machine);
            match self.perform(gathered, cx) {
                Performed::All => {}
                Performed::Blocked => continue,
                Performed::Finished => return Poll::Ready(None),
            }
            if self.place.is_some() && self.machine.is_let_in() {
                self.place = None;
            }
            match self.poll_wake(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Wake::Link(Some(upgrade @ Link::Upgrade(_)))) => {
                    return Poll::Ready(Some(upgrade));
                }
                Poll::Ready(wake) => self.take(wake, gathered),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the WebSocket has yet to take what was sent. Nothing new is taken up meanwhile, and in the end it is given up.
    fn is_blocked(&mut self, gathered: &mut Vec<u8>, cx: &mut Context<'_>) -> bool {
        if !self.websocket.as_ref().is_some_and(WebSocket::has_unsent) || self.send(gathered, cx) {
            self.stalled_at = None;
            return false;
        }
        let stalled_at = *self.stalled_at.get_or_insert_with(|| self.server.now() + STALLED);
        if self.alarm.poll_passed(self.server.started, Some(stalled_at), cx).is_pending() {
            self.peer.poll_work(cx);
            return true;
        }
        self.fail();
        false
    }

    /// Sends what was gathered. `false` if some of it must wait; what cannot be sent at all ends the link.
    fn send(&mut self, gathered: &mut Vec<u8>, cx: &mut Context<'_>) -> bool {
        match self.websocket.as_mut().map(|link| link.poll_send(gathered, cx)) {
            Some(Poll::Pending) => return false,
            Some(Poll::Ready(false)) => self.fail(),
            Some(Poll::Ready(true)) | None => {}
        }
        gathered.clear();
        true
    }

    fn fail(&mut self) {
        self.websocket = None;
        self.machine.handle(Input::SocketFailed, self.server.now());
    }

    /// The next thing that has happened.
    fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<Wake<A>> {
        const SOURCES: u8 = 5;
        for turn in 0..SOURCES {
            let source = (self.first + turn) % SOURCES;
            if let Poll::Ready(wake) = self.poll_source(source, cx) {
                self.first = (source + 1) % SOURCES;
                return Poll::Ready(wake);
            }
        }
        Poll::Pending
    }

    fn poll_source(&mut self, source: u8, cx: &mut Context<'_>) -> Poll<Wake<A>> {
        let Self { peer, links, poll, websocket, .. } = self;
        match (source, links, poll, websocket) {
            (0, Some(links), ..) => links.poll_recv(cx).map(Wake::Link),
            (1, _, Some(poll), _) => poll.poll_closed(cx).map(|()| Wake::PollAborted),
            (2, .., Some(websocket)) if peer.has_room() => websocket.poll_recv(cx).map(Wake::Received),
            (3, ..) => peer.poll_next(cx).map(Wake::Step),
            (4, ..) => self.poll_time(cx).map(|()| Wake::Time),
            _ => Poll::Pending,
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { server, machine, peer, bell, leave_at, alarm, .. } = self;
        if leave_at.is_none() {
            while bell.poll_heard(cx).is_ready() {}
            if server.is_draining() {
                *leave_at = Some(server.now() + server.moment_to_leave());
            }
        }
        let deadlines = [machine.deadline(), *leave_at, peer.deadline(server.now())];
        alarm.poll_passed(server.started, deadlines.into_iter().flatten().min(), cx)
    }

    fn take(&mut self, wake: Wake<A>, gathered: &mut Vec<u8>) {
        let now = self.server.now();
        match wake {
            Wake::Link(None) => self.links = None,
            Wake::Link(Some(Link::Poll(reply))) => match self.machine.request(Request::Poll, now) {
                Ok(()) => self.poll = Some(reply),
                Err(refusal) => drop(reply.send(Err(refusal))),
            },
            Wake::Link(Some(Link::Body(body, headers, reply))) => {
                if let Some(headers) = headers {
                    self.peer.posting(*headers);
                }
                drop(reply.send(self.machine.request(Request::Body(body), now)));
            }
            Wake::Link(Some(Link::BodyFailed)) => self.machine.handle(Input::BodyFailed, now),
            // Taken by `Driving`, which owns the driver it gives away.
            Wake::Link(Some(Link::Upgrade(_))) => {}
            Wake::PollAborted => {
                self.poll = None;
                self.machine.handle(Input::PollAborted, now);
            }
            Wake::Received(received) => self.receive(received, gathered),
            Wake::Step(step) => self.peer.take(step, &mut self.machine, now),
            Wake::Time if self.leave_at.is_some_and(|at| at <= now) => {
                self.leave_at = Some(Duration::MAX);
                self.machine.close(Reason::ServerShuttingDown, Some(RESTARTING), now);
            }
            Wake::Time => {
                self.machine.handle(Input::Timer, now);
                self.peer.on_time(&mut self.machine, now);
            }
        }
    }

    fn receive(&mut self, received: Received, gathered: &mut Vec<u8>) {
        let input = match received {
            Received::Message(message) => Input::Socket(message),
            Received::Control if self.controls.check().is_ok() => return,
            Received::Control => {
                counted::rate_limited("ping");
                return self.machine.close(Reason::ForcedServerClose, Some(POLICY), self.server.now());
            }
            Received::Closed => {
                self.close(None, gathered);
                Input::SocketClosed
            }
            Received::Failed(code) => {
                self.close(code, gathered);
                Input::SocketFailed
            }
        };
        self.machine.handle(input, self.server.now());
    }

    /// Does what the machine says.
    fn perform(&mut self, gathered: &mut Vec<u8>, cx: &mut Context<'_>) -> Performed {
        loop {
            while let Some(output) = self.machine.poll_output() {
                match output {
                    Output::Poll(body) => {
                        if let Some(poll) = self.poll.take()
                            && poll.send(Ok(body)).is_err()
                        {
                            self.machine.handle(Input::PollAborted, self.server.now());
                        }
                    }
                    Output::Socket(message) if self.websocket.is_some() => {
                        gather(&message, gathered);
                        if gathered.len() >= GATHERED && !self.send(gathered, cx) {
                            return Performed::Blocked;
                        }
                    }
                    Output::Socket(_) => {}
                    Output::CloseSocket(code) => self.close(code, gathered),
                    Output::Upgraded => self.server.directory.upgraded(&self.sid),
                    Output::Event(event) => {
                        let now = self.server.now();
                        self.peer.hear(event, &mut self.machine, now);
                    }
                    Output::Closed(why) => {
                        counter!("carillon_sessions_closed_total", "reason" => why.reason.as_str())
                            .increment(1);
                        tracing::debug!(reason = %why.reason, detail = why.detail, "session closed");
                    }
                    Output::Finished => return Performed::Finished,
                }
            }
            if gathered.is_empty() {
                return Performed::All;
            }
            if !self.send(gathered, cx) {
                return Performed::Blocked;
            }
        }
    }

    fn close(&mut self, code: Option<u16>, gathered: &mut Vec<u8>) {
        if let Some(websocket) = self.websocket.take() {
            websocket.close(code, gathered);
        }
    }
}

impl<A: Application> Drop for Driver<A> {
    fn drop(&mut self) {
        self.server.directory.close(&self.sid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Gateway;

    /// The allocator's next class is 1,536 bytes: a field more may cost each connection 256.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_connection_fits_the_class_it_was_measured_in() {
        assert!(size_of::<Driver<Gateway>>() <= 1280, "{} bytes", size_of::<Driver<Gateway>>());
    }
}
