//! What a node tells of its users, on its shelf and to all.

use std::sync::Arc;

use carillon_domain::{Person, Role, UserId};
use serde::{Deserialize, Serialize};

/// What has changed on a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Told {
    /// One more than what was told before, or a gap: then the shelf must be read.
    pub(crate) number: u64,
    /// Sockets of the node.
    pub(crate) connections: u64,
    pub(crate) changes: Vec<Change>,
}

/// A user, and who they are if the node has them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) user: UserId,
    pub(crate) person: Option<PersonWords>,
}

impl From<super::Untold> for Change {
    fn from((user, person): super::Untold) -> Self {
        Self { user, person: person.map(|person| PersonWords::from(&*person)) }
    }
}

/// All of a person but their id. An e-mail address or profile that is missing is left out: Redis holds one of these for
/// each user who is here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PersonWords {
    #[serde(rename = "r")]
    role: String,
    #[serde(rename = "e", skip_serializing_if = "Option::is_none", default)]
    email: Option<String>,
    #[serde(rename = "p", skip_serializing_if = "Option::is_none", default)]
    profile: Option<UserId>,
}

impl From<&Person> for PersonWords {
    fn from(person: &Person) -> Self {
        Self {
            role: person.role.as_str().to_owned(),
            email: person.email.clone(),
            profile: person.profile_id.clone(),
        }
    }
}

impl PersonWords {
    /// The person with this id. Whoever's role is not known is a patient: there is no right in being here.
    pub(crate) fn of(self, user_id: UserId) -> Person {
        let role = self.role.parse().unwrap_or(Role::Patient);
        Person { user_id, email: self.email, role, profile_id: self.profile }
    }

    /// As a shelf keeps them.
    pub(crate) fn write(person: &Arc<Person>) -> String {
        serde_json::to_string(&Self::from(&**person)).unwrap_or_default()
    }

    /// What a shelf kept; `None` for what is none of ours.
    pub(crate) fn read(user_id: &str, text: &str) -> Option<Person> {
        let words: Self = serde_json::from_str(text).ok()?;
        Some(words.of(user_id.parse().ok()?))
    }
}
