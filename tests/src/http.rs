//! The HTTP side: publishers, users and bad bodies.

use std::net::IpAddr;
use std::panic::Location;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::events::Events;
use crate::node::PUBLISH_KEY;
use crate::users::User;

/// Speaks HTTP to one node.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    url: String,
}

impl Http {
    /// For the node at `url`, such as `http://127.0.0.1:5000`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { client: reqwest::Client::new(), url: url.to_owned() }
    }

    /// With a connection of its own for each call, so that none is left that a node could be counted by.
    ///
    /// # Panics
    /// When there is no such client.
    #[must_use]
    pub fn unpooled(url: &str) -> Self {
        match reqwest::Client::builder().pool_max_idle_per_host(0).build() {
            Ok(client) => Self { client, url: url.to_owned() },
            Err(error) => panic!("a client without a pool: {error}"),
        }
    }

    /// From another address of this machine, such as `127.0.0.2`.
    ///
    /// # Panics
    /// When there is no such client.
    #[must_use]
    pub fn from(address: IpAddr, url: &str) -> Self {
        match reqwest::Client::builder().local_address(address).build() {
            Ok(client) => Self { client, url: url.to_owned() },
            Err(error) => panic!("a client at {address}: {error}"),
        }
    }

    /// A GET of `path`.
    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    /// A POST of a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call("POST", path).json(body)
    }

    /// Any request.
    ///
    /// # Panics
    /// When `method` is no method.
    pub fn call(&self, method: &str, path: &str) -> Call {
        let Ok(method) = Method::from_bytes(method.as_bytes()) else { panic!("{method:?} is no method") };
        Call(self.client.request(method, format!("{}{path}", self.url)))
    }
}

/// A request in the making.
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct Call(RequestBuilder);

impl Call {
    /// As the publisher whose key every node knows.
    pub fn with_key(self) -> Self {
        self.bearer(PUBLISH_KEY)
    }

    /// As `user`.
    pub fn by(self, user: &User) -> Self {
        self.bearer(&user.token())
    }

    /// With this key or token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// With a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    /// With a body as it is.
    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.body(body))
    }

    /// Sends it.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send(self) -> Answer {
        self.try_send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends it, and reads the answer of 200 as it comes.
    ///
    /// # Panics
    /// When the answer is another.
    #[track_caller]
    pub fn stream(self) -> impl Future<Output = Events> {
        let at = Location::caller();
        async move {
            match self.0.send().await {
                Ok(answer) if answer.status() == 200 => Events::new(answer),
                other => panic!("{at}: no stream: {other:?}"),
            }
        }
    }

    /// Sends it, to a node that may be gone.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn try_send(self) -> reqwest::Result<Answer> {
        let answer = self.0.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Answer { status, headers, text: answer.text().await? })
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON; `null` where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A header, if it came.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON, of an answer that must have this status.
    ///
    /// # Panics
    /// When the status is another.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// That this is a problem (RFC 9457) of this status and code, pointing at `pointer` unless that is empty.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str, pointer: &str) {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        assert_eq!(problem["code"], code, "{}", self.text);
        assert_eq!(problem["status"], status, "{}", self.text);
        assert!(problem["requestId"].as_str().is_some_and(|id| !id.is_empty()), "{}", self.text);
        let points_there = |fault: &Value| fault["pointer"] == pointer && fault["detail"].is_string();
        let faults = problem["errors"].as_array().map_or(&[][..], Vec::as_slice);
        assert!(
            pointer.is_empty() || faults.iter().any(points_there),
            "no fault at {pointer}: {}",
            self.text
        );
    }
}
