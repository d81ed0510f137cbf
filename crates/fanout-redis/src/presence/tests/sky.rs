//! A Redis that forgets, fails and is late, and the air through which nodes speak.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carillon_domain::{Person, UserId};
use rand::Rng as _;
use rand::rngs::StdRng;

use super::super::shelf::{self, Lease, Shelf};
use super::super::{Told, Untold};

/// Redis, and the air between the nodes.
#[derive(Default)]
pub(super) struct Sky {
    pub(super) now: Duration,
    pub(super) is_down: bool,
    /// Words and steps of a hundred that fail.
    pub(super) trouble: u32,
    pub(super) dice: Option<StdRng>,
    pub(super) names: BTreeSet<String>,
    pub(super) leases: HashMap<String, (Lease, Duration)>,
    pub(super) users: HashMap<String, BTreeMap<UserId, Person>>,
    pub(super) told: Vec<(String, Told)>,
    /// Nodes that have yet to find their way back to Redis.
    pub(super) late: HashMap<String, Duration>,
}

impl Sky {
    pub(super) fn is_trouble(&mut self) -> bool {
        let trouble = self.trouble;
        self.dice.as_mut().is_some_and(|dice| dice.random_range(0..100) < trouble)
    }

    pub(super) fn is_up(&self, name: &str) -> bool {
        !self.is_down && self.late.get(name).is_none_or(|until| *until <= self.now)
    }

    fn lease(&self, name: &str) -> Option<Lease> {
        self.leases.get(name).filter(|(_, until)| *until > self.now).map(|(lease, _)| *lease)
    }

    fn put_down(&mut self, name: &str, lease: Lease) -> bool {
        self.names.insert(name.to_owned());
        let was_there = self.lease(name).is_some();
        self.leases.insert(name.to_owned(), (lease, self.now + shelf::LEASE));
        was_there
    }
}

#[derive(Clone)]
pub(super) struct Cloud {
    pub(super) name: String,
    pub(super) sky: Arc<Mutex<Sky>>,
}

impl Cloud {
    fn sky(&self) -> MutexGuard<'_, Sky> {
        self.sky.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reach(&self) -> Result<MutexGuard<'_, Sky>, ()> {
        let mut sky = self.sky();
        if !sky.is_up(&self.name) || sky.is_trouble() { Err(()) } else { Ok(sky) }
    }
}

impl Shelf for Cloud {
    type Fault = ();

    fn is_up(&self) -> bool {
        self.sky().is_up(&self.name)
    }

    async fn write(&self, name: &str, changes: &[Untold], lease: Lease) -> Result<bool, ()> {
        let mut sky = self.reach()?;
        let users = sky.users.entry(name.to_owned()).or_default();
        for (user, person) in changes {
            match person {
                Some(person) => drop(users.insert(user.clone(), (**person).clone())),
                None => drop(users.remove(user)),
            }
        }
        // It broke in the middle.
        if sky.is_trouble() {
            return Err(());
        }
        let was_there = sky.put_down(name, lease);
        // Or after the end.
        if sky.is_trouble() { Err(()) } else { Ok(was_there) }
    }

    async fn rewrite(&self, name: &str, people: &[Arc<Person>], lease: Lease) -> Result<bool, ()> {
        let mut sky = self.reach()?;
        let users = people.iter().map(|person| (person.user_id.clone(), (**person).clone()));
        sky.users.insert(name.to_owned(), users.collect());
        Ok(sky.put_down(name, lease))
    }

    async fn leases(&self) -> Result<Vec<(String, Option<Lease>)>, ()> {
        let sky = self.reach()?;
        Ok(sky.names.iter().map(|name| (name.clone(), sky.lease(name))).collect())
    }

    async fn read(&self, name: &str) -> Result<Option<(Lease, Vec<Person>)>, ()> {
        let sky = self.reach()?;
        let users = sky.users.get(name).into_iter().flat_map(|users| users.values().cloned());
        Ok(sky.lease(name).map(|lease| (lease, users.collect())))
    }

    async fn forget(&self, name: &str) -> Result<(), ()> {
        let mut sky = self.reach()?;
        sky.names.remove(name);
        sky.leases.remove(name);
        sky.users.remove(name);
        Ok(())
    }

    fn tell(&self, told: Told) {
        self.sky().told.push((self.name.clone(), told));
    }
}
