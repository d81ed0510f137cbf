//! Carillon's own application: what its sockets share.

use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use carillon_domain::ports::{Clock, Fanout, Log, PortError};
use carillon_domain::{Admission, Follower, Reader};
use carillon_protocol::engine::HandshakeError;

use crate::application::{Application, Handshake};
use crate::feed::Feed;
use crate::hub::Hub;
use crate::server::{Server, ServerSettings};
use crate::socket::Socket;

/// The figures a gateway runs by; the settings of the same names in the contract (§2) say what they mean.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// What it shares with any other application.
    pub server: ServerSettings,
    /// Sockets of one user; one more is refused with `too_many_connections`.
    pub max_connections_per_user: usize,
    /// Client events a second per connection, in the long run.
    pub event_rate: NonZeroU32,
    /// Client events at once. As many refusals more, and the connection is closed.
    pub event_burst: NonZeroU32,
    /// Bytes queued for one connection before it falls behind.
    pub mailbox_bytes: usize,
}

/// The domain, as a gateway needs it.
#[derive(Clone)]
pub struct Backend {
    /// Who may come in.
    pub admission: Admission,
    /// What they may do.
    pub reader: Reader,
    /// What they missed.
    pub log: Arc<dyn Log>,
    /// Word that the log has grown.
    pub fanout: Arc<dyn Fanout>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

/// The application that Carillon is: the log, carried to the sockets of those whom it concerns.
pub struct Gateway {
    pub(crate) settings: GatewaySettings,
    pub(crate) hub: Arc<Hub>,
    pub(crate) admission: Admission,
    pub(crate) reader: Reader,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) wall_clock: Arc<dyn Clock>,
}

impl Gateway {
    /// A server whose gateway stands at the log's head, and the task that carries the log to it, which must run for as
    /// long as the server does.
    ///
    /// # Errors
    /// The log's head cannot be read.
    pub async fn start(
        settings: GatewaySettings,
        backend: Backend,
    ) -> Result<(Arc<Server<Self>>, impl Future<Output = ()> + Send + 'static), PortError> {
        let head = backend.log.head().await?;
        let hub = Arc::new(Hub::new(head));
        let feed =
            Feed { follower: Follower::new(head), log: Arc::clone(&backend.log), hub: Arc::clone(&hub) };
        let server = settings.server.clone();
        let gateway = Self {
            settings,
            hub,
            admission: backend.admission,
            reader: backend.reader,
            log: backend.log,
            wall_clock: backend.clock,
        };
        Ok((Server::new(server, Arc::new(gateway)), feed.run(backend.fanout)))
    }
}

impl Application for Gateway {
    type Peer = Socket;

    /// Everyone may begin: who they are is asked at CONNECT.
    async fn open(self: &Arc<Self>, handshake: &Handshake<'_>) -> Result<Socket, HandshakeError> {
        let header = handshake.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(carillon_domain::bearer).map(str::to_owned);
        Ok(Socket::new(Arc::clone(self), token))
    }
}
