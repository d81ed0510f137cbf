//! A PostgreSQL server of a test's own, which may be killed, stopped and frozen. [`Postgres`](crate::Postgres) is the
//! one that a run shares.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, getuid, kill_process};
use tempfile::TempDir;

/// Nothing outlives a power cut, and all of it the death of every process.
const CONF: &str = "\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
";

/// A server in a directory of its own. It is killed when dropped.
#[derive(Debug)]
pub struct Postmaster {
    dir: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Postmaster {
    /// Makes a cluster and starts it.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start; so do the other methods when they cannot do it.
    #[must_use]
    pub fn start() -> Self {
        Self::make().unwrap_or_else(|error| panic!("a PostgreSQL server: {error:#}"))
    }

    fn make() -> Result<Self> {
        let dir = TempDir::with_prefix("carillon-postgres-")?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = Self { dir, programs: programs()?, port };
        let home = server.dir.path().join("server");
        fs::create_dir(&home)?;
        if getuid().is_root() {
            // PostgreSQL will not run as root, and whoever it runs as must find its way.
            fs::set_permissions(server.dir.path(), Permissions::from_mode(0o711))?;
            let given = Command::new("chown").arg("postgres:").arg(&home).status()?;
            ensure!(given.success(), "there is no user postgres");
        }
        let data = server.data();
        let data = data.to_str().context("the path")?;
        server.run(
            "initdb",
            &["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"],
        )?;
        fs::write(server.data().join("postgresql.auto.conf"), CONF)?;
        server.control(&["start"])?;
        Ok(server)
    }

    /// Where nodes find it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills all of its processes at once.
    pub fn kill9(&self) {
        // The postmaster is frozen first, lest it replace those that go before it.
        self.signal(Signal::STOP);
        self.signal(Signal::KILL);
        // It cannot take its own pid for a living server's, should nobody have reaped that yet.
        drop(fs::remove_file(self.data().join("postmaster.pid")));
    }

    /// Stops it without a word to those connected (`pg_ctl stop -m immediate`).
    pub fn stop_immediately(&self) {
        self.control(&["stop", "-m", "immediate"]).unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// Starts it again.
    pub fn restart(&self) {
        self.control(&["start"]).unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// Freezes all of its processes (SIGSTOP).
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("server/data")
    }

    fn control(&self, arguments: &[&str]) -> Result<()> {
        let (data, port) = (self.data(), format!("-p {}", self.port));
        let data = data.to_str().context("the path")?;
        let log = self.dir.path().join("server/log");
        let log = log.to_str().context("the path")?;
        self.run("pg_ctl", &[&["-D", data, "-o", &port, "-l", log, "-w", "-s"], arguments].concat())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let program = self.programs.join(program);
        let mut command = if getuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        // A server that inherited a pipe would keep it open for as long as it lives.
        let told = self.dir.path().join("told");
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        command.stdout(File::create(&told)?).stderr(File::options().append(true).open(&told)?);
        let status = command.status().with_context(|| format!("{}", program.display()))?;
        let told = fs::read_to_string(&told).unwrap_or_default();
        let log = fs::read_to_string(self.dir.path().join("server/log")).unwrap_or_default();
        ensure!(status.success(), "{} {arguments:?}: {told}\n{log}", program.display());
        Ok(())
    }

    /// Sends a signal to the postmaster and then to each of its children.
    fn signal(&self, signal: Signal) {
        let Some(postmaster) = self.pid() else { return };
        for pid in [postmaster].into_iter().chain(children(postmaster)) {
            if let Some(pid) = Pid::from_raw(pid) {
                // One that has just ended needs none.
                kill_process(pid, signal).unwrap_or_default();
            }
        }
    }

    fn pid(&self) -> Option<i32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        file.lines().next()?.trim().parse().ok()
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// Where PostgreSQL's programs are: the newest of Debian's directories, else one on the PATH.
pub(crate) fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.max_by_key(|entry| entry.file_name().to_string_lossy().parse::<u32>().unwrap_or(0));
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut places = newest.map(|entry| entry.path().join("bin")).into_iter().chain(on_path);
    places
        .find(|place| place.join("pg_ctl").is_file())
        .context("PostgreSQL is not installed: see tests/with-servers")
}

/// The processes that this one has started and that are still there.
fn children(of: i32) -> Vec<i32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| parent(*pid) == Some(of)).collect()
}

/// proc_pid_stat(5): the fourth field, and the second may hold anything within its parentheses.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
