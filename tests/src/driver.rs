//! The Node.js process in which official clients live, and what it reports of them.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

use crate::journal::{Entry, Journal, Line};

/// What befalls a client's connection.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Life {
    /// The server accepted it.
    Connect {
        /// The socket's id.
        sid: String,
        /// What the client says of `socket.recovered`.
        recovered: bool,
        /// `polling` or `websocket`.
        transport: String,
    },
    /// The server refused it, or the transport failed.
    ConnectError {
        /// The error's text.
        message: String,
        /// What the server added, such as `{"code": "token_missing"}`.
        data: Value,
        /// The HTTP status, where the handshake was refused over polling.
        status: Option<u16>,
    },
    /// It is over.
    Disconnect {
        /// The client's word for why.
        reason: String,
    },
    /// It moved to another transport.
    Upgrade {
        /// Which.
        transport: String,
    },
}

/// An event as a handler is given it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its arguments; the offset is the last of them.
    pub args: Vec<Value>,
}

/// Where the reports of one client go.
#[derive(Debug)]
pub(crate) struct Ears {
    pub(crate) life: mpsc::Sender<Life>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) acks: HashMap<u64, oneshot::Sender<Vec<Value>>>,
}

type AllEars = Arc<Mutex<HashMap<u64, Ears>>>;

/// One Node.js process that runs `js/driver.mjs`; a test has one.
#[derive(Debug)]
pub struct Driver {
    stdin: tokio::sync::Mutex<ChildStdin>,
    ears: AllEars,
    pub(crate) numbers: AtomicU64,
    _child: Child,
}

impl Driver {
    /// Starts it.
    ///
    /// # Panics
    /// When Node.js or the packages of `tests/js` are missing.
    #[must_use]
    pub fn start() -> Arc<Self> {
        Self::start_with(Arc::default())
    }

    /// Starts it; clients that keep a journal write into this one.
    ///
    /// # Panics
    /// As [`Driver::start`].
    #[must_use]
    pub fn start_with(journal: Arc<Journal>) -> Arc<Self> {
        let js = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
        let installed = js.join("node_modules/socket.io-client").is_dir();
        assert!(installed, "the official client is not installed: run `npm ci` in {}", js.display());
        let mut command = Command::new("node");
        command.arg(js.join("driver.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("Node.js did not start: {error}"));
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            panic!("Node.js has no pipes")
        };
        let ears = AllEars::default();
        tokio::spawn(listen(stdout, Arc::clone(&ears), journal));
        Arc::new(Self { stdin: stdin.into(), ears, numbers: AtomicU64::new(0), _child: child })
    }

    pub(crate) async fn tell(&self, command: &Value) {
        let line = format!("{command}\n");
        if let Err(error) = self.stdin.lock().await.write_all(line.as_bytes()).await {
            panic!("the driver is gone: {error}");
        }
    }

    pub(crate) fn with_ears<T>(&self, then: impl FnOnce(&mut HashMap<u64, Ears>) -> T) -> T {
        then(&mut self.ears.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Hands each report to the client it is about, and each line of a journal to that.
async fn listen(stdout: ChildStdout, ears: AllEars, journal: Arc<Journal>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.starts_with('[') {
            let entry = serde_json::from_str::<Line>(&line).map_err(|error| error.to_string());
            match entry.and_then(Entry::try_from) {
                Ok(entry) => journal.write(entry),
                Err(error) => panic!("the driver wrote {line}: {error}"),
            }
            continue;
        }
        let Ok(report) = serde_json::from_str::<Value>(&line) else { panic!("the driver said {line}") };
        let mut ears = ears.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ears) = report["client"].as_u64().and_then(|client| ears.get_mut(&client)) else { continue };
        let heard = match report["kind"].as_str() {
            Some("event") => serde_json::from_value(report).map(|event| ears.events.try_send(event).is_ok()),
            Some("ack") => serde_json::from_value(report["args"].clone()).map(|args| {
                let asked = report["ack"].as_u64().and_then(|ack| ears.acks.remove(&ack));
                // An answer to a question that its test gave up on, or a second one, is nobody's.
                asked.is_some_and(|asked| asked.send(args).is_ok())
            }),
            _ => serde_json::from_value(report).map(|life| ears.life.try_send(life).is_ok()),
        };
        heard.unwrap_or_else(|error| panic!("the driver said {line}: {error}"));
    }
}
