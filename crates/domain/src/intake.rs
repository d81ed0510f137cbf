//! From what back ends emit to the log: a notification that is to be kept first, as if it had been published to its rooms.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{Draft, Emit, Faults, IdempotencyKey, PublishError, Publisher, Timestamp};

/// Whose keys these are; no caller of the API has this name.
const SCOPE: &str = "carillon.emitter";
/// The most bytes of an emitter's own id.
const MAX_ID: usize = 128;

/// A notification that a back end emitted, and the key that keeps it single.
#[derive(Clone)]
pub struct Posting {
    draft: Draft,
    key: IdempotencyKey,
    has_id: bool,
}

/// What became of a posting.
#[derive(Debug, PartialEq, Eq)]
pub enum Intaken {
    /// It is in the log.
    Kept {
        /// It was there already.
        known: bool,
    },
    /// The store will never take it, or what was written with it.
    Refused,
    /// Its id was used for another one.
    Mismatch,
    /// Not known to be in the log: to be tried again.
    Unknown,
}

impl Posting {
    /// Reads `emit("notification", {id?, type, title, message, …})`: the one argument is the body of
    /// `POST /api/v1/notifications` without `to`, which the rooms are (everyone is `all`). Of the same `id` and `fingerprint`
    /// only the first is kept; `minted` stands in where there is no id. It is checked as of `now`.
    ///
    /// # Errors
    /// It is of another form, or no notification.
    pub fn read(emit: &Emit, fingerprint: [u8; 32], minted: String, now: Timestamp) -> Result<Self, Faults> {
        let wrong = |what: &str| Faults::one("", what);
        if !emit.audience.except.is_empty() || !emit.attachments.is_empty() {
            return Err(wrong("takes neither `except` nor binary arguments"));
        }
        let args: Result<[Map<String, Value>; 1], _> = serde_json::from_str(emit.args.get());
        let Ok([mut body]) = args else { return Err(wrong("takes one argument, an object")) };
        let id = match body.remove("id") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) if (1..=MAX_ID).contains(&id.len()) && !id.contains('\0') => Some(id),
            Some(Value::Number(id)) if id.is_i64() || id.is_u64() => Some(id.to_string()),
            Some(_) => return Err(Faults::one("/id", "must be a string of 1 to 128 bytes or an integer")),
        };
        let rooms = match &emit.audience.rooms[..] {
            [] => vec![Value::from("all")],
            rooms => rooms.iter().map(|room| Value::from(room.as_str())).collect(),
        };
        if body.insert("to".to_owned(), Value::Array(rooms)).is_some() {
            return Err(Faults::one("/to", "is said by the emitter's rooms"));
        }
        let draft = Draft::parse_notification(Value::Object(body), now)?;
        let has_id = id.is_some();
        let key = IdempotencyKey { scope: SCOPE.to_owned(), key: id.unwrap_or(minted), fingerprint };
        Ok(Self { draft, key, has_id })
    }

    /// Whether whoever else heard it would give it the same key.
    #[must_use]
    pub fn has_id(&self) -> bool {
        self.has_id
    }

    /// What it costs to keep it in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let rooms: usize =
            self.draft.rooms().iter().map(|room| size_of_val(room) + room.as_str().len()).sum();
        size_of::<Self>() + self.draft.weight() + rooms + self.key.key.len()
    }
}

/// Without the content.
impl fmt::Debug for Posting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Posting").field("has_id", &self.has_id).finish_non_exhaustive()
    }
}

/// Publishes postings.
pub struct Intake {
    publisher: Arc<Publisher>,
}

impl Intake {
    /// The most that are published at once: half of what the appender writes at once.
    pub const MOST: usize = 256;

    /// An intake to this publisher.
    pub fn new(publisher: Arc<Publisher>) -> Self {
        Self { publisher }
    }

    /// Publishes one, unless it is known. It enters the publisher's queue when this is first polled.
    pub async fn take(&self, posting: &Posting) -> Intaken {
        match self.publisher.publish(&posting.draft, Some(posting.key.clone())).await {
            Ok(published) => Intaken::Kept { known: published.replayed },
            Err(PublishError::Mismatch) => Intaken::Mismatch,
            Err(fault) if fault.is_rejected() => Intaken::Refused,
            Err(PublishError::Full | PublishError::Store(_) | PublishError::Stopped) => Intaken::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
