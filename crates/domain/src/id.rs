//! Ids are types, and parse on construction.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// A user or profile id is 1 to 128 bytes.
    #[error("an id has 1 to 128 bytes")]
    Length,
    /// An id stands in room names and log lines, so it holds neither white space nor control characters.
    #[error("an id holds neither white space nor control characters")]
    Character,
    /// Notification and event ids are UUIDs in their hyphenated form.
    #[error("not a UUID")]
    NotUuid,
}

/// The id of a user or of a doctor's or patient's profile, as the platform knows it: 1 to 128 bytes without white
/// space or control characters. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(Arc<str>);

impl UserId {
    /// The most bytes.
    pub const MAX_BYTES: usize = 128;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            return Err(BadId::Length);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(BadId::Character);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for UserId {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id with these bits, as a store kept them.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bits, for a store.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            // `Uuid::parse_str` also takes braces, URNs and bare hex; one id has one spelling here.
            fn from_str(text: &str) -> Result<Self, BadId> {
                if text.len() != 36 {
                    return Err(BadId::NotUuid);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| BadId::NotUuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id! {
    /// One notification in one room. A UUIDv7 (RFC 9562 §5.7), so that it sorts by time in an index; its order in
    /// the log is its [`Position`](crate::Position), not this.
    NotificationId
}
uuid_id! {
    /// One accepted publish, which may have made a notification in each of several rooms. A UUIDv7.
    EventId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_is_short_and_printable() {
        assert_eq!("auth0|5f7".parse::<UserId>().unwrap().as_str(), "auth0|5f7");
        assert_eq!("".parse::<UserId>(), Err(BadId::Length));
        assert_eq!("x".repeat(129).parse::<UserId>(), Err(BadId::Length));
        assert_eq!("a b".parse::<UserId>(), Err(BadId::Character));
        assert_eq!("a\u{0}".parse::<UserId>(), Err(BadId::Character));
    }

    #[test]
    fn a_notification_id_has_one_spelling() {
        let id = "01980000-0000-7000-8000-000000000001";
        assert_eq!(id.parse::<NotificationId>().unwrap().to_string(), id);
        assert_eq!(id.replace('-', "").parse::<NotificationId>(), Err(BadId::NotUuid));
        assert_eq!("__proto__".parse::<NotificationId>(), Err(BadId::NotUuid));
    }
}
