//! One node, put together: settings to ports, ports to use cases, use cases to the two edges, and its life from start
//! to drain.

use std::collections::HashMap;
use std::future::pending;
use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web;
use anyhow::Context as _;
use carillon_api::{Api, ApiParts, ApiSettings, OpenStream};
use carillon_auth_jwt::{PidSealer, Verifier};
use carillon_domain::ports::{Audit, Clock, Fanout, Log, Loopback, Outbox, PortError, Secret, Trim};
use carillon_domain::{
    Admission, AppendLimits, Broadcaster, Drain, Eraser, Intake, Kind, Preferences, Presence, Publisher,
    Reader, Reception, Timestamp,
};
use carillon_fanout_redis::Redis;
use carillon_fanout_redis::emitter::EmitterSettings;
use carillon_gateway::{AllowedOrigins, Backend, Gateway, GatewaySettings, ServerSettings};
use metrics::gauge;
use secrecy::ExposeSecret as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, JoinHandle};

use crate::ambient::{RandomIds, SystemClock};
use crate::emitter::Emitter;
use crate::settings::{EmitterMode, Settings};
use crate::store::{Ports, Store};

/// Bytes of encoded packets that wait for a client's next poll; the rest waits in its mailbox.
const POLL_BUFFER: usize = 64 * 1024;
/// How often old rows are deleted.
const TRIM_EVERY: Duration = Duration::from_secs(3_600);
/// How long an idempotency key is remembered (contract §5).
const KEYS_FOR: Duration = Duration::from_secs(24 * 3_600);

/// What `demo` adds to a node: more routes.
pub(crate) type Extra = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// The way to the other nodes, and the task that keeps it open.
type Nodes = (Redis, JoinHandle<()>);

/// A node that listens.
pub(crate) struct Node {
    /// Where.
    pub(crate) address: SocketAddr,
    server: Server,
    gateway: Arc<carillon_gateway::Server<Gateway>>,
    publisher: Arc<Publisher>,
    /// There may be other nodes.
    redis: Option<Nodes>,
    draining: Arc<AtomicBool>,
    appender: JoinHandle<()>,
    feed: JoinHandle<()>,
    outbox: Option<JoinHandle<()>>,
    broadcasts: JoinHandle<()>,
    emitter: Option<Emitter>,
}

impl Node {
    /// Puts a node together and listens. `extra` mounts routes beside the node's own.
    pub(crate) async fn start(settings: &Settings, extra: Option<Extra>) -> anyhow::Result<Self> {
        let metrics = crate::metrics::start(settings.max_connections)?;
        let (backend, more) = backend(settings).await?;
        let More { audit, outbox, redis, emitter } = more;
        let Backend { admission, reader, broadcaster, log, explain, fanout, reception, clock, .. } =
            backend.clone();
        let (gateway, feed) = Gateway::start(gateway_settings(settings), backend).await?;
        let limits = AppendLimits::default();
        let (publisher, appender) = Publisher::new(
            Arc::clone(&log),
            Arc::clone(&fanout),
            Arc::clone(&clock),
            Arc::new(RandomIds),
            limits,
        );
        let (publisher, draining) = (Arc::new(publisher), Arc::new(AtomicBool::new(false)));
        let parts = ApiParts {
            publisher: Arc::clone(&publisher),
            eraser: Eraser::new(reader.clone(), Arc::clone(&publisher), Arc::clone(&audit)),
            preferences: Preferences::new(
                reader.clone(),
                Arc::clone(&publisher),
                settings.notification_types.clone(),
            ),
            reader,
            broadcaster: broadcaster.clone(),
            admission,
            log: Arc::clone(&log),
            explain,
            reception,
            connections: gateway.sockets(),
            fanout,
            audit: Arc::clone(&audit),
            clock: Arc::clone(&clock),
            open_stream: open_stream(Arc::clone(&gateway)),
            draining: Arc::clone(&draining),
        };
        let api = Api::new(api_settings(settings), parts);
        let appender = tokio::spawn(appender.run());
        let feed = tokio::spawn(feed);
        let outbox = outbox.map(|outbox| {
            let drain = Drain::new(outbox, Arc::clone(&publisher), audit);
            tokio::spawn(crate::outbox::run(drain, Arc::clone(&draining)))
        });
        let broadcasts = tokio::spawn(crate::broadcasts::run(broadcaster, Arc::clone(&draining)));
        let emitter = emitter.map(|emitter| {
            let intake = Intake::new(Arc::clone(&publisher));
            Emitter::start(&emitter, Arc::clone(&gateway), intake, Arc::clone(&clock))
        });
        let emitter = emitter.transpose().context("REDIS_EMITTER")?;
        tokio::spawn(trim(log, clock, settings.retention(), settings.kind_rules.retention.clone()));
        let (host, port) = (settings.socket_host.as_str(), settings.socket_port);
        if let Some(port) = settings.metrics_port {
            crate::metrics::serve(host, port, metrics.clone())?;
        }
        let has_public_metrics = settings.metrics_port.is_none();
        // Each worker calls this, on its own thread.
        let routes = move |app: &mut web::ServiceConfig| {
            metrics.include_this_runtime();
            if has_public_metrics {
                crate::metrics::mount(app, &metrics);
            }
            if let Some(extra) = &extra {
                extra(app);
            }
            app.configure(api.configure()).configure(carillon_web::configure);
        };
        let (server, address) = carillon_gateway::listen((host, port), Arc::clone(&gateway), routes)
            .with_context(|| format!("listening on {host}:{port}"))?;
        Ok(Self {
            address,
            server,
            gateway,
            publisher,
            redis,
            draining,
            appender,
            feed,
            outbox,
            broadcasts,
            emitter,
        })
    }

