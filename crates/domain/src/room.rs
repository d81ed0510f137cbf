//! Rooms: who hears a notification.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{BadId, Role, UserId};

/// One audience: `all`, `role:admin|doctor|patient`, `user:ID`, `doctor:ID` or `patient:ID`. Who is in it follows
/// from the token alone ([`Principal::rooms`](crate::Principal::rooms)); nobody joins one by asking. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Room(Arc<str>);

/// Why a text names no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRoom {
    /// None of the known kinds.
    #[error("not a room: all, role:admin, role:doctor, role:patient, user:ID, doctor:ID or patient:ID")]
    Unknown,
    /// The kind is known and the id after it is none.
    #[error("not a room: {0}")]
    Id(#[from] BadId),
}

impl Room {
    /// Everyone.
    #[must_use]
    pub fn all() -> Self {
        static ALL: LazyLock<Room> = LazyLock::new(|| Room("all".into()));
        ALL.clone()
    }

    /// Everyone with this role; SUPER_ADMIN shares the admins' room.
    #[must_use]
    pub fn role(role: Role) -> Self {
        // Each in as many copies as there are users would be a part of what a connection takes.
        static ROLES: LazyLock<[Room; 3]> =
            LazyLock::new(|| ["role:admin", "role:doctor", "role:patient"].map(|name| Room(name.into())));
        let [admin, doctor, patient] = &*ROLES;
        match role {
            Role::Admin | Role::SuperAdmin => admin,
            Role::Doctor => doctor,
            Role::Patient => patient,
        }
        .clone()
    }

    /// One user.
    #[must_use]
    pub fn user(id: &UserId) -> Self {
        Self(format!("user:{id}").into())
    }

    /// The doctor with this user id or profile id.
    #[must_use]
    pub fn doctor(id: &UserId) -> Self {
        Self(format!("doctor:{id}").into())
    }

    /// The patient with this user id or profile id.
    #[must_use]
    pub fn patient(id: &UserId) -> Self {
        Self(format!("patient:{id}").into())
    }

    /// Whether many share this room. What was said in a shared room before a user was entitled to it is not theirs;
    /// what was said to them alone is, even before their first visit.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.as_str() == "all" || self.as_str().starts_with("role:")
    }

    /// The rooms that bear an id, whichever of them its user is in.
    #[must_use]
    pub fn of(id: &UserId) -> [Self; 3] {
        [Self::user(id), Self::doctor(id), Self::patient(id)]
    }

    /// The user whose own room this is.
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        self.as_str().strip_prefix("user:")?.parse().ok()
    }

    /// The name of the contract.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Room {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl FromStr for Room {
    type Err = BadRoom;

    fn from_str(text: &str) -> Result<Self, BadRoom> {
        match text.split_once(':') {
            None if text == "all" => Ok(Self::all()),
            Some(("role", "admin" | "doctor" | "patient")) => Ok(Self(text.into())),
            Some(("user" | "doctor" | "patient", id)) => {
                id.parse::<UserId>()?;
                Ok(Self(text.into()))
            }
            _ => Err(BadRoom::Unknown),
        }
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Room {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contracts_rooms_parse() {
        for good in
            ["all", "role:admin", "role:doctor", "role:patient", "user:42", "doctor:d-1", "patient:a:b"]
        {
            assert_eq!(good.parse::<Room>().unwrap().as_str(), good);
        }
        for bad in ["", "ALL", "role:super_admin", "role:", "user:", "user", "nurse:1", "user:a b"] {
            assert!(bad.parse::<Room>().is_err(), "{bad:?}");
        }
    }
}
