//! What Carillon answers.

use std::fmt;
use std::str::FromStr;

use carillon_domain::{EventId, NotificationId, Room};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A publish that is in the log and will be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// Ask `GET /api/v1/events/{eventId}` what became of it.
    #[serde(deserialize_with = "parsed")]
    pub event_id: EventId,
    /// One for each room.
    pub notifications: Vec<Place>,
    /// It had been published before, under the same key: by an earlier call, or by an earlier try of this one whose answer was lost. Of a
    /// batch: all of it had.
    #[serde(skip)]
    pub replayed: bool,
}

/// Where one notification went.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// The notification.
    #[serde(deserialize_with = "parsed")]
    pub id: NotificationId,
    /// Who hears it.
    #[serde(deserialize_with = "parsed")]
    pub room: Room,
}

/// An answer that is not the one hoped for (RFC 9457). It quotes nothing that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A stable word for it, such as `validation`; empty where a proxy answered in Carillon's place.
    pub code: String,
    /// What is wrong, for a person.
    pub detail: String,
    /// Every fault of what was sent.
    #[serde(default)]
    pub errors: Vec<ProblemFault>,
    /// By which the gateway's log knows the request.
    pub request_id: Option<String>,
}

/// One fault of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProblemFault {
    /// Where, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

impl Problem {
    /// The problem in an answer's body; a proxy's page is none, and only its status is kept.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| Self {
            status,
            code: String::new(),
            detail: "The answer is none of Carillon's.".to_owned(),
            errors: Vec::new(),
            request_id: None,
        })
    }

    /// Whether the same request may be taken another time: it came too early, or to a server in trouble.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)?;
        self.errors.iter().try_for_each(|fault| write!(f, " {} {}.", fault.pointer, fault.detail))
    }
}

/// What became of the items of a batch.
#[derive(Debug, Deserialize)]
pub(crate) struct Results {
    pub(crate) results: Vec<ItemResult>,
}

impl Results {
    /// Nothing of it is worth sending again.
    pub(crate) fn is_final(&self) -> bool {
        !self.results.iter().any(|item| matches!(item, ItemResult::Problem(problem) if problem.is_passing()))
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum ItemResult {
    // The order matters: a problem has no event id.
    Published(Published),
    Problem(Problem),
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
