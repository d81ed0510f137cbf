//! A light client: Engine.IO v4 and Socket.IO v5 over a WebSocket, in this process. It is for raw frames and for many
//! thousands of connections, and believes what the server says.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A connected WebSocket that answers pings.
#[derive(Debug)]
pub struct Light {
    link: WebSocketStream<TcpStream>,
    /// Longer than the server is ever silent: its ping interval and its ping timeout.
    silence: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    ping_interval: u64,
    ping_timeout: u64,
}

impl Light {
    /// Opens a connection to `address` (`127.0.0.1:PORT`) up to Engine.IO's open packet. `receive_buffer` bytes, if
    /// given, are all the kernel shall hold for a client that does not read.
    ///
    /// # Errors
    /// When the server does not speak Engine.IO over a WebSocket there.
    pub async fn open(address: &str, receive_buffer: Option<u32>) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(address.parse().context("the address")?).await?;
        stream.set_nodelay(true)?;
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (link, _) = client_async(url.into_client_request()?, stream).await?;
        let mut light = Self { link, silence: Duration::MAX };
        let open = light.text().await?;
        let Some(Ok(open)) = open.strip_prefix('0').map(serde_json::from_str::<Open>) else {
            bail!("expected the open packet, got {open}");
        };
        light.silence = Duration::from_millis(open.ping_interval + open.ping_timeout);
        Ok(light)
    }

    /// [`Light::open`], and CONNECT with `token`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(address: &str, token: &str, receive_buffer: Option<u32>) -> Result<Self> {
        let mut light = Self::open(address, receive_buffer).await?;
        light.join(&json!({"token": token})).await?;
        Ok(light)
    }

    /// CONNECT with this payload: the answer's.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join(&mut self, auth: &Value) -> Result<Value> {
        self.send(format!("40{auth}")).await?;
        let answer = self.text().await?;
        match answer.strip_prefix("40") {
            Some(payload) => Ok(serde_json::from_str(payload)?),
            None => bail!("refused: {answer}"),
        }
    }

    /// Longer than the server is ever silent, so that a client knows when it is gone.
    #[must_use]
    pub const fn silence(&self) -> Duration {
        self.silence
    }

    /// Sends one Engine.IO packet.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, packet: impl Into<Utf8Bytes>) -> Result<()> {
        Ok(self.link.send(Message::Text(packet.into())).await?)
    }

    /// The next Engine.IO packet that is no ping. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn text(&mut self) -> Result<Utf8Bytes> {
        loop {
            match self.link.next().await.context("the connection ended")?? {
                Message::Text(text) if text.as_str() == "2" => self.send("3").await?,
                Message::Text(text) => return Ok(text),
                Message::Close(frame) => bail!("the server closed the connection: {frame:?}"),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Every Engine.IO packet until the connection ends, with no ping answered.
    pub async fn hear_without_answering(mut self) -> Vec<Utf8Bytes> {
        let mut heard = Vec::new();
        while let Some(Ok(message)) = self.link.next().await {
            if let Message::Text(text) = message {
                heard.push(text);
            }
        }
        heard
    }

    /// The next event: its name and its arguments.
    ///
    /// # Errors
    /// When the connection ends, or something else comes.
    pub async fn event(&mut self) -> Result<(String, Vec<Value>)> {
        let text = self.text().await?;
        let json = text.strip_prefix("42").with_context(|| format!("{text} is no event"))?;
        let mut args: Vec<Value> = serde_json::from_str(json)?;
        if args.is_empty() {
            bail!("{text} has no name");
        }
        let name = args.remove(0).as_str().unwrap_or_default().to_owned();
        Ok((name, args))
    }
}
