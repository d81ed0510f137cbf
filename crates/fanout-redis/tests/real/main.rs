//! Against a real Redis, which is frozen, killed, emptied and lied to.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends where it is")]

mod fanout;
mod presence;
#[expect(unreachable_pub, reason = "it belongs to the harness, whose names are for all")]
#[path = "../../../../tests/src/redis.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use carillon_domain::Presence;
use carillon_domain::ports::{Fanout, Secret};
use carillon_domain::testing::contract::presence::GRACE;
use carillon_fanout_redis::{Redis, RedisUrl, Settings};
use tokio::task::JoinHandle;

use server::RedisServer;

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One node's link, which ends with it.
struct Linked {
    presence: Presence,
    redis: Redis,
    fanout: Arc<dyn Fanout>,
    task: JoinHandle<()>,
}

impl Linked {
    /// A link that may not work yet.
    fn new(server: &RedisServer, node: &str, secret: u8) -> Self {
        Self::at(&server.url(), node, secret)
    }

    fn at(url: &str, node: &str, secret: u8) -> Self {
        let url = RedisUrl::parse(url).unwrap();
        let settings = Settings { url, node_id: node.into(), secret: Secret([secret; 32]) };
        let presence = Presence::new(GRACE);
        let (redis, task) = Redis::new(&settings, presence.clone()).unwrap();
        Self { presence, fanout: redis.fanout(), redis, task: tokio::spawn(task) }
    }

    /// A link that works.
    async fn to(server: &RedisServer, node: &str) -> Self {
        let linked = Self::new(server, node, 1);
        linked.until(true).await;
        linked
    }

    /// Waits until it reaches all, or does not.
    async fn until(&self, reaches_all: bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while self.fanout.reaches_all() != reaches_all {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(waited.await.is_ok(), "it never became {reaches_all}");
    }

    /// Ends without a word, as a killed process does.
    fn kill(self) {
        self.task.abort();
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        self.task.abort();
    }
}
