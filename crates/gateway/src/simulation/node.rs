//! One node: the real gateway, feed, publisher and appender over the simulated ports, given turns by the world.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use carillon_domain::ports::{
    AuthError, Authenticate, Clock, Fanout as _, Loopback, Pids, PortError, Signal, Subscription,
};
use carillon_domain::testing::{CountingIds, FixedClock, MemoryAudit, MemoryBroadcasts, MemorySeen, instant};
use carillon_domain::{
    Admission, AppendLimits, Pid, Presence, Principal, Publisher, Reader, Reception, Timestamp,
};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;

use super::dice::{Dice, turn};
use super::network::{Network, NodeFanout};
use super::session::Session;
use super::store::{NodeStore, Store};
use crate::feed::Feed;
use crate::gateway::{Backend, Gateway, GatewaySettings};
use crate::origin::AllowedOrigins;
use crate::server::ServerSettings;

/// What outlives every node.
pub(super) struct Shared {
    pub(super) dice: Arc<Dice>,
    pub(super) clock: Arc<FixedClock>,
    pub(super) store: Arc<Store>,
    pub(super) network: Arc<Network>,
    pub(super) pids: Arc<Table>,
    pub(super) ids: Arc<CountingIds>,
    /// The last offset that the servers wrote to each client: what nobody may rely on.
    pub(super) written: Arc<Mutex<HashMap<usize, String>>>,
    pub(super) figures: Figures,
}

/// What differs from world to world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    pub(super) nodes: usize,
    pub(super) mailbox_bytes: usize,
    pub(super) recent_rows: usize,
    pub(super) recovery_limit: u32,
    /// Messages that a link holds.
    pub(super) link: usize,
}

/// How long a session can be resumed.
pub(super) const RECOVERY_AGE: Duration = Duration::from_secs(3_600);

/// Tokens are `user|ROLE`, and always valid.
struct Believing;

impl Authenticate for Believing {
    fn authenticate(&self, token: &str, _: Timestamp) -> Result<Principal, AuthError> {
        let invalid = AuthError::Invalid { reason: "simulated" };
        let (user, role) = token.split_once('|').ok_or(invalid)?;
        let role = role.parse().map_err(|_| invalid)?;
        Ok(Principal::new(user.parse().map_err(|_| invalid)?, None, role, None, instant(1_000_000)))
    }

    fn leeway(&self) -> Duration {
        Duration::ZERO
    }
}

/// Pids as numbers in a table: whatever is not in it is forged.
#[derive(Default)]
pub(super) struct Table(Mutex<Vec<Pid>>);

impl Pids for Table {
    fn seal(&self, pid: &Pid) -> String {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.push(pid.clone());
        format!("pid{}", table.len() - 1)
    }

    fn open(&self, text: &str) -> Option<Pid> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.get(text.strip_prefix("pid")?.parse::<usize>().ok()?).cloned()
    }
}

pub(super) struct Node {
    pub(super) gateway: Arc<Gateway>,
    pub(super) fanout: Arc<NodeFanout>,
    pub(super) store: Arc<NodeStore>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) sessions: Vec<Session>,
    /// Its feed gets no turns.
    pub(super) is_stalled: bool,
    appender: BoxFuture<'static, ()>,
    feed: Following,
    signals: Subscription,
}

