//! Nothing is left of thousands of connections that come, hear, come back and end in six ways (invariant I11): sessions, sockets
//! and users are at zero when all are gone, descriptors, tasks and Redis keys at what they were, connections to PostgreSQL, whose pools
//! grow when they must, within their bound, and the bytes that are allocated do not grow.
//!
//! ```text
//!   a cycle:  open ──▶ hear a publish ──▶ half break and are resumed ──▶ end in six ways ──▶ all gone ──▶ sample
//! ```
//!
//! Small in every run. `./just soak` is the size at which a leak of one session in 1,000 must show: 60 cycles of 2,000, with the
//! allocator's own count, which only a build with the feature `count-allocations` tells.

mod slope;
mod visitor;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use carillon_tests::clinic::note;
use carillon_tests::faultproxy::{End, FaultProxy};
use carillon_tests::{Http, Node, NodeSettings, PATIENCE, Postgres, RedisServer, User};
use futures_util::{StreamExt as _, stream};
use slope::slope;
use tokio::time::sleep;
use tokio_postgres::Client;
use visitor::{Ending, Visitor, Way};

/// How many connections are opened, or ended, at once.
const AT_ONCE: usize = 32;
/// Cycles after which caches, pools and buffers have the size that they keep.
const WARM_UP: usize = 3;
/// Cycles of 2,000 after which nothing grows any more: the ring of the latest 4,096 rows, of which each leaves 670, is full after
/// seven, and of rows of the usual length after some more.
const FULL: usize = 20;
/// The pools' connections to PostgreSQL (docs/operations/deployment.md). Each is a descriptor and a task.
const BACKENDS: usize = 13;
/// What a build may allocate more with each cycle, in bytes: less than two of 2,000 sessions are worth.
const SLOPE: f64 = 4_096.0;

/// What is left while nobody is there.
#[derive(Debug, Clone)]
struct Sample {
    /// All gauges that count who is there.
    gauges: BTreeMap<String, f64>,
    /// Bytes, of a build that counts them.
    allocated: Option<f64>,
    resident: u64,
    /// But for one to each backend, as with the tasks.
    descriptors: usize,
    tasks: f64,
    redis_keys: String,
    backends: usize,
}

struct Soak {
    node: Node,
    http: Http,
    proxy: FaultProxy,
    _postgres: Postgres,
    operator: Client,
    redis: RedisServer,
    users: Vec<User>,
    /// After which one who says nothing is gone.
    silence: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_those_who_came() {
    let (cycles, connections) = (or("SOAK_CYCLES", 4), or("SOAK_CONNECTIONS", 90));
    let mut soak = Soak::open(connections).await;
    let mut samples: Vec<Sample> = Vec::new();
    for cycle in 0..cycles {
        let began = Instant::now();
        soak.cycle().await;
        let sample = soak.rest(samples.get(WARM_UP - 1)).await;
        println!("cycle {cycle}, {:.1} s: {sample}", began.elapsed().as_secs_f32());
        samples.push(sample);
    }
    let base = samples.get(WARM_UP - 1).unwrap();
    for sample in &samples {
        assert!(
            sample.gauges.values().all(|value| *value == 0.0),
            "someone is still there: {:?}",
            sample.gauges
        );
    }
    let last = samples.last().unwrap();
    assert!(last.backends <= BACKENDS, "{} connections to PostgreSQL", last.backends);
    assert!(
        last.descriptors <= base.descriptors,
        "{} descriptors became {}",
        base.descriptors,
        last.descriptors
    );
    assert!(last.tasks <= base.tasks, "{} tasks became {}", base.tasks, last.tasks);
    assert_eq!(last.redis_keys, base.redis_keys);
    let allocated: Vec<f64> = samples.iter().skip(FULL).filter_map(|sample| sample.allocated).collect();
    if samples.iter().any(|sample| sample.allocated.is_some()) {
        let (slope, least) = slope(&allocated).expect("30 cycles or more");
        println!("allocated: {slope:+.0} bytes a cycle, at least {least:+.0} (99 %)");
        assert!(least < SLOPE, "{slope:.0} bytes more with each cycle");
    }
}

fn or(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}

impl Soak {
    async fn open(connections: usize) -> Self {
        let (postgres, redis) = (Postgres::create().await, RedisServer::start());
        // Nobody answers pings while the others are waited for.
        let silence = Duration::from_millis((connections as u64 * 8).max(2_000));
        let settings = NodeSettings::default()
            .set("DATABASE_URL", postgres.url())
            .set("REDIS_URL", redis.url())
            .set("NODE_ID", "soak")
            .set("PING_INTERVAL_MS", 1_000)
            .set("PING_TIMEOUT_MS", silence.as_millis())
            .set("PRESENCE_GRACE_MS", 500)
            .set("PUBLISH_RATE", 100_000)
            .set("PUBLISH_BURST", 100_000);
        let node = Node::start(settings).await;
        let http = Http::unpooled(node.url());
        let proxy = FaultProxy::start(node.address()).await;
        let users = (0..connections).map(|i| User::new(format!("soak-{i}"), "PATIENT")).collect();
        let operator = postgres.connect().await;
        Self { node, http, proxy, _postgres: postgres, operator, redis, users, silence }
    }

