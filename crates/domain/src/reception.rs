//! Who is here, and since when those who are not have been away.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use crate::ports::{LastSeen, PortError, Seen};
use crate::{Counts, Presence, Role, Timestamp, UserId};

/// Whether a doctor is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoctorState {
    /// The id that was asked for: the user's or the profile's.
    pub doctor_id: UserId,
    /// Whether they are here.
    pub online: bool,
    /// When they last were, if they are not and ever were.
    pub last_seen: Option<Timestamp>,
}

/// Whether a user is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserState {
    /// Who.
    pub user_id: UserId,
    /// Their e-mail address; it is known of those alone who are here.
    pub email: Option<String>,
    /// Their role.
    pub role: Role,
    /// Whether they are here.
    pub online: bool,
    /// When they last were, if they are not.
    pub last_seen: Option<Timestamp>,
}

/// Some of the users asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPage {
    /// By the bytes of their ids.
    pub users: Vec<UserState>,
    /// After whom to go on, unless this was all.
    pub next: Option<UserId>,
}

/// Answers who is here. Cheap to clone.
#[derive(Clone)]
pub struct Reception {
    presence: Presence,
    last_seen: Arc<dyn LastSeen>,
}

impl Reception {
    /// A reception that knows of these.
    pub fn new(presence: Presence, last_seen: Arc<dyn LastSeen>) -> Self {
        Self { presence, last_seen }
    }

    /// Who is here now.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// How many are here.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.presence.roster().counts()
    }

    /// Notes when users were last here.
    ///
    /// # Errors
    /// As all ports; nothing is noted then.
    pub async fn note(&self, seen: &[Seen]) -> Result<(), PortError> {
        self.last_seen.keep(seen).await
    }

    /// Whether these doctors are here, in the order of their ids, which may be users' or profiles'.
    ///
    /// # Errors
    /// As all ports.
    pub async fn doctors(&self, ids: &[UserId]) -> Result<Vec<DoctorState>, PortError> {
        let is_here: Vec<bool> = {
            let roster = self.presence.roster();
            ids.iter().map(|id| roster.has_doctor(id)).collect()
        };
        let away: Vec<UserId> =
            ids.iter().zip(&is_here).filter(|(_, online)| !**online).map(|(id, _)| id.clone()).collect();
        let seen = if away.is_empty() { Vec::new() } else { self.last_seen.doctors(&away).await? };
        let mut latest: HashMap<&UserId, Timestamp> = HashMap::new();
        for seen in &seen {
            for id in [Some(&seen.user_id), seen.profile_id.as_ref()].into_iter().flatten() {
                let known = latest.entry(id).or_insert(seen.at);
                *known = seen.at.max(*known);
            }
        }
        let state = |(doctor_id, online): (&UserId, bool)| DoctorState {
            doctor_id: doctor_id.clone(),
            online,
            last_seen: latest.get(doctor_id).copied().filter(|_| !online),
        };
        Ok(ids.iter().zip(is_here).map(state).collect())
    }

    /// Users who are here, or who are not, of one role or of all, after one of them.
    ///
    /// # Errors
    /// As all ports.
    pub async fn users(
        &self,
        online: bool,
        role: Option<Role>,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<UserPage, PortError> {
        if online {
            return Ok(self.here(role, after, limit));
        }
        let seen = self.last_seen.users(role, after, limit).await?;
        let next = seen.last().filter(|_| seen.len() == limit as usize).map(|seen| seen.user_id.clone());
        let roster = self.presence.roster();
        let away = seen.into_iter().filter(|seen| roster.person(&seen.user_id).is_none());
        let state = |Seen { user_id, role, at, .. }| UserState {
            user_id,
            email: None,
            role,
            online: false,
            last_seen: Some(at),
        };
        Ok(UserPage { users: away.map(state).collect(), next })
    }

    fn here(&self, role: Option<Role>, after: Option<&UserId>, limit: u32) -> UserPage {
        let roster = self.presence.roster();
        let wanted = roster.people(after).filter(|person| role.is_none_or(|role| person.role == role));
        let users: Vec<_> = wanted
            .take(limit as usize)
            .map(|person| UserState {
                user_id: person.user_id.clone(),
                email: person.email.clone(),
                role: person.role,
                online: true,
                last_seen: None,
            })
            .collect();
        let next = users.last().filter(|_| users.len() == limit as usize).map(|user| user.user_id.clone());
        UserPage { users, next }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Person;
    use crate::testing::{MemorySeen, block_on, instant};

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    fn doctor(id: &str, profile: &str) -> Person {
        Person { user_id: user(id), email: None, role: Role::Doctor, profile_id: Some(user(profile)) }
    }

    fn seen(person: &Person, at: i64) -> Seen {
        let Person { user_id, role, profile_id, .. } = person.clone();
        Seen { user_id, role, profile_id, at: instant(at) }
    }

    /// `a` is here; `b` was, twice, and so was `c`, who has the same profile; `a` was before.
    fn reception() -> Reception {
        let presence = Presence::new(Duration::ZERO);
        presence.roster().joined(doctor("a", "pa"));
        let reception = Reception::new(presence, Arc::new(MemorySeen::default()));
        let kept = [seen(&doctor("a", "pa"), 1), seen(&doctor("b", "pb"), 2), seen(&doctor("c", "pb"), 3)];
        block_on(reception.note(&kept)).unwrap();
        reception
    }

    #[test]
    fn a_doctor_is_answered_for_by_the_id_that_was_asked() {
        let ids = ["pa", "b", "nobody", "a", "pb"].map(user);
        let states = block_on(reception().doctors(&ids)).unwrap();
        let told: Vec<_> =
            states.iter().map(|state| (state.doctor_id.as_str(), state.online, state.last_seen)).collect();
        let expected = [
            ("pa", true, None),
            ("b", false, Some(instant(2))),
            ("nobody", false, None),
            ("a", true, None),
            ("pb", false, Some(instant(3))),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn users_are_here_or_away() {
        let reception = reception();
        let page = |online, after: Option<&str>, limit| {
            let page = block_on(reception.users(online, None, after.map(user).as_ref(), limit)).unwrap();
            let ids: Vec<_> = page.users.iter().map(|user| user.user_id.to_string()).collect();
            assert!(
                page.users.iter().all(|user| user.online == online && user.last_seen.is_none() == online)
            );
            (ids.join(" "), page.next.map(|next| next.to_string()))
        };
        assert_eq!(page(true, None, 9), ("a".into(), None));
        assert_eq!(page(true, None, 1), ("a".into(), Some("a".into())));
        assert_eq!(page(true, Some("a"), 1), (String::new(), None));
        // A page may hold fewer than were asked for: `a` is here.
        assert_eq!(page(false, None, 2), ("b".into(), Some("b".into())));
        assert_eq!(page(false, Some("b"), 2), ("c".into(), None));
        let patients = block_on(reception.users(true, Some(Role::Patient), None, 9)).unwrap();
        assert_eq!(patients.users, []);
    }
}
