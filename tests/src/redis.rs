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
            let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
            let port = port.unwrap_or_else(|fault| panic!("no free port: {fault}")).port();
            if let Some(server) = launch(port) {
                return server;
            }
        }
        panic!("no Redis would start")
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
        *self = launch(self.port).unwrap_or_else(|| panic!("Redis does not start again"));
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
    }
}

/// A server on this port that answers; `None` when it does not start, as when another one has the port.
fn launch(port: u16) -> Option<RedisServer> {
    let program = std::env::var_os("CARILLON_TEST_REDIS").unwrap_or_else(|| OsString::from("redis-server"));
    let child = Command::new(&program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
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
