//! Clients that keep no rules: HTTP and WebSocket frames, byte by byte over TCP. What an official client would never
//! send is sent from here, and what comes back is read as strictly as a browser would.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::PATIENCE;

/// The handshake headers of a WebSocket, in order.
pub const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The mask of every frame: known, so that a test can say exactly which bytes it sends.
const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// A TCP connection to a node.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An HTTP answer as it came.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The header, without its first line.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Response {
    /// The value of the first header of this name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

impl Raw {
    /// Connects to `127.0.0.1:PORT`.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await;
        let stream = stream.unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        if let Err(error) = stream.set_nodelay(true) {
            panic!("no delay: {error}");
        }
        Self { stream, read: Vec::new() }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the server has closed already, as it may while it is being abused.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        Ok(self.stream.write_all(bytes.as_ref()).await?)
    }

    /// A request with these further headers (each line ended with CRLF), and its answer.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Result<Response> {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{length}{headers}\r\n{body}")).await?;
        self.response().await
    }

    /// The next HTTP answer.
    ///
    /// # Errors
    /// When the connection ends before it is whole, or it is no HTTP.
    pub async fn response(&mut self) -> Result<Response> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.take(end))?;
        let (first, head) = head.split_once("\r\n").context("no status line")?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        let mut response = Response { status, head: head.to_owned(), body: String::new() };
        let length = response.header("content-length").map_or(Ok(0), str::parse::<usize>)?;
        while self.read.len() < length {
            self.more().await?;
        }
        response.body = String::from_utf8(self.take(length))?;
        Ok(response)
    }

    /// That the server ends the connection, with an end or a reset: what it had still to say.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`].
    pub async fn ended(&mut self) -> Vec<u8> {
        while let Ok(more) = timeout(PATIENCE, self.more()).await {
            if more.is_err() {
                return std::mem::take(&mut self.read);
            }
        }
        panic!("the server keeps the connection open")
    }

    /// Ends the connection with a reset instead of an end, as a crashed client's kernel does.
    pub fn reset(self) {
        if let Err(error) = self.stream.set_zero_linger() {
            panic!("no linger: {error}");
        }
    }

    async fn more(&mut self) -> Result<()> {
        let mut chunk = [0; 16 * 1024];
        let count = self.stream.read(&mut chunk).await?;
        ensure!(count > 0, "the server closed the connection");
        self.read.extend_from_slice(&chunk[..count]);
        Ok(())
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.read.split_off(count);
        std::mem::replace(&mut self.read, rest)
    }
}

/// What comes over a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A text message.
    Text(String),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame: its code, if it has one.
    Close(Option<u16>),
    /// The connection is over without a close frame.
    Gone,
}

/// A WebSocket whose frames are made by hand. Engine.IO's pings are answered while it listens.
#[derive(Debug)]
pub struct RawSocket {
    /// The connection below.
    pub tcp: Raw,
}

impl RawSocket {
    /// A WebSocket at `/socket.io/?EIO=4&transport=websocket`, with `query` added; Engine.IO's open packet is not read.
    ///
    /// # Errors
    /// When the handshake is refused.
    pub async fn upgrade(address: &str, query: &str) -> Result<Self> {
        Self::upgrade_with(address, query, "").await
    }

    /// The same with more headers, each line with its end.
    ///
    /// # Errors
    /// When the handshake is refused.
    pub async fn upgrade_with(address: &str, query: &str, headers: &str) -> Result<Self> {
        let mut tcp = Raw::connect(address).await;
        let path = format!("/socket.io/?EIO=4&transport=websocket{query}");
        let answer = tcp.ask("GET", &path, &format!("{UPGRADE}{headers}"), "").await?;
        ensure!(answer.status == 101, "the handshake was answered {answer:?}");
        // The answer to the key above (RFC 6455 §1.3).
        ensure!(answer.header("sec-websocket-accept") == Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer:?}");
        Ok(Self { tcp })
    }

    /// A session of its own: its sid.
    ///
    /// # Errors
    /// When the handshake is refused, or there is no open packet.
    pub async fn open(address: &str) -> Result<(Self, String)> {
        let mut socket = Self::upgrade(address, "").await?;
        let Heard::Text(open) = socket.hear().await else { bail!("no open packet") };
        Ok((socket, sid(&open)?))
    }

