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

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use bytes::Bytes;
use bytestring::ByteString;
use carillon_protocol::engine::{HandshakeError, Input, Request, Transport};
use carillon_protocol::{Machine, Output, Reason};
use metrics::counter;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::application::{Application, MachineOf, Peer};
use crate::counted;
use crate::doorstep::Place;
use crate::limiter::Limiter;
use crate::server::Server;
use crate::transport::{Received, WebSocket};

/// The WebSocket close code that says "come back, to another node if you can" (RFC 6455 registry: Service Restart).
pub(crate) const RESTARTING: u16 = 1012;
/// The WebSocket close code for one who will not keep the rules (RFC 6455 §7.4.1).
pub(crate) const POLICY: u16 = 1008;

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
    /// Pings of the WebSocket's own, which the codec answers.
    controls: Limiter,
    /// The GET that waits for an answer.
    poll: Option<oneshot::Sender<Result<ByteString, HandshakeError>>>,
    draining: watch::Receiver<bool>,
    /// When this connection is to be closed for the drain.
    leave_at: Option<Duration>,
}

/// What ended a wait.
enum Wake<A: Application> {
    Link(Option<Link<A>>),
    PollAborted,
    Received(Received),
    Step(<A::Peer as Peer>::Step),
    Drain,
    Deadline,
}

impl<A: Application> Driver<A> {
    /// A driver for a session that was just opened, and has this `place` until it is let in. `poll` is its first request, if it polls.
    pub(crate) fn new(
        server: Arc<Server<A>>,
        sid: String,
        peer: A::Peer,
        place: Place,
        links: Option<mpsc::Receiver<Link<A>>>,
        poll: Option<oneshot::Sender<Result<ByteString, HandshakeError>>>,
    ) -> Box<Self> {
        counted::handshake("opened");
        let transport = if links.is_some() { Transport::Polling } else { Transport::Websocket };
        let machine = Machine::open(server.settings.protocol, &sid, transport, server.now());
        let (draining, controls) = (server.draining(), server.control_limiter());
        let place = Some(place);
        Box::new(Self { server, sid, machine, peer, place, links, controls, poll, draining, leave_at: None })
    }

    /// Drives on where the WebSocket that was to come broke first.
    pub(crate) async fn run_without(mut self: Box<Self>) {
        self.machine.handle(Input::SocketFailed, self.server.now());
        self.run(None).await;
    }

    /// Drives the connection to its end, or until it moves on to a WebSocket elsewhere.
    pub(crate) async fn run(mut self: Box<Self>, mut websocket: Option<WebSocket>) {
        loop {
            self.peer.pump(&mut self.machine);
            if !self.perform(&mut websocket).await {
                #[cfg(leak_sessions)]
                self.leak();
                return;
            }
            if self.place.is_some() && self.machine.is_let_in() {
                self.place = None;
            }
            let wake = self.wait(&mut websocket).await;
            match wake {
                Wake::Link(Some(Link::Upgrade(reply))) => {
                    match self.machine.request(Request::Probe, self.server.now()) {
                        Err(refusal) => drop(reply.send(Err(refusal))),
                        Ok(()) => match reply.send(Ok(self)) {
                            Ok(()) => return,
                            // The WebSocket has gone already.
                            Err(returned) => match returned {
                                Ok(driver) => {
                                    self = driver;
                                    self.machine.handle(Input::SocketFailed, self.server.now());
                                }
                                Err(_) => return,
                            },
                        },
                    }
                }
                other => self.take(other, &mut websocket).await,
            }
        }
    }

