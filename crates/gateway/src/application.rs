//! What is served on connections: the interface between a node's [`crate::Server`] and a product.
//!
//! ```text
//!   first request ──Handshake──▶ Application::open ──▶ Peer, one for each session
//!
//!   Driver ── hear (what the machine tells) ──▶ Peer ── send, accept, ack, close… ──▶ its machine
//!          ── poll_next, take (what it waited for), on_time ─▶
//!          ── pump (there may be room) ───────▶
//! ```
//!
//! With a [`Connection`](carillon_protocol::Connection) for its machine a peer speaks Socket.IO: it hears CONNECT of
//! each namespace, which it accepts or refuses (there is its middleware), events with the ids of the acks they ask for, acks
//! and disconnects. With an [`engine::Session`](carillon_protocol::engine::Session) it speaks Engine.IO alone. What
//! peers share (rooms, stores) is the application's: [`Peer::poll_next`] is how word from elsewhere reaches a connection.
//! All is dispatched statically. [`crate::Gateway`] is one application, the conformance server of the tests has others.
//!
//! A Socket.IO server that lets everyone into the main namespace and sends back what they emit:
//!
//! ```no_run
//! use std::task::{Context, Poll};
//! use std::{convert::Infallible, num::NonZeroU32, sync::Arc, time::Duration};
//!
//! use carillon_gateway::{AllowedOrigins, Application, Handshake, Peer, Protocol, Server, ServerSettings};
//! use carillon_protocol::{Connection, Frame, engine::HandshakeError, socket::Event};
//!
//! struct Echo;
//! struct Socket;
//!
//! impl Application for Echo {
//!     type Peer = Socket;
//!     async fn open(self: &Arc<Self>, _: &Handshake<'_>) -> Result<Socket, HandshakeError> {
//!         Ok(Socket)
//!     }
//! }
//!
//! impl Peer for Socket {
//!     type Machine = Connection;
//!     type Step = Infallible;
//!
//!     fn hear(&mut self, event: Event, machine: &mut Connection, _: Duration) {
//!         match event {
//!             Event::Connect { nsp, .. } if nsp == "/" => drop(machine.accept("/", "a-public-id", None)),
//!             Event::Connect { nsp, .. } => drop(machine.refuse(&nsp, "Invalid namespace", None)),
//!             Event::Emitted { name, args, .. } => {
//!                 if let Ok(frame) = Frame::binary_event("/", &name, &args, args.attachments()) {
//!                     drop(machine.send(&frame));
//!                 }
//!             }
//!             Event::Acked { .. } | Event::Disconnected { .. } => {}
//!         }
//!     }
//!     fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Infallible> {
//!         Poll::Pending
//!     }
//!     fn take(&mut self, step: Infallible, _: &mut Connection, _: Duration) {
//!         match step {}
//!     }
//!     fn pump(&mut self, _: &mut Connection) {}
//!     fn has_room(&self) -> bool {
//!         true
//!     }
//! }
//!
//! let settings = ServerSettings {
//!     protocol: Protocol::default(),
//!     node_id: "n1".into(),
//!     allowed_origins: AllowedOrigins::Any,
//!     max_connections: 1_000,
//!     control_rate: NonZeroU32::MIN,
//!     control_burst: NonZeroU32::MIN,
//!     handshake_rate: NonZeroU32::MIN,
//!     handshake_burst: NonZeroU32::MIN,
//!     drain: Duration::ZERO,
//! };
//! actix_web::rt::System::new().block_on(async {
//!     let (running, address) = carillon_gateway::listen("127.0.0.1:0", Server::new(settings, Arc::new(Echo)), |_| {})?;
//!     println!("listening on http://{address}");
//!     running.await
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::http::Uri;
use actix_web::http::header::HeaderMap;
use carillon_protocol::Machine;
use carillon_protocol::engine::{HandshakeError, handshake};

/// The first request of a session. Browsers cannot set headers on a WebSocket, so for one that begins with polling
/// this is where they are, and those of later requests do not count.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its target.
    pub uri: &'a Uri,
    /// Where the TCP connection comes from; a proxy's address behind a proxy.
    pub address: Option<SocketAddr>,
}

impl Handshake<'_> {
    /// The query's pairs, decoded, in their order.
    pub fn query(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        handshake::pairs(self.uri.query().unwrap_or_default())
    }
}

/// What a node serves on its connections.
pub trait Application: Sized + Send + Sync + 'static {
    /// One session's part of it.
    type Peer: Peer;

    /// Where it is mounted, without the slash at its end: `/engine.io` for Engine.IO alone, by convention.
    const PATH: &'static str = "/socket.io";

    /// Whether [`Peer::posting`] is called. Copying the headers of each POST is not free.
    const HEARS_POST_HEADERS: bool = false;

    /// Lets a session begin, or turns it away. While it waits the client has no answer.
    ///
    /// # Errors
    /// The HTTP answer, such as [`HandshakeError::FORBIDDEN`].
    fn open(
        self: &Arc<Self>,
        handshake: &Handshake<'_>,
    ) -> impl Future<Output = Result<Self::Peer, HandshakeError>>;
}

/// The product's side of one connection, called by the one task that drives it. It is dropped when the connection is
/// over. No method may block.
pub trait Peer: Send + 'static {
    /// What it speaks.
    type Machine: Machine + Send;
    /// Something it waited for.
    type Step;

    /// Takes what the machine tells.
    fn hear(&mut self, event: <Self::Machine as Machine>::Event, machine: &mut Self::Machine, now: Duration);

    /// Learns the headers of a POST whose messages it is about to hear, if [`Application::HEARS_POST_HEADERS`].
    fn posting(&mut self, _headers: HeaderMap) {}

    /// Whatever comes first of what this peer waits for; if that is nothing, it is pending for ever.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Self::Step>;

    /// Lets what this peer waits for go on while its client takes nothing, and keeps what comes of it for
    /// [`Peer::poll_next`], which is not called meanwhile: what is under way elsewhere for one connection may be what others
    /// wait for.
    fn poll_work(&mut self, _cx: &mut Context<'_>) {}

    /// Takes what [`Peer::poll_next`] brought.
    fn take(&mut self, step: Self::Step, machine: &mut Self::Machine, now: Duration);

    /// When [`Peer::on_time`] is to be called, if ever. It is asked again after everything that happens.
    fn deadline(&mut self, _now: Duration) -> Option<Duration> {
        None
    }

    /// The deadline has passed, or another one of the connection's.
    fn on_time(&mut self, _machine: &mut Self::Machine, _now: Duration) {}

    /// Moves what waits for the client to the machine, as far as it takes it. Called first of all, and after everything that
    /// happens.
    fn pump(&mut self, machine: &mut Self::Machine);

    /// Whether more may be read from the client's WebSocket.
    fn has_room(&self) -> bool;
}

/// The machine of an application's peers.
pub(crate) type MachineOf<A> = <<A as Application>::Peer as Peer>::Machine;