    /// A session that has joined `/` with this token, and been told of its inbox.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn join(address: &str, token: &str) -> Result<Self> {
        let (mut socket, _) = Self::open(address).await?;
        socket.text(&format!("40{}", json!({"token": token}))).await?;
        for expected in ["40{", "42[\"inbox:state\""] {
            let heard = socket.hear().await;
            ensure!(matches!(&heard, Heard::Text(text) if text.starts_with(expected)), "{heard:?}");
        }
        Ok(socket)
    }

    /// Sends a text message in one frame.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn text(&mut self, text: &str) -> Result<()> {
        self.tcp.send(frame(0x81, text.as_bytes())).await
    }

    /// What comes next, Engine.IO's pings apart.
    ///
    /// # Panics
    /// When nothing does within [`PATIENCE`], or the frame is one that no server may send.
    pub async fn hear(&mut self) -> Heard {
        loop {
            let heard = match timeout(PATIENCE, self.frame()).await {
                Err(_) => panic!("the server is silent, and keeps the connection open"),
                Ok(Err(_)) => return Heard::Gone,
                Ok(Ok((0x81, payload))) => match String::from_utf8(payload) {
                    Ok(text) => Heard::Text(text),
                    Err(error) => panic!("the server sent text that is none: {error}"),
                },
                Ok(Ok((0x8a, payload))) => Heard::Pong(payload),
                Ok(Ok((0x88, payload))) => match payload[..] {
                    [high, low, ..] => Heard::Close(Some(u16::from_be_bytes([high, low]))),
                    _ => Heard::Close(None),
                },
                Ok(Ok((first, payload))) => panic!("the server sent a frame {first:#x} of {payload:?}"),
            };
            if heard != Heard::Text("2".into()) {
                return heard;
            }
            // Should it be gone, the next read says so.
            drop(self.text("3").await);
        }
    }

    /// That the server ends it: the last thing heard. What it says before that is passed over.
    ///
    /// # Panics
    /// When it does not.
    pub async fn end(&mut self) -> Heard {
        loop {
            match self.hear().await {
                Heard::Text(_) | Heard::Pong(_) => {}
                end => return end,
            }
        }
    }

    /// That it still does what a client needs: an event is answered. What else comes is passed over.
    ///
    /// # Panics
    /// When it is not.
    pub async fn is_served(&mut self) {
        assert!(
            self.text("42777[\"notification:list\",{}]").await.is_ok(),
            "the server closed the connection"
        );
        loop {
            match self.hear().await {
                Heard::Text(text) if text.starts_with("43777[{\"ok\":true") => return,
                Heard::Text(_) | Heard::Pong(_) => {}
                end => panic!("no answer: {end:?}"),
            }
        }
    }

    async fn frame(&mut self) -> Result<(u8, Vec<u8>)> {
        let [first, second] = self.head::<2>().await?;
        let length = match second {
            126 => usize::from(u16::from_be_bytes(self.head().await?)),
            127 => usize::try_from(u64::from_be_bytes(self.head().await?))?,
            length => usize::from(length),
        };
        while self.tcp.read.len() < length {
            self.tcp.more().await?;
        }
        Ok((first, self.tcp.take(length)))
    }

    async fn head<const N: usize>(&mut self) -> Result<[u8; N]> {
        while self.tcp.read.len() < N {
            self.tcp.more().await?;
        }
        let head = self.tcp.take(N);
        head.try_into().ok().context("a short read")
    }
}

/// A client's frame: its first byte (FIN, RSV, opcode) and its payload, masked.
#[must_use]
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = announce(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The head of a client's frame that says it has `length` bytes.
#[must_use]
pub fn announce(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length < 126 => bytes.push(0x80 | length),
        (_, Ok(length)) => {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

/// The sid of an open packet.
///
/// # Errors
/// When it is none.
pub fn sid(open: &str) -> Result<String> {
    let open: Value = serde_json::from_str(open.strip_prefix('0').context("no open packet")?)?;
    Ok(open["sid"].as_str().context("no sid")?.to_owned())
}
