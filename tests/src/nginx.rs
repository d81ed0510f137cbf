//! The real nginx before real nodes, with the configuration of `deploy/nginx`: only ports, paths and the nodes' addresses are
//! put in their place.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::PATIENCE;
use crate::names::Names;

const MAIN: &str = include_str!("../../deploy/nginx/nginx.conf");
const SITE: &str = include_str!("../../deploy/nginx/carillon.conf");
const NODES: &str = include_str!("../../deploy/nginx/nodes.conf");
const KUBERNETES: &str = include_str!("../../deploy/kubernetes/nodes.conf");

/// An nginx of a test's own, before its nodes. It ends when dropped.
#[derive(Debug)]
pub struct Nginx {
    dir: TempDir,
    port: u16,
    tls_port: Option<u16>,
    child: Child,
}

impl Nginx {
    /// Starts one before the nodes `a` and `b`, given as `127.0.0.1:PORT`, and waits until it listens.
    ///
    /// # Panics
    /// When nginx is not installed (`tests/with-servers` does so), or refuses its configuration.
    pub async fn start(a: &str, b: &str) -> Self {
        Self::before(&[("a", a), ("b", b)]).await
    }

    /// Starts one before these nodes: the `NODE_ID` and the address of each.
    ///
    /// # Panics
    /// As [`Nginx::start`].
    pub async fn before(nodes: &[(&str, &str)]) -> Self {
        Self::run(&these(nodes), false).await
    }

    /// Starts one as in Kubernetes, where it knows nodes by name: these two make up the Service, and pods are found by this
    /// name server. All listen on one port.
    ///
    /// # Panics
    /// As [`Nginx::start`].
    pub async fn start_in_kubernetes([one, other]: [&str; 2], port: u16, names: &Names) -> Self {
        const SERVICE: &str = "carillon.carillon.svc.cluster.local:5000";
        let nodes = KUBERNETES.replacen(SERVICE, one, 1).replacen(SERVICE, other, 1);
        let nodes = nodes.replace("kube-dns.kube-system.svc.cluster.local", &names.address().to_string());
        Self::run(&nodes.replace(":5000", &format!(":{port}")), false).await
    }

    /// The same with the lines for TLS, for `localhost`.
    ///
    /// # Panics
    /// As [`Nginx::start`], or when there is no openssl to make a certificate.
    pub async fn start_with_tls(a: &str, b: &str) -> Self {
        Self::run(&these(&[("a", a), ("b", b)]), true).await
    }

    /// Where it listens, without TLS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens, without TLS: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it listens with TLS; empty where it does not.
    #[must_use]
    pub fn tls_url(&self) -> String {
        self.tls_port.map_or_else(String::new, |port| format!("https://localhost:{port}"))
    }

    /// What it has written about requests.
    #[must_use]
    pub fn access_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default()
    }

    async fn run(nodes: &str, tls: bool) -> Self {
        match timeout(PATIENCE, Self::try_run(nodes, tls)).await {
            Ok(Ok(nginx)) => nginx,
            Ok(Err(error)) => panic!("nginx: {error:#}"),
            Err(_) => panic!("nginx does not listen after {PATIENCE:?}"),
        }
    }

    async fn try_run(nodes: &str, tls: bool) -> Result<Self> {
        let dir = TempDir::with_prefix("carillon-nginx-")?;
        // Its workers are nobody, and must find their way.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711))?;
        let port = free_port()?;
        let tls_port = tls.then(free_port).transpose()?;
        configure(dir.path(), nodes, port, tls_port)?;
        if tls {
            certify(dir.path()).await?;
        }
        let errors = dir.path().join("error.log");
        let mut command = Command::new("nginx");
        command
            .arg("-e")
            .arg(&errors)
            .arg("-c")
            .arg(dir.path().join("nginx.conf"))
            .args(["-g", "daemon off;"]);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("it did not start: is it installed? see tests/with-servers")?;
        let mut nginx = Self { dir, port, tls_port, child };
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let told = fs::read_to_string(&errors).unwrap_or_default();
            ensure!(nginx.child.try_wait()?.is_none(), "it ended: {told}");
            sleep(Duration::from_millis(10)).await;
        }
        Ok(nginx)
    }
}

/// The nodes' file with what it says of `b` said of each of these, and of nobody else.
fn these(nodes: &[(&str, &str)]) -> String {
    let mut file = NODES.to_owned();
    for said in [
        "    server 127.0.0.1:5002 max_fails=0;\n",
        "upstream carillon_b {\n    server 127.0.0.1:5002;\n    keepalive 16;\n}\n",
        "    ~^b\\.   carillon_b;\n",
    ] {
        let of = |id: &str, address: &str| {
            let said = said.replace("carillon_b", &format!("carillon_{id}")).replace("^b", &format!("^{id}"));
            said.replace("127.0.0.1:5002", address)
        };
        assert!(file.contains(said), "nodes.conf no longer says {said:?}");
        let each: String = nodes.iter().map(|(id, address)| of(id, address)).collect();
        file = file.replace(&of("a", "127.0.0.1:5001"), "").replace(said, &each);
    }
    file
}

/// Writes the three files, and the only places in which they differ from those of `deploy/nginx`.
fn configure(dir: &Path, nodes: &str, port: u16, tls_port: Option<u16>) -> Result<()> {
    let here = dir.to_str().context("the path")?;
    let own =
        |text: &str| text.replace("/tmp/", &format!("{here}/")).replace("/etc/nginx/", &format!("{here}/"));
    let main = own(MAIN)
        .replace("error_log stderr", &format!("error_log {here}/error.log"))
        .replace("worker_processes auto", "worker_processes 2")
        .replace("worker_rlimit_nofile 131072;", "")
        .replace("65536", "4096");
    let site = if tls_port.is_some() { SITE.replace("#tls ", "") } else { SITE.to_owned() };
    // A machine may have no IPv6.
    let site: String =
        site.lines().filter(|line| !line.contains("[::]")).map(|line| format!("{line}\n")).collect();
    let site = own(&site)
        .replace("/var/log/nginx", here)
        .replace("listen 80 ", &format!("listen 127.0.0.1:{port} "))
        .replace("listen 443 ", &format!("listen 127.0.0.1:{} ", tls_port.unwrap_or(443)));
    fs::create_dir(dir.join("conf.d"))?;
    fs::write(dir.join("nginx.conf"), main)?;
    fs::write(dir.join("conf.d/carillon.conf"), site)?;
    fs::write(dir.join("conf.d/nodes.conf"), nodes)?;
    Ok(())
}

/// A certificate for `localhost`, where the configuration looks for it.
async fn certify(dir: &Path) -> Result<()> {
    let tls = dir.join("tls");
    fs::create_dir(&tls)?;
    let mut command = Command::new("openssl");
    command.args(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split(' '),
    );
    command.args([
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        "privkey.pem",
        "-out",
        "fullchain.pem",
    ]);
    let done = command.current_dir(&tls).output().await.context("openssl")?;
    ensure!(done.status.success(), "openssl: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // By a signal that it hears: killed, it would leave its workers behind.
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            kill_process(pid, Signal::TERM).unwrap_or_default();
        }
        if std::thread::panicking() {
            for name in ["error.log", "access.log"] {
                let log = fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                eprintln!("---- nginx's {name}\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
            }
        }
    }
}
