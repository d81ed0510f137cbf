//! What the connections of a node share, whatever is served on them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::application::Application;
use crate::directory::Directory;
use crate::doorstep::Doorstep;
use crate::limiter::Limiter;
use crate::origin::{AllowedOrigins, Origins};

/// The figures a server runs by; the settings of the same names in the contract (§2) say what they mean.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Times and bounds of one session.
    pub protocol: carillon_protocol::Config,
    /// This node's name: sids begin with it and a full stop.
    pub node_id: String,
    /// The pages that may talk to this node.
    pub allowed_origins: AllowedOrigins,
    /// Sessions of this node; one more is answered 503.
    pub max_connections: usize,
    /// A WebSocket's own pings and pongs a second per connection, in the long run. More, and it is closed.
    pub control_rate: NonZeroU32,
    /// As many of them at once.
    pub control_burst: NonZeroU32,
    /// New sessions a second from one client's address, in the long run. More, and they are answered 429.
    pub handshake_rate: NonZeroU32,
    /// As many of them at once.
    pub handshake_burst: NonZeroU32,
    /// Over this time connections are closed on a drain.
    pub drain: Duration,
}

/// One node's connections, and the application that is served on them.
pub struct Server<A: Application> {
    pub(crate) settings: ServerSettings,
    /// The machines' figures, for all of them.
    pub(crate) protocol: Arc<carillon_protocol::Config>,
    pub(crate) application: Arc<A>,
    pub(crate) origins: Origins,
    pub(crate) directory: Directory<A>,
    pub(crate) doorstep: Arc<Doorstep>,
    /// The origin of the machines' time, which never jumps.
    pub(crate) started: Instant,
    drain: watch::Sender<bool>,
    /// The drain is over.
    stop: watch::Sender<bool>,
}

impl<A: Application> Server<A> {
    /// A server without connections; [`crate::listen()`] brings them.
    #[must_use]
    pub fn new(settings: ServerSettings, application: Arc<A>) -> Arc<Self> {
        Arc::new(Self {
            origins: Origins::new(&settings.allowed_origins),
            doorstep: Arc::new(Doorstep::new(settings.handshake_rate, settings.handshake_burst)),
            protocol: Arc::new(settings.protocol),
            settings,
            application,
            directory: Directory::default(),
            started: Instant::now(),
            drain: watch::Sender::new(false),
            stop: watch::Sender::new(false),
        })
    }

    /// Refuses new sessions from now on and closes those there are, evenly over [`ServerSettings::drain`]; clients
    /// come back by themselves, elsewhere. Returns when none is left or the time is over.
    pub async fn drain(&self) {
        self.drain.send_replace(true);
        self.directory.ring();
        let deadline = tokio::time::Instant::now() + self.settings.drain;
        while self.connections() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.stop.send_replace(true);
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

    /// Resolves when the drain is over: until then requests are answered, on new connections too.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + use<A> {
        let mut stop = self.stop.subscribe();
        async move { drop(stop.wait_for(|stop| *stop).await) }
    }

    /// Where in the drain one connection is to leave: at random, so that the nodes that take them over are not all
    /// asked at once. A fifth of the time is kept for the closing itself.
    pub(crate) fn moment_to_leave(&self) -> Duration {
        self.settings.drain.mul_f64(0.8 * rand::random::<f64>())
    }

    pub(crate) fn control_limiter(&self) -> Limiter {
        Limiter::new(self.settings.control_rate, self.settings.control_burst)
    }

    /// The machines' time.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }
}
