//! Carillon's own application: what its sockets share.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::AUTHORIZATION;
use carillon_domain::ports::{Clock, Connections, Explain, Fanout, Log, Pids, PortError};
use carillon_domain::{
    Admission, Broadcaster, Entitled, Follower, Head, KindRules, Position, Principal, Reader, Reception, Row,
    UNREAD_BOUND,
};
use carillon_protocol::engine::HandshakeError;
use futures_util::FutureExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::acks;
use crate::application::{Application, Handshake};
use crate::attendance::Attendance;
use crate::feed::Feed;
use crate::gathering::Gathering;
use crate::hub::Hub;
use crate::limiter::UserLimiter;
use crate::recent;
use crate::server::{Server, ServerSettings};
use crate::socket::Socket;

/// Visits to the store that connections on their way to live make at the same time. When thousands come back at once
/// the rest waits here, in order, instead of in the store's pool, where waiting ends in a fault.
pub(crate) const STORE_TURNS: usize = 16;
/// Rows in one read of the recent past.
const PAGE: u32 = 1_024;

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
    /// The most rows that are replayed to a client that comes back.
    pub recovery_limit: u32,
    /// What is decided of single types of notifications.
    pub kind_rules: Arc<KindRules>,
    /// How long a session can be resumed after it began: as long as the log keeps its rows.
    pub recovery_age: Duration,
}

/// The domain, as a gateway needs it.
#[derive(Clone)]
pub struct Backend {
    /// Who may come in.
    pub admission: Admission,
    /// What they may do.
    pub reader: Reader,
    /// What those in charge say to everyone.
    pub broadcaster: Broadcaster,
    /// What they missed.
    pub log: Arc<dyn Log>,
    /// Who is told which of it was queued.
    pub explain: Arc<dyn Explain>,
    /// Word that the log has grown.
    pub fanout: Arc<dyn Fanout>,
    /// Who is here.
    pub reception: Reception,
    /// How sessions travel with their clients.
    pub pids: Arc<dyn Pids>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

/// The application that Carillon is: the log, carried to the sockets of those whom it concerns.
pub struct Gateway {
    pub(crate) settings: GatewaySettings,
    pub(crate) hub: Arc<Hub>,
    pub(crate) admission: Admission,
    pub(crate) reader: Reader,
    pub(crate) broadcaster: Broadcaster,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) explain: Arc<dyn Explain>,
    pub(crate) fanout: Arc<dyn Fanout>,
    pub(crate) attendance: Arc<Attendance>,
    pub(crate) pids: Arc<dyn Pids>,
    pub(crate) wall_clock: Arc<dyn Clock>,
    /// What all connections of one user may do together.
    pub(crate) user_limiter: UserLimiter,
    store_turns: Semaphore,
    visits: Gathering<Principal, Entitled>,
    counts: Gathering<(Arc<Entitled>, Position), u32>,
}

impl Gateway {
    /// A server whose gateway stands at the log's head, and the task that carries the log to it, tells who comes and goes, and
    /// tells the store whom it reached, which must run for as long as the server does.
    ///
    /// # Errors
    /// The log's head, or the rows before it, cannot be read.
    pub async fn start(
        settings: GatewaySettings,
        backend: Backend,
    ) -> Result<(Arc<Server<Self>>, impl Future<Output = ()> + Send + 'static), PortError> {
        let server = settings.server.clone();
        let (fanout, explain) = (Arc::clone(&backend.fanout), Arc::clone(&backend.explain));
        let (gateway, feed) = Self::assemble(settings, backend).await?;
        let news = Arc::clone(&gateway.attendance).run(Arc::clone(&gateway.hub));
        let acks = acks::run(gateway.broadcaster.clone(), Arc::clone(&gateway.hub));
        let (hub, node_id) = (Arc::clone(&gateway.hub), server.node_id.clone());
        let run = async move {
            tokio::select! {
                () = feed.run(fanout) => {}
                () = news => {}
                () = acks => {}
                () = hub.reached.run(explain.as_ref(), &node_id) => {}
            }
        };
        Ok((Server::new(server, Arc::new(gateway)), run))
    }

