//! A throwaway Redis, to be frozen, killed and emptied by the test whose it is. So each test has its own: one starts
//! within 50 ms.
//!
//! The program is `redis-server` on PATH or `CARILLON_TEST_REDIS`; `tests/with-servers` sees to it that there is one.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server of its own, killed when dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    child: Child,
}

impl RedisServer {
    /// Starts an empty server and waits until it answers.
    ///
    /// # Panics
    /// When none starts.
    #[must_use]
    pub fn start() -> Self {
        for _ in 0..8 {
            if let Some(server) = launch(free_port(), &[]) {
                return server;
            }
        }
        panic!("no Redis would start")
    }

    /// Starts three servers that are one Cluster, without replicas.
    ///
    /// # Panics
    /// When they do not become one.
    #[must_use]
    pub fn cluster() -> [Self; 3] {
        let servers = [(); 3].map(|()| {
            loop {
                let (port, bus) = (free_port(), free_port().to_string());
                let file = format!("carillon-test-nodes-{port}.conf");
                let more =
                    ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-config-file", &file];
                if let Some(server) = launch(port, &more) {
                    break server;
                }
            }
        });
        let last = 16_383;
        for (n, server) in servers.iter().enumerate() {
            let (from, to) = (n * 5_462, last.min(n * 5_462 + 5_461));
            let (from, to) = (from.to_string(), to.to_string());
            server.command(&[b"CLUSTER", b"ADDSLOTSRANGE", from.as_bytes(), to.as_bytes()]);
            let (port, bus) = (servers[0].port.to_string(), servers[0].bus().to_string());
            if n > 0 {
                server.command(&[b"CLUSTER", b"MEET", b"127.0.0.1", port.as_bytes(), bus.as_bytes()]);
            }
        }
        let deadline = Instant::now() + PATIENCE;
        let is_one = |server: &Self| {
            let info = server.command(&[b"CLUSTER", b"INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        };
        while !servers.iter().all(is_one) {
            assert!(Instant::now() < deadline, "no Cluster");
            sleep(Duration::from_millis(20));
        }
        servers
    }

    /// The port on which a Cluster's nodes speak to each other.
    fn bus(&self) -> u16 {
        let setting = self.command(&[b"CONFIG", b"GET", b"cluster-port"]);
        let port = setting.lines().last().and_then(|port| port.parse().ok());
        port.unwrap_or_else(|| panic!("no bus: {setting}"))
    }

    /// Where it is: `redis://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a power cut would.
    pub fn kill9(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Starts it again, empty, where it was.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.kill9();
        *self = launch(self.port, &[]).unwrap_or_else(|| panic!("Redis does not start again"));
    }

    /// Stops it in the middle of whatever it does; connections stay open.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
    }

    /// Sends a command and returns the answer as it came, up to what one read brings.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn command(&self, words: &[&[u8]]) -> String {
        let ask = || -> std::io::Result<String> {
            let mut link = TcpStream::connect(("127.0.0.1", self.port))?;
            link.set_read_timeout(Some(PATIENCE))?;
            let mut text = format!("*{}\r\n", words.len()).into_bytes();
            for word in words {
                text.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                text.extend_from_slice(word);
                text.extend_from_slice(b"\r\n");
            }
            link.write_all(&text)?;
            let mut answer = vec![0; 1 << 20];
            let length = link.read(&mut answer)?;
            answer.truncate(length);
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        ask().unwrap_or_else(|fault| panic!("Redis does not answer: {fault}"))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill9();
        let nodes = std::env::temp_dir().join(format!("carillon-test-nodes-{}.conf", self.port));
        drop(std::fs::remove_file(nodes));
    }
}

fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    free.unwrap_or_else(|fault| panic!("no free port: {fault}")).port()
}

/// A server on this port that answers; `None` when it does not start, as when another one has the port.
fn launch(port: u16, more: &[&str]) -> Option<RedisServer> {
    let program = std::env::var_os("CARILLON_TEST_REDIS").unwrap_or_else(|| OsString::from("redis-server"));
    let child = Command::new(&program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(more)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|fault| panic!("{}: {fault}: run tests/with-servers", program.display()));
    let mut server = RedisServer { port, child };
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && server.child.try_wait().ok()?.is_none() {
        if answers(port) {
            return Some(server);
        }
        sleep(Duration::from_millis(5));
    }
    None
}

fn answers(port: u16) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut link = TcpStream::connect(("127.0.0.1", port))?;
        link.set_read_timeout(Some(Duration::from_secs(1)))?;
        link.write_all(b"PING\r\n")?;
        let mut line = String::new();
        BufReader::new(link).read_line(&mut line)?;
        Ok(line.starts_with("+PONG"))
    };
    ping().unwrap_or(false)
}
