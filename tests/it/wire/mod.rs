//! Every rule of the wire and every kind of bad input, against the real binary: whatever one client sends, another that
//! is connected throughout (the *bystander*) goes on being told, and the process answers for its health.
//!
//! The letters and numbers in the tests' names are the rows of the project's table of bad inputs: H for the HTTP
//! handshake, P polling, W WebSocket, S Socket.IO; `advisories` holds what went wrong in other implementations.

mod advisories;
mod http;
mod memory;
mod polling;
mod sockets;
mod websocket;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use carillon_tests::clinic::note;
use carillon_tests::light::Light;
use carillon_tests::raw::{Raw, RawSocket, Response, sid};
use carillon_tests::users::ben;
use carillon_tests::{Http, Node, NodeSettings, PATIENCE, User};
use serde_json::json;
use tokio::time::timeout;

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// A node, and the bystander on it.
struct Stage {
    node: Node,
    http: Http,
    bystander: Light,
    told: u64,
}

impl Stage {
    async fn open() -> Self {
        Self::open_with(NodeSettings::default()).await
    }

    async fn open_with(settings: NodeSettings) -> Self {
        let node = Node::start(settings.set("RUST_LOG", "info,carillon_gateway=debug")).await;
        let http = Http::new(node.url());
        let mut bystander = Light::connect(node.address(), &ben().token(), None).await.unwrap();
        assert_eq!(bystander.event().await.unwrap().0, "inbox:state");
        Self { node, http, bystander, told: 0 }
    }

    fn address(&self) -> &str {
        self.node.address()
    }

    /// A connection that has said nothing yet.
    async fn tcp(&self) -> Raw {
        Raw::connect(self.address()).await
    }

    /// One request on a connection of its own.
    async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Response {
        self.tcp().await.ask(method, path, headers, body).await.unwrap()
    }

    /// A socket of someone new, joined.
    async fn joined(&self) -> RawSocket {
        RawSocket::join(self.address(), &someone().token()).await.unwrap()
    }

    /// The path of a polling session, opened and nothing more.
    async fn poller(&self) -> String {
        let open = self.ask("GET", POLLING, "", "").await;
        assert_eq!(open.status, 200, "{open:?}");
        format!("{POLLING}&sid={}", sid(&open.body).unwrap())
    }

    /// The path of a polling session that has joined `/`; nothing waits for its next GET.
    async fn joined_poller(&self) -> String {
        let path = self.poller().await;
        let connect = format!("40{}", json!({"token": someone().token()}));
        assert_eq!(self.ask("POST", &path, "", &connect).await.body, "ok");
        let mut heard = String::new();
        while !heard.contains("42[\"inbox:state\"") {
            let poll = self.ask("GET", &path, "", "").await;
            assert_eq!(poll.status, 200, "{poll:?}");
            heard.push_str(&poll.body);
        }
        path
    }

    /// That nobody but the sender was hurt by `what`: the process is well, and the bystander hears what comes next.
    async fn is_unharmed_by(&mut self, what: &str) {
        let health = self.http.get("/healthz").send().await;
        assert_eq!(health.status, 200, "after {what}: {}", health.text);
        self.told += 1;
        let title = format!("{} after {what:.100}", self.told);
        let publish = self.http.post("/api/v1/notifications", &note(&["user:ben"], &title)).with_key();
        publish.send().await.expect(201);
        let heard = timeout(PATIENCE, self.bystander.event()).await;
        let Ok(Ok((name, args))) = heard else { panic!("after {what}: the bystander heard {heard:?}") };
        assert_eq!((name.as_str(), &args[0]["title"]), ("notification", &json!(title)), "after {what}");
        assert!(!self.node.log().contains("panicked"), "after {what}");
    }
}

/// A patient nobody has seen before, so that no ceiling per user is in the way.
fn someone() -> User {
    static PEOPLE: AtomicU64 = AtomicU64::new(0);
    User::new(format!("someone-{}", PEOPLE.fetch_add(1, Relaxed)), "PATIENT")
}

/// The body of an Engine.IO refusal.
fn refusal(code: u8) -> &'static str {
    match code {
        0 => r#"{"code":0,"message":"Transport unknown"}"#,
        1 => r#"{"code":1,"message":"Session ID unknown"}"#,
        2 => r#"{"code":2,"message":"Bad handshake method"}"#,
        3 => r#"{"code":3,"message":"Bad request"}"#,
        _ => r#"{"code":5,"message":"Unsupported protocol version"}"#,
    }
}
