//! Who is asking, and with which role.

use std::str::FromStr;

use serde::Serialize;

use crate::{Room, Timestamp, UserId};

/// A user's role in the clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// May publish, broadcast and see who is online.
    Admin,
    /// An admin in every respect here.
    SuperAdmin,
    /// Hears of their own appointments, reviews and schedule.
    Doctor,
    /// Hears of their own appointments, payments and prescriptions.
    Patient,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Admin, Self::SuperAdmin, Self::Doctor, Self::Patient];

    /// The role as tokens and events spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::SuperAdmin => "SUPER_ADMIN",
            Self::Doctor => "DOCTOR",
            Self::Patient => "PATIENT",
        }
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    /// In any letter case.
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        (Self::ALL.into_iter()).find(|role| role.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownRole)
    }
}

/// A text that is none of the four roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the role is one of ADMIN, SUPER_ADMIN, DOCTOR, PATIENT")]
pub struct UnknownRole;

/// Who a token speaks for: the outcome of authentication, and all that any decision about rooms rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    user_id: UserId,
    email: Option<String>,
    role: Role,
    profile_id: Option<UserId>,
    expires_at: Timestamp,
    rooms: Vec<Room>,
}

impl Principal {
    /// The principal with these claims. `profile_id` is the `doctorId` or `patientId` by which the platform also
    /// knows this user; it counts only for a doctor or a patient, and names a room of that kind.
    #[must_use]
    pub fn new(
        user_id: UserId,
        email: Option<String>,
        role: Role,
        profile_id: Option<UserId>,
        expires_at: Timestamp,
    ) -> Self {
        let mut rooms = vec![Room::all(), Room::role(role), Room::user(&user_id)];
        let own: Option<fn(&UserId) -> Room> = match role {
            Role::Doctor => Some(Room::doctor),
            Role::Patient => Some(Room::patient),
            Role::Admin | Role::SuperAdmin => None,
        };
        if let Some(own) = own {
            rooms.push(own(&user_id));
            rooms.extend(profile_id.as_ref().filter(|id| **id != user_id).map(own));
        }
        Self { user_id, email, role, profile_id, expires_at, rooms }
    }

    /// The user's id.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// The user's e-mail address, if the token has one.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// The user's role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The `doctorId` or `patientId` of the token, if it has one.
    #[must_use]
    pub fn profile_id(&self) -> Option<&UserId> {
        self.profile_id.as_ref()
    }

    /// Whether the admin routes are open to this user.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        matches!(self.role, Role::Admin | Role::SuperAdmin)
    }

    /// When the token ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Every room this user hears, at most five, none twice.
    #[must_use]
    pub fn rooms(&self) -> &[Room] {
        &self.rooms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(role: Role, profile: Option<&str>) -> Vec<String> {
        let end = Timestamp::from_millis(0).unwrap();
        let principal =
            Principal::new("u1".parse().unwrap(), None, role, profile.map(|p| p.parse().unwrap()), end);
        principal.rooms().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rooms_follow_from_the_role() {
        assert_eq!(rooms(Role::Admin, Some("d1")), ["all", "role:admin", "user:u1"]);
        assert_eq!(rooms(Role::SuperAdmin, None), ["all", "role:admin", "user:u1"]);
        assert_eq!(rooms(Role::Doctor, None), ["all", "role:doctor", "user:u1", "doctor:u1"]);
        assert_eq!(
            rooms(Role::Patient, Some("p9")),
            ["all", "role:patient", "user:u1", "patient:u1", "patient:p9"]
        );
        assert_eq!(rooms(Role::Patient, Some("u1")), ["all", "role:patient", "user:u1", "patient:u1"]);
    }

    #[test]
    fn a_role_is_known_in_any_case() {
        assert_eq!("super_Admin".parse(), Ok(Role::SuperAdmin));
        assert_eq!("nurse".parse::<Role>(), Err(UnknownRole));
    }
}
