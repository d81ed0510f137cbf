//! Who changed what, and when: what those in charge have done, for whoever has to know later. Nothing of what was said.

use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::fault::{Fields, text};
use crate::{Data, Faults, Timestamp};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// A broadcast was sent or scheduled; the subject is its id.
    BroadcastCreated,
    /// A scheduled broadcast was edited; the detail names the fields.
    BroadcastChanged,
    /// A scheduled broadcast was called off.
    BroadcastCanceled,
    /// A user was blocked or let in again; the subject is the user's id, the detail says which.
    UserStatusChanged,
    /// A user's notifications and marks were erased; the subject is the user's id.
    UserErased,
}

impl AuditAction {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::BroadcastCreated,
        Self::BroadcastChanged,
        Self::BroadcastCanceled,
        Self::UserStatusChanged,
        Self::UserErased,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BroadcastCreated => "broadcast.created",
            Self::BroadcastChanged => "broadcast.changed",
            Self::BroadcastCanceled => "broadcast.canceled",
            Self::UserStatusChanged => "user.status_changed",
            Self::UserErased => "user.erased",
        }
    }
}

impl FromStr for AuditAction {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, &'static str> {
        Self::ALL.into_iter().find(|action| action.as_str() == word).ok_or("is no action")
    }
}

impl Serialize for AuditAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something to be noted. The time is the store's.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditNote {
    /// Who did it: `user:ID`, the name of a publish key, or `sql` for what came by the outbox.
    pub actor: String,
    /// What.
    pub action: AuditAction,
    /// To which broadcast or user.
    pub subject: String,
    /// What is to be known besides; never a title or a message.
    pub detail: Data,
    /// What is noted again under the same key is one entry: for what may be tried again after an unknown outcome.
    pub key: Option<Uuid>,
}

/// An entry of the audit table; serialised, it is the API's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditEntry {
    /// Its number: 1 is the first, and there are no holes.
    pub id: u64,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: AuditAction,
    /// To which broadcast or user.
    pub subject: String,
    /// What is to be known besides.
    pub detail: Data,
}

/// From where on entries are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditSince {
    /// Those after this entry; 0 for all.
    Entry(u64),
    /// Those of this instant or later.
    Instant(Timestamp),
}

/// Which entries are asked for, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditQuery {
    /// From where on.
    pub since: AuditSince,
    /// At most this many.
    pub limit: u32,
}

impl AuditQuery {
    /// The most entries at once.
    pub const MAX_LIMIT: u32 = 1_000;
    /// What is given unless asked.
    pub const DEFAULT_LIMIT: u32 = 100;

    /// Reads `{since?, limit?}`: `since` an entry's number or an RFC 3339 date and time, `limit` a whole number from 1 to
    /// [`Self::MAX_LIMIT`].
    ///
    /// # Errors
    /// Every fault, each with its pointer.
    pub fn parse(argument: Value) -> Result<Self, Faults> {
        let mut fields = Fields::of(argument)?;
        let since = fields.take("since");
        let since = fields.parse("since", since, |value| match value.as_u64() {
            Some(id) if i64::try_from(id).is_ok() => Ok(AuditSince::Entry(id)),
            _ => (text(value)?.parse().map(AuditSince::Instant))
                .map_err(|_| "must be an entry's number or an RFC 3339 date and time"),
        });
        let limit = fields.limit(Self::DEFAULT_LIMIT, Self::MAX_LIMIT);
        fields.finish()?;
        Ok(Self { since: since.unwrap_or(AuditSince::Entry(0)), limit })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_begins_at_an_entry_or_an_instant() {
        let default = AuditQuery { since: AuditSince::Entry(0), limit: 100 };
        assert_eq!(AuditQuery::parse(json!({})), Ok(default));
        let query = AuditQuery::parse(json!({"since": 7, "limit": 1_000})).unwrap();
        assert_eq!(query, AuditQuery { since: AuditSince::Entry(7), limit: 1_000 });
        let at = "2026-11-22T12:00:00Z";
        let query = AuditQuery::parse(json!({"since": at})).unwrap();
        assert_eq!(query.since, AuditSince::Instant(at.parse().unwrap()));
        let wrong = AuditQuery::parse(json!({"since": "yesterday", "limit": 1_001, "until": 1})).unwrap_err();
        let pointers: Vec<_> = wrong.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/since", "/limit", "/until"]);
        assert!(AuditQuery::parse(json!({"since": u64::MAX})).is_err());
    }

    #[test]
    fn actions_come_back() {
        for action in AuditAction::ALL {
            assert_eq!(action.as_str().parse(), Ok(action));
        }
    }
}