    /// A gateway at the log's head, and what carries the log to it.
    pub(crate) async fn assemble(
        settings: GatewaySettings,
        backend: Backend,
    ) -> Result<(Self, Feed), PortError> {
        let (head, after, rows) = recent_past(backend.log.as_ref()).await?;
        let blocks = Arc::clone(backend.admission.blocks());
        // After the head: what the list does not have yet, the feed will follow.
        blocks.load(backend.log.blocked().await?);
        let rules = Arc::clone(&settings.kind_rules);
        let hub = Hub::new(head, after, rows, blocks, rules).with_clock(Arc::clone(&backend.clock));
        let hub = Arc::new(hub);
        hub.mutes().load(backend.reader.mutings().await?);
        let feed = Feed {
            follower: Follower::new(head),
            log: Arc::clone(&backend.log),
            reader: backend.reader.clone(),
            hub: Arc::clone(&hub),
            clock: Arc::clone(&backend.clock),
        };
        let user_limiter = UserLimiter::new(settings.event_rate, settings.event_burst);
        let gateway = Self {
            settings,
            hub,
            admission: backend.admission,
            reader: backend.reader,
            broadcaster: backend.broadcaster,
            log: backend.log,
            explain: backend.explain,
            fanout: backend.fanout,
            attendance: Attendance::new(backend.reception, Arc::clone(&backend.clock)),
            pids: backend.pids,
            wall_clock: backend.clock,
            user_limiter,
            store_turns: Semaphore::new(STORE_TURNS),
            visits: Gathering::default(),
            counts: Gathering::default(),
        };
        Ok((gateway, feed))
    }

    /// A turn at the store, for a connection that is not live yet.
    pub(crate) async fn store_turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes the semaphore.
        self.store_turns.acquire().await.ok()
    }

    /// Lets a principal in.
    pub(crate) async fn enter(&self, principal: &Principal) -> Result<Entitled, PortError> {
        let enter = |all: Vec<Principal>| {
            async move {
                let _turn = self.store_turn().await;
                self.reader.enter_all(&all).await
            }
            .boxed()
        };
        self.visits.ask(principal.clone(), enter).await
    }

    /// How many are unread at or below a place.
    pub(crate) async fn unread(&self, who: Arc<Entitled>, up_to: Position) -> Result<u32, PortError> {
        let count = |all: Vec<(Arc<Entitled>, Position)>| {
            async move {
                let _turn = self.store_turn().await;
                self.reader.unread_all(&all).await
            }
            .boxed()
        };
        match self.counts.ask((Arc::clone(&who), up_to), count).await? {
            UNREAD_BOUND => {
                // It may take more than one look, for which the others need not wait.
                let _turn = self.store_turn().await;
                self.reader.unread(&who, up_to).await
            }
            unread => Ok(unread),
        }
    }
}

impl Server<Gateway> {
    /// The sockets of this node, for whoever may ask.
    #[must_use]
    pub fn sockets(&self) -> Arc<dyn Connections> {
        Arc::clone(&self.application.attendance) as _
    }

    /// After the drain: notes when those who have left were last here.
    pub async fn note_last_seen(&self) {
        self.application.attendance.close().await;
    }
}

/// The last rows of the log, and the place that all of them follow: a node that was killed finds its clients coming
/// back, and what they missed should not have to be read for each.
async fn recent_past(log: &dyn Log) -> Result<(Head, Position, Vec<Arc<Row>>), PortError> {
    let mut head = log.head().await?;
    let epoch = head.epoch;
    let start = head.position.minus(recent::ROWS).max(head.trimmed);
    let (mut rows, mut through) = (Vec::new(), start);
    while through < head.position {
        let page = log.read(through, PAGE).await?;
        rows.extend(page.rows);
        (head, through) = (page.head, page.through);
    }
    // Deleted meanwhile, or another log: then only what follows is known for sure.
    if head.epoch.is_other(epoch) || head.trimmed > start {
        return Ok((head, head.position, Vec::new()));
    }
    Ok((head, start, rows))
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
