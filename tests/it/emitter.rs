//! Node back ends with the official `@socket.io/redis-emitter`: docs/guides/redis-emitter.md.

mod guide;
mod live;
mod stored;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use carillon_tests::driver::{Driver, Life};
use carillon_tests::users::{ann, ben};
use carillon_tests::{Client, Cluster, Connect, Http, Meeting, NodeSettings, PATIENCE, Postgres, User};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

/// Two nodes, people on both, and a back end.
struct Stage {
    cluster: Cluster,
    driver: Arc<Driver>,
    back_end: BackEnd,
    postgres: Postgres,
}

impl Stage {
    async fn open(mode: &str, meeting: Meeting) -> Self {
        let postgres = Postgres::create().await;
        let settings = NodeSettings::default()
            .set("DATABASE_URL", postgres.url())
            .set("REDIS_EMITTER", mode)
            .set("DRAIN_SECONDS", 60);
        let cluster = Cluster::open(&settings, 2, meeting).await;
        // One server of a Cluster: what goes in by several may overtake itself.
        let back_end = BackEnd::start(&cluster.redis[0].url());
        let stage = Self { back_end, driver: Driver::start(), cluster, postgres };
        if mode != "off" {
            for node in 0..2 {
                stage.until(node, "carillon_emitter_up", 1.0).await;
            }
        }
        stage
    }

    /// A connected client of `user` at a node.
    async fn online(&self, user: &User, node: usize) -> Client {
        let connect = Connect::by(user).over(&["websocket"]);
        let mut client = Client::open(&self.driver, self.cluster[node].url(), connect).await;
        client.connected().await;
        client
    }

    /// The value of a sample of a node's metrics, 0 where there is none.
    async fn sample(&self, node: usize, name: &str) -> f64 {
        let text = Http::new(self.cluster[node].url()).get("/metrics").send().await.text;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until a sample is at least this.
    async fn until(&self, node: usize, name: &str, least: f64) {
        let begun = Instant::now();
        while self.sample(node, name).await < least {
            assert!(begun.elapsed() < PATIENCE, "{name} of node {node} does not become {least}");
            sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// The node that brings notifications to the log, once one does.
    async fn holder(&self, among: &[usize]) -> usize {
        let begun = Instant::now();
        loop {
            for &node in among {
                if self.sample(node, "carillon_emitter_intake").await > 0.0 {
                    return node;
                }
            }
            assert!(begun.elapsed() < PATIENCE, "no node takes in");
            sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

/// A Node process that runs `tests/js/emitter.mjs`.
pub(crate) struct BackEnd {
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

fn js() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("js")
}

impl BackEnd {
    pub(crate) fn start(url: &str) -> Self {
        let mut command = Command::new("node");
        command.arg(js().join("emitter.mjs")).arg(url).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { stdin, answers: BufReader::new(stdout).lines(), _child: child }
    }

    async fn tell(&mut self, command: &Value) {
        self.stdin.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    }

    async fn answer(&mut self) -> Value {
        let line = timeout(PATIENCE * 2, self.answers.next_line()).await.unwrap().unwrap();
        serde_json::from_str(&line.unwrap_or_else(|| panic!("the back end has ended"))).unwrap()
    }

    /// Has a command done: the answer.
    async fn run(&mut self, command: Value) -> Value {
        self.tell(&command).await;
        self.answer().await
    }

    pub(crate) async fn emit(&mut self, rooms: &[&str], event: &str, args: Value) {
        self.run(json!({"cmd": "emit", "rooms": rooms, "event": event, "args": args})).await;
    }

    /// The end of what a test has emitted.
    async fn fence(&mut self) {
        self.emit(&[], "fence", json!([])).await;
    }
}
