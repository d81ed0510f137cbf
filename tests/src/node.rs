//! One gateway: the real binary, run as an operator would run it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::PATIENCE;
use crate::users::JWT_SECRET;

/// The publish key that every node of the tests knows, under the name `tests`.
pub const PUBLISH_KEY: &str = "publish-key-for-tests-alone";

/// The peer that ours is held beside.
const SOCKETIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/socketio/server.mjs");

/// What a node is started with: the contract's settings (§2) by name, and nothing else from the environment.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    env: Vec<(String, String)>,
    parent: Option<PathBuf>,
    program: fn() -> OsString,
    command: &'static str,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self { env: Vec::new(), parent: None, program: binary, command: "serve" }
            .set("SOCKET_PORT", 0)
            .set("DATABASE_URL", "sqlite://carillon.db")
            .set("JWT_SECRET", JWT_SECRET)
            .set("PUBLISH_KEYS", format!("tests:{PUBLISH_KEY}"))
            .set("DRAIN_SECONDS", 1)
    }
}

impl NodeSettings {
    /// Sets one, in place of its default or of an earlier value.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "so that `.set(\"MAX_CONNECTIONS\", 3)` reads as it should"
    )]
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.env.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Leaves one unset.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// Runs `carillon demo` instead of `carillon serve`.
    #[must_use]
    pub fn demo() -> Self {
        Self { command: "demo", ..Self::default() }.unset("JWT_SECRET")
    }

    /// Runs the official server of `peers/socketio` instead, which knows as many of the settings as it needs.
    ///
    /// # Panics
    /// When its packages are missing.
    #[must_use]
    pub fn socketio() -> Self {
        let installed = Path::new(SOCKETIO).with_file_name("node_modules").is_dir();
        assert!(installed, "run `npm ci` beside {SOCKETIO}");
        let path = std::env::var("PATH").unwrap_or_default();
        Self { program: || "node".into(), command: SOCKETIO, ..Self::default() }.set("PATH", path)
    }

    /// Keeps the node's files in a new directory below `parent` instead of the system's temporary one.
    #[must_use]
    pub fn below(mut self, parent: &Path) -> Self {
        self.parent = Some(parent.to_owned());
        self
    }

    /// Runs `carillon` with these settings to its end, as for settings that it must refuse.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    pub async fn run_to_end(&self, arguments: &[&str]) -> Output {
        let dir = self.directory();
        let child = self.command(dir.path()).args(arguments).output();
        match timeout(PATIENCE, child).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => panic!("running carillon: {error}"),
            Err(_) => panic!("carillon {arguments:?} was still running after {PATIENCE:?}"),
        }
    }

    fn directory(&self) -> TempDir {
        let made = match &self.parent {
            Some(parent) => TempDir::with_prefix_in("carillon-", parent),
            None => TempDir::with_prefix("carillon-"),
        };
        made.unwrap_or_else(|error| panic!("no directory for the node: {error}"))
    }

    fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new((self.program)());
        command.current_dir(dir).env_clear().envs(self.env.iter().cloned());
        // Where counters go, when coverage is measured.
        command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// The binary under test: `CARILLON_BIN`, or `carillon` beside this executable or one directory up (a test runs from
/// `target/<profile>/deps`).
///
/// # Panics
/// When there is none.
#[must_use]
pub fn binary() -> OsString {
    if let Some(path) = std::env::var_os("CARILLON_BIN") {
        return path;
    }
    let here = std::env::current_exe().unwrap_or_default();
    here.ancestors().skip(1).take(2).map(|dir| dir.join("carillon")).find(|path| path.is_file()).map_or_else(
        || panic!("no carillon binary near {}: run `cargo build --workspace --bins` first", here.display()),
        Into::into,
    )
}

/// A running gateway with its own directory and database. It is killed when dropped, and a failing test shows the end
/// of its log.
#[derive(Debug)]
pub struct Node {
    settings: NodeSettings,
    dir: TempDir,
    child: Child,
    url: String,
}

impl Node {
    /// Starts a node and waits until it is ready.
    ///
    /// # Panics
    /// When it is not ready within [`PATIENCE`]; the text has the end of its log.
    pub async fn start(settings: NodeSettings) -> Self {
        let dir = settings.directory();
        let (child, url) = spawn(&settings, dir.path()).await;
        Self { settings, dir, child, url }
    }

