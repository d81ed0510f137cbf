//! What all connections of a node share.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use carillon_domain::ports::{Clock, Fanout, Log, PortError};
use carillon_domain::{Admission, Follower, Reader};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::watch;

use crate::directory::Directory;
use crate::doorstep::Doorstep;
use crate::feed::Feed;
use crate::hub::Hub;
use crate::origin::Origins;

/// The figures a gateway runs by; the settings of the same names in the contract (§2) say what they mean.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// Times and bounds of one session.
    pub protocol: carillon_protocol::Config,
    /// This node's name: sids begin with it and a full stop.
    pub node_id: String,
    /// Allowed origins, exact: `scheme://host[:port]`.
    pub allowed_origins: Vec<String>,
    /// Sessions of this node; one more is answered 503.
    pub max_connections: usize,
    /// Sockets of one user; one more is refused with `too_many_connections`.
    pub max_connections_per_user: usize,
    /// Client events a second per connection, in the long run.
    pub event_rate: NonZeroU32,
    /// Client events at once. As many refusals more, and the connection is closed.
    pub event_burst: NonZeroU32,
    /// Bytes queued for one connection before it falls behind.
    pub mailbox_bytes: usize,
    /// Over this time connections are closed on a drain.
    pub drain: Duration,
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

/// One node's gateway: every connection's shared state.
pub struct Gateway {
    pub(crate) settings: GatewaySettings,
    pub(crate) origins: Origins,
    pub(crate) hub: Arc<Hub>,
    pub(crate) directory: Directory,
    pub(crate) doorstep: Arc<Doorstep>,
    pub(crate) admission: Admission,
    pub(crate) reader: Reader,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) wall_clock: Arc<dyn Clock>,
    /// The origin of the machines' time, which never jumps.
    pub(crate) started: Instant,
    drain: watch::Sender<bool>,
}

impl Gateway {
    /// A gateway that stands at the log's head, and the task that carries the log to it, which must run for as long
    /// as the gateway does.
    ///
    /// # Errors
    /// The log's head cannot be read.
    pub async fn start(
        settings: GatewaySettings,
        backend: Backend,
    ) -> Result<(Arc<Self>, impl Future<Output = ()> + Send + 'static), PortError> {
        let head = backend.log.head().await?;
        let hub = Arc::new(Hub::new(head));
        let feed =
            Feed { follower: Follower::new(head), log: Arc::clone(&backend.log), hub: Arc::clone(&hub) };
        let gateway = Arc::new(Self {
            origins: Origins::new(&settings.allowed_origins),
            settings,
            hub,
            directory: Directory::default(),
            doorstep: Arc::default(),
            admission: backend.admission,
            reader: backend.reader,
            log: backend.log,
            wall_clock: backend.clock,
            started: Instant::now(),
            drain: watch::Sender::new(false),
        });
        Ok((gateway, feed.run(backend.fanout)))
    }

    /// Refuses new sessions from now on and closes those there are, evenly over [`GatewaySettings::drain`]; clients
    /// come back by themselves, elsewhere. Returns when none is left or the time is over.
    pub async fn drain(&self) {
        self.drain.send_replace(true);
        let deadline = tokio::time::Instant::now() + self.settings.drain;
        while self.connections() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many sessions there are, sockets or not.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.directory.len()
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.drain.borrow()
    }

    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.drain.subscribe()
    }

    /// Where in the drain one connection is to leave: at random, so that the nodes that take them over are not all
    /// asked at once. A fifth of the time is kept for the closing itself.
    pub(crate) fn moment_to_leave(&self) -> Duration {
        self.settings.drain.mul_f64(0.8 * rand::random::<f64>())
    }

    /// The machines' time.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn event_limiter(&self) -> EventLimiter {
        let quota = Quota::per_second(self.settings.event_rate).allow_burst(self.settings.event_burst);
        EventLimiter(RateLimiter::direct(quota))
    }
}

/// How many events one connection may send.
pub(crate) struct EventLimiter(DefaultDirectRateLimiter);

impl EventLimiter {
    /// Takes one event, or says how long until one would be taken.
    pub(crate) fn check(&self) -> Result<(), Duration> {
        self.0.check().map_err(|refused| refused.wait_time_from(DefaultClock::default().now()))
    }
}