/// The feed, or what it is at.
enum Following {
    Idle(Box<Feed>),
    Busy(BoxFuture<'static, Box<Feed>>),
}

impl Node {
    /// Starts as `Gateway::start` does. The node may find the store away, and has then to be started again.
    pub(super) fn start(place: usize, shared: &Shared) -> BoxFuture<'static, Result<Box<Self>, PortError>> {
        let Shared { store, network, clock, figures, .. } = shared;
        let (network, nodes) = (Arc::clone(network), figures.nodes);
        let fanout = Arc::new(NodeFanout { node: place, nodes, local: Loopback::new(), network });
        let store = Arc::new(NodeStore {
            store: Arc::clone(store),
            fanout: Arc::clone(&fanout),
            stage: AtomicU8::new(0),
            replays: AtomicUsize::new(0),
            keys: Mutex::new(HashMap::new()),
            unwritten: Mutex::default(),
        });
        let backend = Backend {
            admission: Admission::new(Arc::new(Believing), Arc::clone(clock) as _),
            reader: Reader::new(
                Arc::clone(&store) as _,
                Arc::clone(&fanout) as _,
                Arc::clone(clock) as Arc<dyn Clock>,
            ),
            broadcaster: MemoryBroadcasts::new(store.store.log.clone(), MemoryAudit::new())
                .broadcaster(Arc::clone(&fanout) as _),
            log: Arc::clone(&store) as _,
            fanout: Arc::clone(&fanout) as _,
            explain: Arc::new(store.store.log.clone()),
            reception: Reception::new(Presence::new(Duration::ZERO), Arc::new(MemorySeen::default())),
            pids: Arc::clone(&shared.pids) as _,
            clock: Arc::clone(clock) as _,
        };
        let (publisher, appender) = Publisher::new(
            Arc::clone(&backend.log),
            Arc::clone(&backend.fanout),
            Arc::clone(clock) as _,
            Arc::clone(&shared.ids) as _,
            AppendLimits { queue: 4, rows: 6, bytes: 4_096 },
        );
        let (settings, recent_rows) = (settings(figures), figures.recent_rows);
        Box::pin(async move {
            let (gateway, feed) = Gateway::assemble(settings, backend).await?;
            gateway.hub.shorten_recent(recent_rows);
            Ok(Box::new(Self {
                gateway: Arc::new(gateway),
                signals: fanout.subscribe(),
                fanout,
                store,
                publisher: Arc::new(publisher),
                sessions: Vec::new(),
                is_stalled: false,
                appender: Box::pin(appender.run()),
                feed: Following::Idle(Box::new(feed)),
            }))
        })
    }

    /// Whether this node died now, a batch of its publishes would be `(not kept, kept and told to nobody)`.
    pub(super) fn is_writing(&self) -> (bool, bool) {
        let stage = self.store.stage.load(Ordering::Relaxed);
        (stage == NodeStore::SENT, stage == NodeStore::KEPT)
    }

    pub(super) fn append(&mut self) {
        turn(&mut self.appender);
    }

    /// Follows the log: what is under way, else the next signal, else the head if it is time.
    pub(super) fn follow(&mut self, is_tick: bool) {
        if let Following::Idle(feed) = &mut self.feed {
            let signal = if is_tick { None } else { turn(&mut self.signals.next()).flatten() };
            if signal.is_none() && !is_tick {
                return;
            }
            let feed = Box::new(Feed {
                follower: feed.follower.clone(),
                log: Arc::clone(&feed.log),
                reader: feed.reader.clone(),
                hub: Arc::clone(&feed.hub),
                clock: Arc::clone(&feed.clock),
            });
            self.feed = Following::Busy(Box::pin(step(feed, signal)));
        }
        if let Following::Busy(step) = &mut self.feed
            && let Some(feed) = turn(step)
        {
            self.feed = Following::Idle(feed);
        }
    }

    pub(super) fn session(&mut self, id: u64) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    /// Gives one session a turn, or all.
    pub(super) fn drive(&mut self, which: Option<usize>, now: Duration) {
        for (place, session) in self.sessions.iter_mut().enumerate() {
            if which.is_none_or(|which| which == place) {
                session.turn(now);
            }
        }
    }
}

async fn step(mut feed: Box<Feed>, signal: Option<Signal>) -> Box<Feed> {
    let followed = match signal {
        Some(signal) => feed.hear(signal).await,
        None => feed.poll_head().await,
    };
    // As in `Feed::run`: the next word, or the next second, tries again.
    drop(followed);
    feed
}

fn settings(figures: &Figures) -> GatewaySettings {
    const MANY: NonZeroU32 = NonZeroU32::MAX;
    GatewaySettings {
        server: ServerSettings {
            protocol: carillon_protocol::Config::default(),
            node_id: "n".into(),
            allowed_origins: AllowedOrigins::Any,
            max_connections: usize::MAX,
            control_rate: MANY,
            control_burst: MANY,
            handshake_rate: MANY,
            handshake_burst: MANY,
            drain: Duration::ZERO,
        },
        max_connections_per_user: usize::MAX,
        event_rate: MANY,
        event_burst: MANY,
        mailbox_bytes: figures.mailbox_bytes,
        recovery_limit: figures.recovery_limit,
        kind_rules: Arc::default(),
        recovery_age: RECOVERY_AGE,
    }
}
