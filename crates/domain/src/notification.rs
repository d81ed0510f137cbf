//! A notification, as it is kept and as clients see it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::{ActionUrl, EventName, NotificationId, Timestamp};

/// How much a notification matters to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Can wait for the next visit.
    Low,
    /// The ordinary case.
    Medium,
    /// Should be seen today.
    High,
    /// Stays on screen until acknowledged.
    Urgent,
}

impl Priority {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Urgent];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

impl FromStr for Priority {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        (Self::ALL.into_iter())
            .find(|priority| priority.as_str() == text)
            .ok_or("must be one of low, medium, high, urgent")
    }
}

/// A notification's `type`: 1 to 64 of `A-Z`, `0-9` and `_`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kind(Arc<str>);

impl Kind {
    /// The most characters.
    pub const MAX_LENGTH: usize = 64;

    /// The type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let known = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
        if text.len() <= Self::MAX_LENGTH
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(known)
        {
            Ok(Self(text.into()))
        } else {
            Err("must be 1 to 64 of A-Z, 0-9 and _, beginning with a letter")
        }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The publisher's own data: a JSON object, kept as text so that it is written out many times without being built
/// again. At most 16 KiB and 16 levels deep.
#[derive(Debug, Clone)]
pub struct Data(Arc<RawValue>);

impl Data {
    /// The most bytes of the compact text.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// The most levels, the object itself being the first.
    pub const MAX_DEPTH: usize = 16;

    /// Checks an object and keeps it.
    ///
    /// # Errors
    /// When it is too large or too deep; the text says which.
    pub fn new(object: &Map<String, Value>) -> Result<Self, &'static str> {
        if object.values().any(|value| is_deeper(value, Self::MAX_DEPTH - 1)) {
            return Err("must have at most 16 levels");
        }
        let raw = serde_json::value::to_raw_value(object).map_err(|_| "must be a JSON object")?;
        if raw.get().len() > Self::MAX_BYTES {
            return Err("must be at most 16 KiB of JSON");
        }
        Ok(Self(raw.into()))
    }

    /// Takes back what a store kept.
    ///
    /// # Errors
    /// When the text is no JSON.
    pub fn from_stored(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(|raw| Self(raw.into()))
    }

    /// The compact JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl Default for Data {
    /// An object without members.
    fn default() -> Self {
        Self(RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()).into())
    }
}

impl From<Box<RawValue>> for Data {
    /// Our own, which need no check.
    fn from(raw: Box<RawValue>) -> Self {
        Self(raw.into())
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Whether `value` reaches below `levels` levels of arrays and objects.
fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(map) => levels == 0 || map.values().any(|item| is_deeper(item, levels - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A notification in one room, as the log keeps it. Who has read it is not its own affair but each reader's
/// ([`InboxItem`](crate::InboxItem)).
#[derive(Clone, PartialEq)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// The domain event it came from; `None` for one that was addressed to rooms directly.
    pub event: Option<EventName>,
    /// What kind of notification it is.
    pub kind: Kind,
    /// A line; plain text.
    pub title: String,
    /// A few lines; plain text.
    pub message: String,
    /// The publisher's data.
    pub data: Data,
    /// How much it matters.
    pub priority: Priority,
    /// Where a click leads.
    pub action_url: Option<ActionUrl>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// From when on it is neither listed, counted nor replayed.
    pub expires_at: Option<Timestamp>,
}

impl Notification {
    /// Whether it is over at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// Without title, message and data: a notification that strays into a log line must not take a patient's affairs
/// along.
impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("priority", &self.priority)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}