    /// The life of all connections of one cycle.
    async fn cycle(&mut self) {
        let (direct, proxied) = (self.node.address().to_owned(), self.proxy.address());
        let open = stream::iter(self.users.iter().enumerate()).map(|(i, user)| {
            let (way, ending) = (Way::ALL[i % 3], Ending::ALL[i / 3 % 6]);
            let address = if ending == Ending::HalfOpen { &proxied } else { &direct };
            Visitor::open(address, user, way, ending)
        });
        let visitors: Vec<Visitor> = open.buffer_unordered(AT_ONCE).collect().await;
        let gauges = self.gauges().await;
        let counted = gauges.values().filter(|count| **count > 0.0).count();
        assert_eq!(counted, 3, "sessions, sockets and patients are not counted: {gauges:?}");

        let published = self.http.post("/api/v1/notifications", &note(&["all"], "to all")).with_key();
        published.send().await.expect(201);
        let each = stream::iter(visitors.into_iter().enumerate()).map(|(i, mut visitor)| async move {
            visitor.hears("to all").await;
            if i % 2 == 0 { visitor.breaks_and_is_resumed().await } else { visitor }
        });
        let visitors: Vec<Visitor> = each.buffer_unordered(AT_ONCE).collect().await;

        let end = stream::iter(visitors).map(|visitor| visitor.ends(&self.http));
        let ended: Vec<Visitor> = end.buffer_unordered(AT_ONCE).collect().await;
        self.proxy.end_links(End::HalfOpen);
        self.until_gone().await;
        // Those who said nothing were there until now, for all that the node could see.
        drop(ended);
    }

    async fn until_gone(&self) {
        let began = Instant::now();
        while self.gauges().await.values().any(|value| *value != 0.0) {
            assert!(began.elapsed() < self.silence + PATIENCE, "they never go: {:?}", self.gauges().await);
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn gauges(&self) -> BTreeMap<String, f64> {
        let metrics = self.metrics().await;
        let counts_people =
            |name: &str| ["carillon_sessions", "carillon_sockets", "carillon_presence_users"].contains(&name);
        metrics
            .into_iter()
            .filter(|(name, _)| counts_people(name.split('{').next().unwrap_or(name)))
            .collect()
    }

    async fn metrics(&self) -> BTreeMap<String, f64> {
        let text = self.http.get("/metrics").send().await.text;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| {
                let (name, value) = line.rsplit_once(' ')?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect()
    }

    /// What is left once what is under way is over: as little as at the base, if it ever gets there.
    async fn rest(&self, base: Option<&Sample>) -> Sample {
        sleep(Duration::from_secs(3)).await;
        let began = Instant::now();
        loop {
            let sample = self.sample().await;
            let is_at_base = base.is_none_or(|base| {
                sample.descriptors <= base.descriptors
                    && sample.tasks <= base.tasks
                    && sample.redis_keys == base.redis_keys
            });
            if is_at_base || began.elapsed() > PATIENCE {
                return sample;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn sample(&self) -> Sample {
        let metrics = self.metrics().await;
        let backends = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let backends: i64 = self.operator.query_one(backends, &[]).await.unwrap().get(0);
        let backends = usize::try_from(backends).unwrap();
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.node.pid())).unwrap().count();
        Sample {
            gauges: self.gauges().await,
            allocated: metrics.get("carillon_allocated_bytes").copied(),
            resident: self.node.resident(),
            descriptors: descriptors - backends,
            tasks: metrics["carillon_tasks"] - backends as f64,
            redis_keys: self.redis.command(&[b"DBSIZE"]).trim().to_owned(),
            backends,
        }
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { allocated, resident, descriptors, tasks, redis_keys, backends, .. } = self;
        let allocated =
            allocated.map_or_else(|| "not counted".to_owned(), |bytes| format!("{:.1} KiB", bytes / 1024.0));
        let resident = *resident as f64 / 1024.0;
        write!(
            f,
            "allocated {allocated}, resident {resident:.1} MiB, {descriptors} descriptors, {tasks} tasks, "
        )?;
        write!(f, "Redis keys {redis_keys}, {backends} backends")
    }
}
