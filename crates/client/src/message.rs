//! What is published.

use carillon_domain::{ActionUrl, EventName, Kind, Payload, Priority, Room, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Error;

/// One of the eight events: its rooms follow from what it is. Title, message and priority have defaults.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    event: EventName,
    data: Value,
    #[serde(flatten)]
    with: Overrides,
    #[serde(skip)]
    key: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Overrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_url: Option<ActionUrl>,
}

impl Event {
    /// The event that this is the data of.
    ///
    /// # Errors
    /// [`Error::Data`] if a detail is no JSON.
    pub fn of<P: Payload>(payload: &P) -> Result<Self, Error> {
        let data = serde_json::to_value(payload).map_err(Error::Data)?;
        Ok(Self { event: P::NAME, data, with: Overrides::default(), key: None })
    }

    /// Under this idempotency key, 1 to 255 characters: whoever repeats it within 24 hours publishes nothing new. Without one,
    /// each call makes its own.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// With this title, 1 to 200 characters, instead of the event's own.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.with.title = Some(title.into());
        self
    }

    /// With this message, at most 2,000 characters, instead of the event's own.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.with.message = Some(message.into());
        self
    }

    /// With this priority instead of the event's own.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.with.priority = Some(priority);
        self
    }

    /// Leads there when clicked.
    #[must_use]
    pub fn action_url(mut self, url: ActionUrl) -> Self {
        self.with.action_url = Some(url);
        self
    }

    pub(crate) fn idempotency_key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// What is said to rooms of the publisher's choice.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    to: Vec<Room>,
    #[serde(rename = "type")]
    kind: Kind,
    title: String,
    message: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    data: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_url: Option<ActionUrl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip)]
    key: Option<String>,
}

impl Notification {
    /// To 1 to 20 rooms, with a title of 1 to 200 characters and a message of at most 2,000. Its priority is medium.
    #[must_use]
    pub fn new(
        to: impl IntoIterator<Item = Room>,
        kind: Kind,
        title: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            to: to.into_iter().collect(),
            kind,
            title: title.into(),
            message: message.into(),
            data: Map::new(),
            priority: None,
            action_url: None,
            expires_at: None,
            key: None,
        }
    }

    /// With what the clients need of it: at most 16 KiB and 16 levels.
    #[must_use]
    pub fn data(self, data: Map<String, Value>) -> Self {
        Self { data, ..self }
    }

    /// With this priority.
    #[must_use]
    pub fn priority(self, priority: Priority) -> Self {
        Self { priority: Some(priority), ..self }
    }

    /// Leads there when clicked.
    #[must_use]
    pub fn action_url(self, url: ActionUrl) -> Self {
        Self { action_url: Some(url), ..self }
    }

    /// Neither listed nor delivered after that moment, which must lie ahead.
    #[must_use]
    pub fn expires_at(self, end: Timestamp) -> Self {
        Self { expires_at: Some(end), ..self }
    }

    /// Under this idempotency key, as [`Event::key`]; a batch has a key of its own instead.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    pub(crate) fn idempotency_key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}
