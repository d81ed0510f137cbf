//! The calls.

use std::iter::repeat_n;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, mem};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect;
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::value::RawValue;
use tokio::time::Instant;
use uuid::Uuid;

use crate::answer::{ItemResult, Results};
use crate::delivery::{self, Sent};
use crate::{Error, Event, Notification, Published, Trouble};

/// How long a call goes on trying unless told otherwise: longer than a node takes to restart.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(3);
/// The most items of one batch, and the most bytes of it: what the gateway takes, less the frame around the items.
const BATCH_ITEMS: usize = 1_000;
const BATCH_BYTES: usize = 4 * 1024 * 1024 - 64 * 1024;

/// A Carillon, and the key to publish to it with. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Arc<str>,
    bearer: HeaderValue,
    patience: Duration,
}

impl Client {
    /// For the Carillon at `url`, such as `https://notify.example.com`, with one of its PUBLISH_KEYS (or an admin's token).
    ///
    /// # Errors
    /// [`Error::Address`] or [`Error::Key`].
    pub fn new(url: &str, key: &str) -> Result<Self, Error> {
        // A redirect would turn a POST into a GET: it is an answer like any other.
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).connect_timeout(CONNECT);
        let http = http.build().map_err(|_| Error::Address)?;
        Self::with_http(url, key, http)
    }

    /// As [`Client::new`], over an HTTP client of one's own: with a private authority's certificate, or through a proxy.
    ///
    /// # Errors
    /// [`Error::Address`] or [`Error::Key`].
    pub fn with_http(url: &str, key: &str, http: reqwest::Client) -> Result<Self, Error> {
        let is_http = reqwest::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_http {
            return Err(Error::Address);
        }
        let bearer = HeaderValue::from_str(&format!("Bearer {key}"));
        let mut bearer = bearer.map_err(|_| Error::Key("a publish key is printable ASCII"))?;
        bearer.set_sensitive(true);
        Ok(Self { http, url: url.trim_end_matches('/').into(), bearer, patience: PATIENCE })
    }

    /// Goes on trying for so long, instead of 30 s, and for the end of the try that is under way then, 10 s at most. Zero tries once.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Publishes one of the eight events.
    ///
    /// # Errors
    /// [`Error::Refused`] for good, [`Error::Unavailable`] for now.
    pub async fn publish(&self, event: &Event) -> Result<Published, Error> {
        self.one("/api/v1/events", event, event.idempotency_key()).await
    }

    /// Publishes a notification to rooms.
    ///
    /// # Errors
    /// [`Error::Refused`] for good, [`Error::Unavailable`] for now.
    pub async fn notify(&self, notification: &Notification) -> Result<Published, Error> {
        self.one("/api/v1/notifications", notification, notification.idempotency_key()).await
    }

    /// Publishes any number of notifications, in batches: what became of each, in their order. One that is refused spoils no
    /// other. The keys of single notifications count for nothing here: `key`, of at most 240 characters, is the whole list's, and the same
    /// list under the same key publishes nothing new.
    pub async fn notify_all(
        &self,
        notifications: &[Notification],
        key: Option<&str>,
    ) -> Vec<Result<Published, Arc<Error>>> {
        let key = key.map_or_else(new_key, ToOwned::to_owned);
        let deadline = Instant::now() + self.patience;
        let mut outcomes = Vec::with_capacity(notifications.len());
        let mut items: Vec<Box<RawValue>> = Vec::new();
        let mut bytes = 0;
        for notification in notifications {
            // Strings, numbers and maps of them: this cannot fail, and if it did, the gateway would say so.
            let item = serde_json::value::to_raw_value(notification).unwrap_or_default();
            let is_full = items.len() == BATCH_ITEMS || bytes + item.get().len() > BATCH_BYTES;
            if is_full && !items.is_empty() {
                self.batch(&mut items, &key, deadline, &mut outcomes).await;
                bytes = 0;
            }
            bytes += item.get().len() + 1;
            items.push(item);
        }
        if !items.is_empty() {
            self.batch(&mut items, &key, deadline, &mut outcomes).await;
        }
        outcomes
    }

    /// Publishes what has been gathered, and empties it.
    async fn batch(
        &self,
        items: &mut Vec<Box<RawValue>>,
        key: &str,
        deadline: Instant,
        outcomes: &mut Vec<Outcome>,
    ) {
        // Batches of one list are told apart by where they begin.
        let key = format!("{key}/{}", outcomes.len());
        let count = items.len();
        let results = self.results(&Batch { items: mem::take(items) }, &key, deadline).await;
        match results {
            Ok(results) if results.len() == count => outcomes.extend(results),
            Ok(_) => {
                let fault = Error::Unreadable(serde_json::Error::custom("not one result for each item"));
                outcomes.extend(repeat_n(Err(Arc::new(fault)), count));
            }
            Err(fault) => outcomes.extend(repeat_n(Err(Arc::new(fault)), count)),
        }
    }

    async fn results(&self, batch: &Batch, key: &str, deadline: Instant) -> Result<Vec<Outcome>, Error> {
        let path = "/api/v1/notifications/batch";
        let sent = self.send(path, batch, key, deadline, Results::is_final).await?;
        let outcome = |result| match result {
            ItemResult::Published(published) => Ok(Published { replayed: sent.replayed, ..published }),
            ItemResult::Problem(problem) if problem.is_passing() => {
                let (tries, waited) = (sent.tries, sent.waited);
                let last = Trouble::Answer(Box::new(problem));
                Err(Arc::new(Error::Unavailable { key: key.to_owned(), tries, waited, last }))
            }
            ItemResult::Problem(problem) => Err(Arc::new(Error::Refused(problem))),
        };
        Ok(sent.value.results.into_iter().map(outcome).collect())
    }

    async fn one(&self, path: &str, body: &impl Serialize, key: Option<&str>) -> Result<Published, Error> {
        let key = key.map_or_else(new_key, ToOwned::to_owned);
        let sent = self.send(path, body, &key, Instant::now() + self.patience, |_| true).await?;
        Ok(Published { replayed: sent.replayed, ..sent.value })
    }

    /// Sends the same bytes under the same key until they are answered for good.
    async fn send<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        key: &str,
        deadline: Instant,
        is_final: fn(&T) -> bool,
    ) -> Result<Sent<T>, Error> {
        let body = Bytes::from(serde_json::to_vec(body).map_err(Error::Data)?);
        let request = || {
            let request = self.http.post(format!("{}{path}", self.url)).header(AUTHORIZATION, &self.bearer);
            request.header(CONTENT_TYPE, "application/json").body(body.clone())
        };
        delivery::send(request, key, deadline, is_final).await
    }
}

type Outcome = Result<Published, Arc<Error>>;

#[derive(Serialize)]
struct Batch {
    items: Vec<Box<RawValue>>,
}

fn new_key() -> String {
    Uuid::now_v7().to_string()
}

/// Without the key.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