    /// Starts the stopped node again, with the same data and on the same port.
    ///
    /// # Panics
    /// As [`Node::start`].
    pub async fn restart(&mut self) {
        let port = self.address().rsplit(':').next().unwrap_or_default().to_owned();
        self.settings = self.settings.clone().set("SOCKET_PORT", port);
        (self.child, self.url) = spawn(&self.settings, self.dir.path()).await;
    }

    /// Kills the node as a power cut would, and waits until it is gone.
    ///
    /// # Panics
    /// When it had already ended.
    pub async fn kill9(&mut self) {
        if let Err(error) = self.child.kill().await {
            panic!("kill -9: {error}\n{}", self.log());
        }
    }

    /// Asks the node to stop (SIGTERM) and waits for its end.
    ///
    /// # Panics
    /// When it is still running after [`PATIENCE`].
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ends().await
    }

    /// Waits for the end of a node that was asked to stop.
    ///
    /// # Panics
    /// When it is still running after [`PATIENCE`].
    pub async fn ends(&mut self) -> ExitStatus {
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) => status,
            other => panic!("after SIGTERM: {other:?}\n{}", self.log()),
        }
    }

    /// The memory that it has now, in KiB.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let size = line.and_then(|size| size.split_whitespace().next()?.parse().ok());
        size.unwrap_or_else(|| panic!("no VmRSS: {status}"))
    }

    /// Sends the node a signal.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        let sent = Pid::from_raw(self.pid().cast_signed()).map(|pid| kill_process(pid, signal));
        assert!(matches!(sent, Some(Ok(()))), "{signal:?} was not sent: {sent:?}");
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Its `DATABASE_URL`, good for any process of this machine.
    #[must_use]
    pub fn database_url(&self) -> String {
        let url = self.settings.get("DATABASE_URL");
        match url.strip_prefix("sqlite://") {
            Some(file) => format!("sqlite://{}", self.dir.path().join(file).display()),
            None => url.to_owned(),
        }
    }

    /// The id of its process.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("the node has ended\n{}", self.log()))
    }

    /// What it has logged since its first start.
    #[must_use]
    pub fn log(&self) -> String {
        read_log(self.dir.path())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let log = self.log();
        if thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("---- the node's log\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        } else {
            // Whatever the test was about: a task of the gateway that panics is a fault.
            assert!(!log.contains("panicked at"), "the node panicked:\n{log}");
        }
    }
}

fn read_log(dir: &Path) -> String {
    fs::read_to_string(dir.join("stderr.log")).unwrap_or_default()
}

async fn spawn(settings: &NodeSettings, dir: &Path) -> (Child, String) {
    match timeout(PATIENCE, try_spawn(settings, dir)).await {
        Ok(Ok(started)) => started,
        Ok(Err(error)) => panic!("the node did not start: {error:#}\n{}", read_log(dir)),
        Err(_) => panic!("the node was not ready within {PATIENCE:?}\n{}", read_log(dir)),
    }
}

async fn try_spawn(settings: &NodeSettings, dir: &Path) -> anyhow::Result<(Child, String)> {
    let log: File = OpenOptions::new().create(true).append(true).open(dir.join("stderr.log"))?;
    let mut child = settings
        .command(dir)
        .arg(settings.command)
        .stdout(Stdio::piped())
        .stderr(Stdio::from(log))
        .spawn()?;
    let stdout = child.stdout.take().ok_or_else(|| anyhow::anyhow!("no standard output"))?;
    let mut lines = BufReader::new(stdout).lines();
    let url = loop {
        let line = lines.next_line().await?.ok_or_else(|| anyhow::anyhow!("it ended before it listened"))?;
        if let Some(url) = line.strip_prefix("listening on ") {
            break url.trim_end_matches('/').to_owned();
        }
    };
    // A full pipe would stop the node.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let http = reqwest::Client::new();
    while !http.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success()) {
        anyhow::ensure!(child.try_wait()?.is_none(), "it ended before it was ready");
        sleep(Duration::from_millis(20)).await;
    }
    Ok((child, url))
}
