//! Who has acknowledged an emergency, and of how many.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::fault::{Fields, text};
use crate::{BroadcastId, Entitled, Faults, Role, Room, Timestamp, UserId};

/// How many have acknowledged, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Share {
    /// Those who have.
    pub acked: u64,
    /// Those who may: users of the room who had been here before it was sent.
    pub of: u64,
}

/// How an emergency was taken; serialised, it is what `broadcast:acks` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Which one.
    pub broadcast_id: BroadcastId,
    /// Of its whole audience.
    #[serde(flatten)]
    pub all: Share,
    /// Of each role in its audience. A user who has changed roles may be in two of them.
    pub by_role: BTreeMap<RoleName, Share>,
}

/// A role as rooms know it, where SUPER_ADMIN is one of the admins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// `role:admin`
    Admin,
    /// `role:doctor`
    Doctor,
    /// `role:patient`
    Patient,
}

impl RoleName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Doctor, Self::Patient];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Doctor => "doctor",
            Self::Patient => "patient",
        }
    }

    /// Its room.
    #[must_use]
    pub fn room(self) -> Room {
        Room::role(match self {
            Self::Admin => Role::Admin,
            Self::Doctor => Role::Doctor,
            Self::Patient => Role::Patient,
        })
    }

    /// The role whose room this is.
    #[must_use]
    pub fn of_room(room: &str) -> Option<Self> {
        room.strip_prefix("role:")?.parse().ok()
    }

    /// The roles among which a room's users are.
    #[must_use]
    pub fn within(room: &Room) -> Vec<Self> {
        Self::of_room(room.as_str()).map_or_else(|| Self::ALL.to_vec(), |role| vec![role])
    }
}

impl FromStr for RoleName {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, &'static str> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == word);
        known.ok_or("must be one of admin, doctor, patient")
    }
}

/// One of those whom an emergency is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// Who.
    pub user_id: UserId,
    /// By which role.
    pub role: RoleName,
    /// When they acknowledged it, if they have.
    pub acked_at: Option<Timestamp>,
}

/// Where a page of recipients ends: they are in the order of their roles, and in each in that of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientCursor {
    /// The role of the last one.
    pub role: RoleName,
    /// The last one.
    pub user_id: UserId,
}

impl FromStr for RecipientCursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let split = text.split_once(':').and_then(|(role, id)| Some((role.parse().ok()?, id.parse().ok()?)));
        split.map(|(role, user_id)| Self { role, user_id }).ok_or("must be the `next` of a page")
    }
}

impl Serialize for RecipientCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}:{}", self.role.as_str(), self.user_id))
    }
}

impl RoleName {
    /// The role by which someone is here: their rooms name one.
    #[must_use]
    pub fn of(who: &Entitled) -> Self {
        let role = who.rooms.iter().find_map(|entitlement| Self::of_room(entitlement.room.as_str()));
        role.unwrap_or(Self::Patient)
    }
}

/// Which recipients a page takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientQuery {
    /// At most this many.
    pub limit: u32,
    /// Only those after this one.
    pub after: Option<RecipientCursor>,
    /// Only those of this role.
    pub role: Option<RoleName>,
    /// Only those who have acknowledged, or only those who have not.
    pub acked: Option<bool>,
}

impl RecipientQuery {
    /// The most recipients at once.
    pub const MAX_LIMIT: u32 = 1_000;
    /// What is given unless asked.
    pub const DEFAULT_LIMIT: u32 = 100;

    /// The roles of an audience that this asks for and that do not lie before its place, in their order.
    pub fn roles(&self, audience: &[Room]) -> Vec<RoleName> {
        let mut roles: Vec<_> = audience.iter().flat_map(RoleName::within).collect();
        roles.sort_unstable();
        roles.dedup();
        roles.retain(|role| {
            let is_after = self.after.as_ref().is_none_or(|after| after.role <= *role);
            is_after && self.role.is_none_or(|asked| asked == *role)
        });
        roles
    }

    /// Reads `{limit?, after?, role?, acked?}`, each as text but for `limit`.
    ///
    /// # Errors
    /// Every fault, each with its pointer.
    pub fn parse(argument: Value) -> Result<Self, Faults> {
        let mut fields = Fields::of(argument)?;
        let limit = fields.limit(Self::DEFAULT_LIMIT, Self::MAX_LIMIT);
        let after = fields.take("after");
        let after = fields.parse("after", after, |value| text(value)?.parse());
        let role = fields.take("role");
        let role = fields.parse("role", role, |value| text(value)?.parse());
        let acked = fields.take("acked");
        let acked = fields
            .parse("acked", acked, |value| text(value)?.parse::<bool>().map_err(|_| "must be true or false"));
        fields.finish()?;
        Ok(Self { limit, after, role, acked })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_is_asked_for_by_role_and_state() {
        let all = RecipientQuery { limit: 100, after: None, role: None, acked: None };
        assert_eq!(RecipientQuery::parse(json!({})), Ok(all));
        let query = json!({"after": "doctor:a:1", "role": "doctor", "acked": "false", "limit": 5});
        let query = RecipientQuery::parse(query).unwrap();
        let after = query.after.unwrap();
        assert_eq!((after.role, after.user_id.as_str()), (RoleName::Doctor, "a:1"));
        assert_eq!((query.role, query.acked, query.limit), (Some(RoleName::Doctor), Some(false), 5));
        assert_eq!(serde_json::to_value(after).unwrap(), "doctor:a:1");
        let wrong = json!({"after": "x", "role": "ADMIN", "acked": "maybe", "limit": 0});
        let wrong = RecipientQuery::parse(wrong).unwrap_err();
        assert_eq!(
            wrong.iter().map(|f| f.pointer.as_str()).collect::<Vec<_>>(),
            ["/limit", "/after", "/role", "/acked"]
        );
    }
}
