//! Who is here, as one node knows it.
//!
//! ```text
//!              joined, or another node has them                        grace over
//!   (unknown) ────────────────────────────────▶ here ──▶ nowhere left ────────────▶ (unknown)
//!                                    Online      ▲             │        Offline
//!                                                └─ came back ─┘
//! ```
//!
//! Each node counts the connections of its own users and is told which users the other nodes have; who is here is here on
//! at least one of them. So every node comes to the same answer by itself, and says so to its own admins. A user who is
//! nowhere any more is still here for the grace: whoever changes the page comes back within it.
//!
//! Pure: time enters by [`Roster::advance`] alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::{Principal, Role, UserId};

/// One who may be here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub user_id: UserId,
    /// Their e-mail address, if their token has one.
    pub email: Option<String>,
    /// Their role.
    pub role: Role,
    /// The `doctorId` or `patientId` by which they are known as well.
    pub profile_id: Option<UserId>,
}

impl From<&Principal> for Person {
    fn from(principal: &Principal) -> Self {
        Self {
            user_id: principal.user_id().clone(),
            email: principal.email().map(str::to_owned),
            role: principal.role(),
            profile_id: principal.profile_id().cloned(),
        }
    }
}

impl Person {
    /// The ids by which this doctor is known; none for anyone else.
    pub fn doctor_ids(&self) -> impl Iterator<Item = &UserId> {
        let is_doctor = self.role == Role::Doctor;
        [Some(&self.user_id), self.profile_id.as_ref()].into_iter().flatten().filter(move |_| is_doctor)
    }
}

/// How many are here. Users count once, whatever they have open, and SUPER_ADMIN counts as admin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Admins.
    pub admin: u64,
    /// Doctors.
    pub doctor: u64,
    /// Patients.
    pub patient: u64,
    /// Sockets, of all nodes.
    pub connections: u64,
}

/// What has changed, once for each user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A user is here who was not.
    Online(Arc<Person>),
    /// A user is here no more.
    Offline(Offline),
}

/// One who is here no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offline {
    /// Who.
    pub person: Arc<Person>,
    /// Why their last connection ended.
    pub reason: String,
    /// How long ago that was.
    pub ago: Duration,
    /// Whether it falls to this node to note when they were last seen: their last connection was here, or on a node
    /// that is lost, for which every other node does it.
    pub is_ours: bool,
}

/// A node's knowledge of who is here.
#[derive(Debug)]
pub struct Roster {
    grace: Duration,
    own: HashMap<UserId, Own>,
    own_connections: u64,
    /// Own users of whom the other nodes have yet to be told.
    untold: BTreeSet<UserId>,
    others: HashMap<String, Other>,
    users: BTreeMap<UserId, User>,
    /// Doctors' profiles to those who have them.
    profiles: HashMap<UserId, BTreeSet<UserId>>,
    counts: Counts,
    /// Who is nowhere any more, since the last advance.
    left: Vec<UserId>,
    /// Ends of graces.
    leaving: BTreeSet<(Duration, UserId)>,
    online: Vec<Arc<Person>>,
}

#[derive(Debug)]
struct Own {
    person: Arc<Person>,
    connections: u64,
}

#[derive(Debug, Default)]
struct Other {
    users: HashMap<UserId, Arc<Person>>,
    connections: u64,
}

#[derive(Debug)]
struct User {
    person: Arc<Person>,
    /// On how many nodes.
    nodes: usize,
    /// Apart, since few are leaving at a time.
    farewell: Option<Box<Farewell>>,
}

/// How one left who may yet come back.
#[derive(Debug)]
struct Farewell {
    reason: String,
    is_ours: bool,
    /// When the grace ends; `None` until time is known.
    until: Option<Duration>,
}

