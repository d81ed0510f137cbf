//! The stage of a test: a node, a publisher, and people with official clients.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::driver::Driver;
use crate::{Client, Connect, Http, Node, NodeSettings, User};

/// A node of its own, and all that speaks to it.
#[derive(Debug)]
pub struct Clinic {
    /// The gateway.
    pub node: Node,
    /// Requests to it.
    pub http: Http,
    /// Where clients and publishers go.
    url: String,
    driver: Arc<Driver>,
    fences: AtomicU64,
}

/// What a publisher is answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Published {
    /// The id of the publish.
    pub event_id: String,
    /// What it became: one notification per room.
    pub notifications: Vec<PublishedOne>,
}

/// One of a publish's notifications.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedOne {
    /// Its id.
    pub id: String,
    /// Its room.
    pub room: String,
}

impl Published {
    /// Reads an answer of 201.
    ///
    /// # Panics
    /// When it has another shape.
    #[must_use]
    #[track_caller]
    pub fn read(answer: &crate::Answer) -> Self {
        let body = answer.expect(201);
        serde_json::from_value(body).unwrap_or_else(|error| panic!("{error}: {}", answer.text))
    }
}

impl Clinic {
    /// A clinic with the tests' usual settings.
    pub async fn open() -> Self {
        Self::open_with(NodeSettings::default()).await
    }

    /// A clinic with these settings.
    pub async fn open_with(settings: NodeSettings) -> Self {
        let node = Node::start(settings).await;
        let (http, url) = (Http::new(node.url()), node.url().to_owned());
        Self { node, http, url, driver: Driver::start(), fences: AtomicU64::new(0) }
    }

    /// Everyone goes to this address from now on, as of a proxy before the node.
    #[must_use]
    pub fn through(self, url: &str) -> Self {
        Self { http: Http::new(url), url: url.to_owned(), ..self }
    }

    /// A client that connects in this way; nothing is awaited.
    pub async fn client(&self, connect: Connect) -> Client {
        Client::open(&self.driver, &self.url, connect).await
    }

    /// A connected client of `user`, over a WebSocket, that has been told of its inbox.
    #[track_caller]
    pub fn online(&self, user: &User) -> impl Future<Output = Client> {
        let connect = Connect::by(user).over(&["websocket"]);
        async move {
            let mut client = self.client(connect).await;
            client.connected().await;
            client
        }
    }

    /// Publishes a domain event.
    ///
    /// # Panics
    /// When the answer is not 201.
    #[track_caller]
    pub fn publish(&self, event: &str, data: Value) -> impl Future<Output = Published> {
        let at = Location::caller();
        async move {
            let body = json!({"event": event, "data": data});
            let answer = self.http.post("/api/v1/events", &body).with_key().send().await;
            assert_eq!(answer.status, 201, "{at}: {}", answer.text);
            Published::read(&answer)
        }
    }

    /// Publishes a plain notification to these rooms.
    ///
    /// # Panics
    /// When the answer is not 201.
    #[track_caller]
    pub fn notify(&self, to: &[&str], title: &str) -> impl Future<Output = Published> {
        let at = Location::caller();
        async move {
            let answer = self.http.post("/api/v1/notifications", &note(to, title)).with_key().send().await;
            assert_eq!(answer.status, 201, "{at}: {}", answer.text);
            Published::read(&answer)
        }
    }

    /// Publishes a plain notification to one user: its id.
    ///
    /// # Panics
    /// When the answer is not 201.
    #[track_caller]
    pub fn tell(&self, user: &User, title: &str) -> impl Future<Output = String> {
        let (at, room) = (Location::caller(), user.room());
        async move {
            let published = self.notify(&[&room], title).await;
            assert_eq!(published.notifications.len(), 1, "{at}: {published:?}");
            published.notifications.into_iter().next().map(|one| one.id).unwrap_or_default()
        }
    }

    /// Publishes so many notifications to one room, in batches, with titles that count from 0 and so many bytes of data each.
    ///
    /// # Panics
    /// When an answer is not 207.
    #[track_caller]
    pub fn publish_many(&self, room: &str, count: usize, bytes: usize) -> impl Future<Output = ()> {
        let (at, room, filler) = (Location::caller(), room.to_owned(), "x".repeat(bytes));
        let item = move |number: usize| {
            let mut item = note(&[&room], &number.to_string());
            item["data"] = json!({"filler": filler});
            item
        };
        async move {
            for first in (0..count).step_by(100) {
                let items: Vec<Value> = (first..count.min(first + 100)).map(&item).collect();
                let batch = self.http.post("/api/v1/notifications/batch", &json!({"items": items}));
                let answer = batch.with_key().send().await;
                assert_eq!(answer.status, 207, "{at}: {}", answer.text);
            }
        }
    }

    /// That none of these clients has anything waiting: a fence published now to their users is the next thing that
    /// each hears. What was answered before the fence was published comes before it in the log, hence to each client.
    ///
    /// # Panics
    /// When one hears something else.
    #[track_caller]
    pub fn hears_nothing<const N: usize>(&self, clients: [&mut Client; N]) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            let rooms: BTreeSet<String> = clients.iter().map(|client| client.user.room()).collect();
            let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
            let fence = format!("fence {}", self.fences.fetch_add(1, Relaxed));
            self.notify(&rooms, &fence).await;
            for client in clients {
                let next = client.notification().await;
                assert_eq!(next["title"], *fence, "{at}: {} heard {next}", client.user.id);
            }
        }
    }
}

/// The body of a plain notification.
#[must_use]
pub fn note(to: &[&str], title: &str) -> Value {
    json!({"to": to, "type": "NOTE", "title": title, "message": "A note."})
}
