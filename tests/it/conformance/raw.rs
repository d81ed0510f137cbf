//! Packets as they are: requests, and a WebSocket that answers nothing by itself.

use carillon_tests::PATIENCE;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Speaks HTTP to one path of one server.
#[derive(Clone)]
pub(super) struct Polls {
    client: reqwest::Client,
    base: String,
}

/// A status and a body.
pub(super) type Answer = (u16, String);

impl Polls {
    /// `base` ends with its `?`.
    pub(super) fn new(base: String) -> Self {
        Self { client: reqwest::Client::new(), base }
    }

    pub(super) async fn call(&self, method: reqwest::Method, query: &str, body: &str) -> Answer {
        let request = self.client.request(method, format!("{}{query}", self.base)).body(body.to_owned());
        let response = timeout(PATIENCE, request.send()).await.unwrap().unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Opens a session: its id.
    pub(super) async fn open(&self) -> String {
        let (status, body) = self.call(reqwest::Method::GET, "EIO=4&transport=polling", "").await;
        assert_eq!(status, 200, "{body}");
        sid(&body)
    }

    pub(super) async fn get(&self, sid: &str) -> Answer {
        self.call(reqwest::Method::GET, &format!("EIO=4&transport=polling&sid={sid}"), "").await
    }

    pub(super) async fn post(&self, sid: &str, body: &str) -> Answer {
        self.call(reqwest::Method::POST, &format!("EIO=4&transport=polling&sid={sid}"), body).await
    }

    /// A WebSocket at the same path.
    pub(super) async fn websocket(&self, query: &str) -> Result<Raw, Error> {
        let url = format!("{}{query}", self.base.replacen("http", "ws", 1));
        Ok(Raw(timeout(PATIENCE, connect_async(url)).await.unwrap()?.0))
    }
}

/// The id in an open packet.
pub(super) fn sid(open: &str) -> String {
    let open: serde_json::Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    open["sid"].as_str().unwrap().to_owned()
}

/// A WebSocket.
pub(super) struct Raw(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Raw {
    pub(super) async fn says(&mut self, packet: &str) {
        self.0.send(Message::text(packet)).await.unwrap();
    }

    pub(super) async fn says_bytes(&mut self, bytes: &[u8]) {
        self.0.send(Message::binary(bytes.to_vec())).await.unwrap();
    }

    /// The next message of either kind.
    pub(super) async fn message(&mut self) -> Message {
        timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap()
    }

    /// The next packet.
    pub(super) async fn hears(&mut self) -> String {
        match self.message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("expected a packet, got {other:?}"),
        }
    }

    /// That the server ends it; what it says before that is passed over.
    pub(super) async fn ends(&mut self) {
        let over =
            async { while let Some(Ok(Message::Text(_) | Message::Binary(_))) = self.0.next().await {} };
        timeout(PATIENCE, over).await.unwrap();
    }
}