    /// Serves until SIGTERM or SIGINT, then drains: not ready, sockets closed over the drain's time, requests under way
    /// ended, everything that waits to be kept kept. A second signal ends the wait.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        writeln!(std::io::stdout(), "listening on http://{}", self.address).context("writing to stdout")?;
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let handle = self.server.handle();
        let mut server = tokio::spawn(self.server);
        tokio::select! {
            ended = &mut server => return Ok(ended??),
            // A node that accepts and does not deliver, or keeps nothing, is worse than one that is started again.
            ended = &mut self.feed => anyhow::bail!("the log is no longer followed: {ended:?}"),
            ended = task(&mut self.redis) => anyhow::bail!("the other nodes are no longer heard: {ended:?}"),
            ended = &mut self.appender => anyhow::bail!("nothing can be kept any more: {ended:?}"),
            ended = async { match &mut self.outbox { Some(outbox) => outbox.await, None => pending().await } } =>
                anyhow::bail!("nothing is taken from the outbox any more: {ended:?}"),
            ended = &mut self.broadcasts => anyhow::bail!("the schedule is no longer kept: {ended:?}"),
            ended = async { match &mut self.emitter { Some(emitter) => emitter.ends().await, None => pending().await } } =>
                anyhow::bail!("back ends are no longer heard: {ended:?}"),
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!(connections = self.gateway.connections(), "draining");
        self.draining.store(true, Ordering::Release);
        gauge!("carillon_draining").set(1);
        if let Some(emitter) = &mut self.emitter {
            emitter.hand_over();
        }
        let drained = async {
            self.gateway.drain().await;
            handle.stop(true).await;
            if let Some(emitter) = self.emitter {
                emitter.close().await;
            }
            self.gateway.settle().await;
            if let Some(outbox) = self.outbox {
                drop(outbox.await);
            }
            drop(self.broadcasts.await);
            self.publisher.close();
            let ended = self.appender.await;
            self.gateway.note_last_seen().await;
            if let Some((redis, _)) = &self.redis {
                redis.close().await;
            }
            ended
        };
        tokio::select! {
            ended = drained => ended.context("the appender failed")?,
            _ = term.recv() => anyhow::bail!("stopped before the drain was over"),
            _ = int.recv() => anyhow::bail!("stopped before the drain was over"),
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// The way from the API to the gateway's streams.
fn open_stream(gateway: Arc<carillon_gateway::Server<Gateway>>) -> OpenStream {
    Arc::new(move |user, since| {
        let gateway = Arc::clone(&gateway);
        Box::pin(async move { gateway.stream(&user, since).await.ok() })
    })
}

/// What the gateway has no part in.
struct More {
    audit: Arc<dyn Audit>,
    outbox: Option<Arc<dyn Outbox>>,
    redis: Option<Nodes>,
    emitter: Option<EmitterSettings>,
}

/// The domain over its adapters.
async fn backend(settings: &Settings) -> anyhow::Result<(Backend, More)> {
    let Ports { log, inbox, explain, last_seen, audit, broadcasts, acks, outbox } =
        Store::open(settings).await?.ports();
    let presence = Presence::new(settings.presence_grace);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let jwt = settings.jwt().context("no source of keys is set")?;
    let secret = log.secret().await.context("the log's secret")?;
    let redis = redis(settings, &secret, &presence)?;
    let fanout: Arc<dyn Fanout> =
        redis.as_ref().map_or_else(|| Arc::new(Loopback::new()) as _, |(redis, _)| redis.fanout());
    let backend = Backend {
        admission: Admission::new(Arc::new(Verifier::new(jwt)?), Arc::clone(&clock)),
        reader: Reader::new(inbox, Arc::clone(&fanout), Arc::clone(&clock)),
        broadcaster: Broadcaster::new(
            broadcasts,
            acks,
            Arc::clone(&fanout),
            Arc::clone(&clock),
            Arc::new(RandomIds),
        ),
        log,
        explain,
        reception: Reception::new(presence, last_seen),
        pids: Arc::new(PidSealer::new(&secret)),
        fanout,
        clock,
    };
    let emitter = emitter(settings, &secret);
    Ok((backend, More { audit, outbox, redis, emitter }))
}

/// Where the nodes meet.
fn link(settings: &Settings, secret: &Secret) -> Option<carillon_fanout_redis::Settings> {
    let (url, node_id) = (settings.redis.clone()?, settings.node_id.clone());
    Some(carillon_fanout_redis::Settings { url, node_id, secret: secret.clone() })
}

/// How back ends are heard, if they are.
fn emitter(settings: &Settings, secret: &Secret) -> Option<EmitterSettings> {
    let is_stored = match settings.redis_emitter {
        EmitterMode::Off => return None,
        EmitterMode::Live => false,
        EmitterMode::Stored => true,
    };
    Some(EmitterSettings {
        link: link(settings, secret)?,
        key: settings.redis_emitter_key.clone(),
        is_stored,
    })
}

/// The way to the other nodes, at work.
fn redis(settings: &Settings, secret: &Secret, presence: &Presence) -> anyhow::Result<Option<Nodes>> {
    let Some(link) = link(settings, secret) else { return Ok(None) };
    let (redis, task) = Redis::new(&link, presence.clone()).context("REDIS_URL")?;
    Ok(Some((redis, tokio::spawn(task))))
}

/// Waits for the end of the task; for ever, if there is none.
async fn task(redis: &mut Option<Nodes>) -> Result<(), JoinError> {
    match redis {
        Some((_, task)) => task.await,
        None => std::future::pending().await,
    }
}

fn api_settings(settings: &Settings) -> ApiSettings {
    ApiSettings {
        publish_keys: settings.publish_keys.iter().map(|key| (&key.name, key.key.expose_secret())).collect(),
        publish_rate: at_least_one(settings.publish_rate),
        publish_burst: at_least_one(settings.publish_burst),
        user_rate: at_least_one(settings.user_rate),
        user_burst: at_least_one(settings.user_burst),
        ..ApiSettings::default()
    }
}

fn gateway_settings(settings: &Settings) -> GatewaySettings {
    GatewaySettings {
        server: ServerSettings {
            protocol: carillon_gateway::Protocol {
                ping_interval: settings.ping_interval,
                ping_timeout: settings.ping_timeout,
                connect_timeout: settings.connect_timeout,
                upgrade_timeout: settings.upgrade_timeout,
                max_payload: settings.max_payload_bytes,
                buffer_bytes: POLL_BUFFER,
                ..Default::default()
            },
            node_id: settings.node_id.clone(),
            allowed_origins: AllowedOrigins::Only(settings.frontend_origins.clone()),
            max_connections: settings.max_connections,
            control_rate: at_least_one(settings.event_rate),
            control_burst: at_least_one(settings.event_burst),
            handshake_rate: at_least_one(settings.handshake_rate),
            handshake_burst: at_least_one(settings.handshake_burst),
            drain: settings.drain,
        },
        max_connections_per_user: settings.max_connections_per_user,
        event_rate: at_least_one(settings.event_rate),
        event_burst: at_least_one(settings.event_burst),
        mailbox_bytes: settings.mailbox_bytes,
        recovery_limit: settings.recovery_limit,
        kind_rules: Arc::new(settings.kind_rules.clone()),
        recovery_age: settings.retention(),
    }
}

/// Settings refuse 0.
fn at_least_one(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)
}

/// Deletes what is too old, for as long as the process lives.
async fn trim(
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    retention: Duration,
    of_kinds: HashMap<Kind, Duration>,
) {
    let mut hours = tokio::time::interval(TRIM_EVERY);
    loop {
        hours.tick().await;
        if let Err(fault) = trim_all(log.as_ref(), clock.now(), retention, &of_kinds).await {
            tracing::warn!(error = %fault, "old rows could not be deleted; trying again in an hour");
        }
    }
}

async fn trim_all(
    log: &dyn Log,
    now: Timestamp,
    retention: Duration,
    of_kinds: &HashMap<Kind, Duration>,
) -> Result<(), PortError> {
    let trim = Trim { rows_before: now.saturating_sub(retention), keys_before: now.saturating_sub(KEYS_FOR) };
    while log.trim(trim).await? {
        tokio::task::yield_now().await;
    }
    for (kind, retention) in of_kinds {
        while log.trim_kind(kind, now.saturating_sub(*retention)).await? {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}