impl Roster {
    /// A node without users, among others of which it knows nothing. Whoever leaves is here for `grace` more.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            own: HashMap::new(),
            own_connections: 0,
            untold: BTreeSet::new(),
            others: HashMap::new(),
            users: BTreeMap::new(),
            profiles: HashMap::new(),
            counts: Counts::default(),
            left: Vec::new(),
            leaving: BTreeSet::new(),
            online: Vec::new(),
        }
    }

    /// One more connection of a user of this node.
    pub fn joined(&mut self, person: Person) {
        self.own_connections += 1;
        let user_id = person.user_id.clone();
        let Some(own) = self.own.get_mut(&user_id) else {
            let person = Arc::new(person);
            self.own.insert(user_id.clone(), Own { person: Arc::clone(&person), connections: 1 });
            self.untold.insert(user_id);
            return self.enter(&person);
        };
        own.connections += 1;
        if *own.person != person {
            own.person = Arc::new(person);
            let person = Arc::clone(&own.person);
            self.untold.insert(user_id);
            self.know(&person);
        }
    }

    /// One connection less.
    pub fn left(&mut self, user_id: &UserId, reason: &str) {
        let Some(own) = self.own.get_mut(user_id) else { return };
        self.own_connections -= 1;
        own.connections -= 1;
        if own.connections == 0 {
            self.own.remove(user_id);
            self.untold.insert(user_id.clone());
            self.leave(user_id, reason, true);
        }
    }

    /// Another node has this user.
    pub fn other_has(&mut self, node: &str, person: Person) {
        let other = self.others.entry(node.to_owned()).or_default();
        let person = Arc::new(person);
        match other.users.insert(person.user_id.clone(), Arc::clone(&person)) {
            None => self.enter(&person),
            Some(known) if known != person => self.know(&person),
            Some(_) => {}
        }
    }

    /// Another node has this user no more.
    pub fn other_lacks(&mut self, node: &str, user_id: &UserId, reason: &str) {
        let other = self.others.get_mut(node);
        if other.is_some_and(|other| other.users.remove(user_id).is_some()) {
            self.leave(user_id, reason, false);
        }
    }

    /// Another node has so many connections.
    pub fn other_connections(&mut self, node: &str, connections: u64) {
        self.others.entry(node.to_owned()).or_default().connections = connections;
    }

    /// Another node has these users and no others.
    pub fn other_is(&mut self, node: &str, people: Vec<Person>) {
        let mut gone: BTreeSet<UserId> =
            self.others.get(node).into_iter().flat_map(|other| other.users.keys().cloned()).collect();
        for person in people {
            gone.remove(&person.user_id);
            self.other_has(node, person);
        }
        for user_id in gone {
            self.other_lacks(node, &user_id, "transport close");
        }
    }

    /// Another node is dead, or went without its users having gone first.
    pub fn other_lost(&mut self, node: &str) {
        for user_id in self.others.remove(node).into_iter().flat_map(|other| other.users.into_keys()) {
            self.leave(&user_id, "node lost", true);
        }
    }

    /// The other nodes that are known to have had users.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        self.others.keys().map(String::as_str)
    }

    /// Takes up to `most` of the own users of whom the others have yet to be told, and whether they are on this node.
    pub fn take_untold(&mut self, most: usize) -> Vec<(UserId, Option<Arc<Person>>)> {
        let taken: Vec<_> = std::iter::from_fn(|| self.untold.pop_first()).take(most).collect();
        let person = |user_id: &UserId| self.own.get(user_id).map(|own| Arc::clone(&own.person));
        taken.into_iter().map(|user_id| (user_id.clone(), person(&user_id))).collect()
    }

    /// All own users: nobody need be told anything else afterwards.
    pub fn take_all(&mut self) -> Vec<Arc<Person>> {
        self.untold.clear();
        self.own.values().map(|own| Arc::clone(&own.person)).collect()
    }

    /// Connections of this node.
    #[must_use]
    pub fn own_connections(&self) -> u64 {
        self.own_connections
    }

    /// What has changed up to `now`, in the order in which it did. `now` never goes back; at [`Duration::MAX`] every grace
    /// is over.
    pub fn advance(&mut self, now: Duration) -> Vec<News> {
        let mut news: Vec<_> = self.online.drain(..).map(News::Online).collect();
        let end = now.saturating_add(self.grace);
        for user_id in self.left.drain(..) {
            let farewell = self.users.get_mut(&user_id).and_then(|user| user.farewell.as_deref_mut());
            // Whoever came back has none; whoever left twice has it already.
            if let Some(farewell) = farewell.filter(|farewell| farewell.until.is_none()) {
                farewell.until = Some(end);
                self.leaving.insert((end, user_id));
            }
        }
        while let Some((until, _)) = self.leaving.first()
            && *until <= now
        {
            let Some((until, user_id)) = self.leaving.pop_first() else { break };
            let ago = now.saturating_sub(until.saturating_sub(self.grace));
            news.extend(self.forget(&user_id, ago).map(News::Offline));
        }
        news
    }

    /// How many are here.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let others: u64 = self.others.values().map(|other| other.connections).sum();
        Counts { connections: self.own_connections + others, ..self.counts }
    }

    /// Whether the doctor with this user id or profile id is here.
    #[must_use]
    pub fn has_doctor(&self, id: &UserId) -> bool {
        self.profiles.contains_key(id) || self.person(id).is_some_and(|person| person.role == Role::Doctor)
    }

    /// A user who is here.
    #[must_use]
    pub fn person(&self, user_id: &UserId) -> Option<&Arc<Person>> {
        self.users.get(user_id).map(|user| &user.person)
    }

    /// Those who are here, by id, after one.
    pub fn people(&self, after: Option<&UserId>) -> impl Iterator<Item = &Arc<Person>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.users.range::<UserId, _>((start, Bound::Unbounded)).map(|(_, user)| &user.person)
    }

    /// One more node has them.
    fn enter(&mut self, person: &Arc<Person>) {
        if let Some(user) = self.users.get_mut(&person.user_id) {
            user.nodes += 1;
            if let Some(until) = user.farewell.take().and_then(|farewell| farewell.until) {
                self.leaving.remove(&(until, person.user_id.clone()));
            }
            return self.know(person);
        }
        let user = User { person: Arc::clone(person), nodes: 1, farewell: None };
        self.users.insert(person.user_id.clone(), user);
        self.count(person, true);
        self.online.push(Arc::clone(person));
    }

    /// One node less has them.
    fn leave(&mut self, user_id: &UserId, reason: &str, is_ours: bool) {
        let Some(user) = self.users.get_mut(user_id) else { return };
        user.nodes -= 1;
        if user.nodes == 0 {
            user.farewell = Some(Box::new(Farewell { reason: reason.to_owned(), is_ours, until: None }));
            self.left.push(user_id.clone());
        }
    }

    /// A user's token tells something new of them.
    fn know(&mut self, person: &Arc<Person>) {
        let Some(user) = self.users.get_mut(&person.user_id) else { return };
        let known = std::mem::replace(&mut user.person, Arc::clone(person));
        if known != *person {
            self.count(&known, false);
            self.count(person, true);
        }
    }

    fn forget(&mut self, user_id: &UserId, ago: Duration) -> Option<Offline> {
        let User { person, farewell, .. } = self.users.remove(user_id)?;
        self.count(&person, false);
        let Farewell { reason, is_ours, .. } = *farewell?;
        Some(Offline { person, reason, ago, is_ours })
    }

    fn count(&mut self, person: &Person, is_here: bool) {
        let count = match person.role {
            Role::Admin | Role::SuperAdmin => &mut self.counts.admin,
            Role::Doctor => &mut self.counts.doctor,
            Role::Patient => &mut self.counts.patient,
        };
        *count = if is_here { *count + 1 } else { *count - 1 };
        let Some(profile) = person.profile_id.as_ref().filter(|_| person.role == Role::Doctor) else {
            return;
        };
        if is_here {
            self.profiles.entry(profile.clone()).or_default().insert(person.user_id.clone());
        } else if let Some(users) = self.profiles.get_mut(profile) {
            users.remove(&person.user_id);
            if users.is_empty() {
                self.profiles.remove(profile);
            }
        }
    }
}

/// A node's roster, shared by those who add to it and those who ask. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Presence(Arc<Mutex<Roster>>);

impl Presence {
    /// The presence of a node without users.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self(Arc::new(Mutex::new(Roster::new(grace))))
    }

    /// The roster, for as long as the guard lives: not across an await.
    pub fn roster(&self) -> MutexGuard<'_, Roster> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
