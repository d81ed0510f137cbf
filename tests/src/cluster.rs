//! Nodes over one store and one Redis. Each node's way to either is a [`FaultProxy`] of its own, so that one node alone
//! can be cut off from one of them.
//!
//! ```text
//!   clients ──▶ n0  n1  n2 ──┬─ to_store[n] ──▶ PostgreSQL
//!                            └─ to_redis[n] ──▶ Redis
//! ```
//!
//! The servers of a Redis Cluster name themselves to whoever asks, so that nodes reach those without a proxy. SQLite is a
//! file in the node's directory: there is one node then.

use std::ops::{Index, IndexMut};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::faultproxy::FaultProxy;
use crate::users::eve;
use crate::{Http, Node, NodeSettings, PATIENCE, RedisServer};

/// What the nodes meet at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// Nothing: the log's head is all that one hears of the others.
    Nowhere,
    /// One Redis.
    Server,
    /// Three that are one Cluster.
    Cluster,
}

/// The nodes and what is behind them. All end with it.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    /// Where they meet.
    pub redis: Vec<RedisServer>,
    /// Each node's way to the one Redis.
    pub to_redis: Vec<FaultProxy>,
    /// Each node's way to PostgreSQL.
    pub to_store: Vec<FaultProxy>,
}

impl Cluster {
    /// So many nodes with these settings, each ready and reached by the others. They are called `n0`, `n1` and so on.
    pub async fn open(settings: &NodeSettings, number: usize, meeting: Meeting) -> Self {
        let redis = match meeting {
            Meeting::Nowhere => Vec::new(),
            Meeting::Server => vec![RedisServer::start()],
            Meeting::Cluster => RedisServer::cluster().into(),
        };
        let mut cluster = Self { nodes: Vec::new(), redis, to_redis: Vec::new(), to_store: Vec::new() };
        for number in 0..number {
            let mut settings = settings.clone().set("NODE_ID", format!("n{number}"));
            if let Some((way, url)) = through_proxy(settings.get("DATABASE_URL")).await {
                settings = settings.set("DATABASE_URL", url);
                cluster.to_store.push(way);
            }
            if let Some(url) = cluster.way_to_redis().await {
                settings = settings.set("REDIS_URL", url);
            }
            cluster.nodes.push(Node::start(settings).await);
        }
        cluster.until_all("ready").await;
        cluster
    }

    /// The next node's `REDIS_URL`, if there is a Redis.
    async fn way_to_redis(&mut self) -> Option<String> {
        if let [server] = &self.redis[..] {
            let (way, url) = through_proxy(&server.url()).await?;
            self.to_redis.push(way);
            return Some(url);
        }
        let (first, others) = self.redis.split_first()?;
        let others: Vec<_> = others.iter().map(|one| format!("node=127.0.0.1:{}", one.port())).collect();
        Some(format!("redis-cluster://127.0.0.1:{}?{}", first.port(), others.join("&")))
    }

    /// Where each listens: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.url().to_owned()).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Waits until a node says of itself that it is `ready` or `degraded`.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`].
    pub async fn until(&self, node: usize, status: &str) {
        let (http, begun) = (Http::new(self[node].url()), Instant::now());
        loop {
            let answer = http.get("/readyz").try_send().await;
            if answer.is_ok_and(|answer| answer.status == 200 && answer.json()["status"] == status) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "node {node} never became {status}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The memory that the largest has now, in KiB.
    #[must_use]
    pub fn resident(&self) -> u64 {
        self.nodes.iter().map(Node::resident).max().unwrap_or_default()
    }

    /// Waits until each says so.
    ///
    /// # Panics
    /// See [`Cluster::until`].
    pub async fn until_all(&self, status: &str) {
        for node in 0..self.nodes.len() {
            self.until(node, status).await;
        }
    }

    /// Waits until each node counts so many patients and connections, and nobody else: how long that took.
    ///
    /// # Panics
    /// See [`Cluster::until_counted`].
    pub async fn until_present(&self, patients: usize, connections: usize) -> Duration {
        let counts = json!({"admin": 0, "doctor": 0, "patient": patients, "connections": connections});
        self.until_counted(&counts).await
    }

    /// Waits until each node answers `GET /api/v1/presence/counts` so: how long that took.
    ///
    /// # Panics
    /// When one does not within [`PATIENCE`]: the 25 s that a node may be wrong, and what a busy machine adds.
    pub async fn until_counted(&self, expected: &Value) -> Duration {
        let begun = Instant::now();
        for node in &self.nodes {
            let http = Http::new(node.url());
            let mut counts = Value::Null;
            while counts != *expected {
                assert!(begun.elapsed() < PATIENCE, "{} counts {counts}, not {expected}", node.url());
                sleep(Duration::from_millis(50)).await;
                counts = http.get("/api/v1/presence/counts").by(&eve()).send().await.expect(200);
            }
        }
        begun.elapsed()
    }
}

impl Index<usize> for Cluster {
    type Output = Node;

    fn index(&self, number: usize) -> &Node {
        &self.nodes[number]
    }
}

impl IndexMut<usize> for Cluster {
    fn index_mut(&mut self, number: usize) -> &mut Node {
        &mut self.nodes[number]
    }
}

/// A proxy before the server that this URL names, and the URL by way of it; `None` for a file.
async fn through_proxy(url: &str) -> Option<(FaultProxy, String)> {
    let (before, rest) = url.split_once("://").filter(|(before, _)| *before != "sqlite")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let user = authority.rfind('@').map_or("", |at| &authority[..=at]);
    let way = FaultProxy::start(&authority[user.len()..]).await;
    let url = format!("{before}://{user}{}{path}", way.address());
    Some((way, url))
}
