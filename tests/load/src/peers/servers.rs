//! The servers that are held beside one another, each a process on a core of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use carillon_tests::Postgres;
use carillon_tests::node::{PUBLISH_KEY, binary};
use carillon_tests::users::JWT_SECRET;
use clap::ValueEnum;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;
use tempfile::TempDir;
use tokio::runtime::Handle;

/// The core of the server, and that of the load.
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// Where the peers are.
pub(super) const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../peers");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Carillon with SQLite.
    Sqlite,
    /// Carillon with PostgreSQL.
    Postgres,
    /// The official server on Node.js.
    Socketio,
    /// socketioxide on axum.
    Socketioxide,
    /// A server without a product.
    Floor,
}

impl Kind {
    /// As tables and charts call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "Carillon, SQLite",
            Self::Postgres => "Carillon, PostgreSQL",
            Self::Socketio => "socket.io (Node)",
            Self::Socketioxide => "socketioxide",
            Self::Floor => "floor (epoll)",
        }
    }

    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Sqlite | Self::Postgres)
    }

    /// The program with what it is told, and with what it needs of the environment.
    fn command(self) -> Result<Command> {
        let (program, argument) = match self {
            Self::Sqlite | Self::Postgres => (PathBuf::from(binary()), Some("serve".to_owned())),
            Self::Socketio => ("node".into(), Some(format!("{PEERS}/socketio/bench.mjs"))),
            Self::Socketioxide => (beside("peers/release/carillon-peer-socketioxide")?, None),
            Self::Floor => (std::env::current_exe()?, Some("floor".to_owned())),
        };
        let mut command = Command::new(program);
        command.args(argument).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Ok(command)
    }
}

/// A file below the folder of all builds.
fn beside(path: &str) -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let found = here.ancestors().map(|folder| folder.join(path)).find(|path| path.is_file());
    found.with_context(|| format!("no {path} near {}", here.display()))
}

/// A running server. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    child: Child,
    dir: TempDir,
    /// Dropped when the server is gone.
    _database: Option<Postgres>,
}

impl Server {
    /// Starts one with room for so many connections and a store of its own, and waits until it listens.
    pub(crate) fn start(kind: Kind, connections: usize) -> Result<Self> {
        let dir = TempDir::with_prefix("carillon-peer-")?;
        let database = (kind == Kind::Postgres).then(|| Handle::current().block_on(Postgres::create()));
        let mut command = kind.command()?;
        command
            .current_dir(&dir)
            .env("SOCKET_PORT", "0")
            .env("JWT_SECRET", JWT_SECRET)
            .env("PUBLISH_KEYS", format!("tests:{PUBLISH_KEY}"));
        if kind.is_ours() {
            // What is measured is the server, not its limiter.
            command.env("MAX_CONNECTIONS", (connections + 1024).to_string()).env("RUST_LOG", "warn");
            command.env("CONNECT_TIMEOUT_MS", "45000");
            for limit in ["PUBLISH", "USER", "HANDSHAKE"] {
                command.env(format!("{limit}_RATE"), "1000000").env(format!("{limit}_BURST"), "1000000");
            }
            let url = database.as_ref().map_or_else(|| "sqlite://carillon.db".to_owned(), Postgres::url);
            command.env("DATABASE_URL", url);
        }
        let log = std::fs::File::create(dir.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        // A process begins on the core of the thread that starts it.
        pin(SERVER_CORE)?;
        let child = command.spawn();
        pin(LOAD_CORE)?;
        let child = child.with_context(|| format!("{command:?}"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { kind, address, child, dir, _database: database };
        server.address = server.listens().with_context(|| server.log())?;
        Ok(server)
    }

    fn listens(&mut self) -> Result<SocketAddr> {
        let stdout = self.child.stdout.as_mut().context("no standard output")?;
        for line in BufReader::new(stdout).lines() {
            if let Some(url) = line?.strip_prefix("listening on http://") {
                return Ok(url.trim_end_matches('/').parse()?);
            }
        }
        anyhow::bail!("{} ended before it listened", self.kind.name())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and is gone in any case.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Keeps this thread, and what it starts, on one core.
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("core {core}: the bench needs two"))
}