    /// Waits for the next thing to happen.
    async fn wait(&mut self, websocket: &mut Option<WebSocket>) -> Wake<A> {
        let Self { server, machine, peer, links, poll, draining, leave_at, .. } = self;
        let deadline = [machine.deadline(), *leave_at].into_iter().flatten().min();
        let listens = peer.has_room();
        tokio::select! {
            link = async { links.as_mut()?.recv().await }, if links.is_some() => Wake::Link(link),
            () = async { if let Some(poll) = poll { poll.closed().await } }, if poll.is_some() => Wake::PollAborted,
            received = async { match websocket { Some(websocket) => websocket.recv().await, None => pending().await } }, if listens => Wake::Received(received),
            step = peer.next() => Wake::Step(step),
            _ = draining.wait_for(|draining| *draining), if leave_at.is_none() => Wake::Drain,
            () = until(server.started, deadline) => Wake::Deadline,
        }
    }

    async fn take(&mut self, wake: Wake<A>, websocket: &mut Option<WebSocket>) {
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
            // Taken by `run`, which owns the driver it gives away.
            Wake::Link(Some(Link::Upgrade(_))) => {}
            Wake::PollAborted => {
                self.poll = None;
                self.machine.handle(Input::PollAborted, now);
            }
            Wake::Received(received) => self.receive(received, websocket),
            Wake::Step(step) => self.peer.take(step, &mut self.machine, now),
            Wake::Drain => self.leave_at = Some(now + self.server.moment_to_leave()),
            Wake::Deadline if self.leave_at.is_some_and(|at| at <= now) => {
                self.leave_at = Some(Duration::MAX);
                self.machine.close(Reason::ServerShuttingDown, Some(RESTARTING), now);
            }
            Wake::Deadline => self.machine.handle(Input::Timer, now),
        }
    }

    fn receive(&mut self, received: Received, websocket: &mut Option<WebSocket>) {
        let input = match received {
            Received::Message(message) => Input::Socket(message),
            Received::Control if self.controls.check().is_ok() => return,
            Received::Control => {
                counted::rate_limited("ping");
                return self.machine.close(Reason::ForcedServerClose, Some(POLICY), self.server.now());
            }
            Received::Closed => {
                close(websocket, None);
                Input::SocketClosed
            }
            Received::Failed(code) => {
                close(websocket, code);
                Input::SocketFailed
            }
        };
        self.machine.handle(input, self.server.now());
    }

    /// Does what the machine says; `false` when there is nothing left to do, ever.
    async fn perform(&mut self, websocket: &mut Option<WebSocket>) -> bool {
        let mut is_fed = false;
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
                    Output::Socket(message) => {
                        if let Some(link) = websocket {
                            is_fed = link.feed(message).await;
                            self.fail_unless(is_fed, websocket);
                        }
                    }
                    Output::CloseSocket(code) => close(websocket, code),
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
                    Output::Finished => return false,
                }
            }
            // What was said in one turn leaves in one write.
            match websocket {
                Some(link) if std::mem::take(&mut is_fed) => {
                    let is_flushed = link.flush().await;
                    self.fail_unless(is_flushed, websocket);
                }
                _ => return true,
            }
        }
    }

    /// What the soak must notice: one session in 1,000 that is gone from every list and still in memory.
    #[cfg(leak_sessions)]
    fn leak(self: Box<Self>) {
        static ENDED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
        if ENDED.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 1_000 == 0 {
            self.server.directory.close(&self.sid);
            std::mem::forget(self);
        }
    }

    fn fail_unless(&mut self, is_written: bool, websocket: &mut Option<WebSocket>) {
        if !is_written {
            *websocket = None;
            self.machine.handle(Input::SocketFailed, self.server.now());
        }
    }
}

impl<A: Application> Drop for Driver<A> {
    fn drop(&mut self) {
        self.server.directory.close(&self.sid);
    }
}

fn close(websocket: &mut Option<WebSocket>, code: Option<u16>) {
    if let Some(websocket) = websocket.take() {
        websocket.close(code);
    }
}

async fn until(started: std::time::Instant, deadline: Option<Duration>) {
    match deadline.and_then(|deadline| started.checked_add(deadline)) {
        Some(at) => tokio::time::sleep_until(Instant::from_std(at)).await,
        None => pending().await,
    }
}
