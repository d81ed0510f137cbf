//! Where nodes put down who they have: hashes of users, in buckets so that none grows long, and a lease.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use carillon_domain::{Person, UserId};
use fred::error::Error;
use fred::interfaces::{HashesInterface as _, KeysInterface as _, SetsInterface as _};
use fred::types::{Expiration, Value};

use super::words::PersonWords;
use super::{Told, Untold};
use crate::link::{Link, Outgoing};
use crate::wire::{self, Body};

/// How long a node is taken to be alive after it renewed its lease.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// Hashes of one node.
const BUCKETS: u64 = 64;

/// That a node is alive, and what it last told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) number: u64,
    pub(crate) connections: u64,
}

/// Redis, as the exchange needs it. An error means that the outcome is unknown.
pub(crate) trait Shelf {
    /// Why a step failed; it does not matter which way.
    type Fault;

    /// Whether it is worth trying.
    fn is_up(&self) -> bool;

    /// Puts down changes, then the lease. Whether the lease had been there.
    fn write(
        &self,
        name: &str,
        changes: &[Untold],
        lease: Lease,
    ) -> impl Future<Output = Result<bool, Self::Fault>> + Send;

    /// Puts down everyone in place of what was there, then the lease. Whether the lease had been there.
    fn rewrite(
        &self,
        name: &str,
        people: &[Arc<Person>],
        lease: Lease,
    ) -> impl Future<Output = Result<bool, Self::Fault>> + Send;

    /// All nodes that have a shelf, and their leases if those have not ended.
    fn leases(&self) -> impl Future<Output = Result<Vec<(String, Option<Lease>)>, Self::Fault>> + Send;

    /// A node's lease, and then its users: at least what the lease's number tells of.
    fn read(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<(Lease, Vec<Person>)>, Self::Fault>> + Send;

    /// Clears a node's shelf.
    fn forget(&self, name: &str) -> impl Future<Output = Result<(), Self::Fault>> + Send;

    /// Tells all. It may be lost.
    fn tell(&self, told: Told);
}

/// The shelf in Redis. All its keys share one hash tag, so that a pipeline stays on one node of a Cluster.
pub(crate) struct RedisShelf(pub(crate) Arc<Link>);

impl RedisShelf {
    fn key(&self, kind: &str) -> String {
        format!("carillon:{{{}}}:{kind}", self.0.namespace())
    }

    fn lease_key(&self, name: &str) -> String {
        self.key(&format!("lease:{name}"))
    }

    fn bucket_keys(&self, name: &str) -> Vec<String> {
        (0..BUCKETS).map(|bucket| self.key(&format!("users:{name}:{bucket:02x}"))).collect()
    }

    fn bucket_key(&self, name: &str, user: &UserId) -> String {
        self.key(&format!("users:{name}:{:02x}", bucket(user)))
    }
}

impl Shelf for RedisShelf {
    type Fault = Error;

    fn is_up(&self) -> bool {
        self.0.is_linked()
    }

    async fn write(&self, name: &str, changes: &[Untold], lease: Lease) -> Result<bool, Error> {
        let pipeline = self.0.client().pipeline();
        let (mut here, mut gone) = (BTreeMap::new(), BTreeMap::new());
        for (user, person) in changes {
            let key = self.bucket_key(name, user);
            match person {
                Some(person) => here
                    .entry(key)
                    .or_insert_with(Vec::new)
                    .push((user.to_string(), PersonWords::write(person))),
                None => gone.entry(key).or_insert_with(Vec::new).push(user.to_string()),
            }
        }
        for (key, fields) in here {
            let () = pipeline.hset(key, fields).await?;
        }
        for (key, fields) in gone {
            let () = pipeline.hdel(key, fields).await?;
        }
        let () = pipeline.sadd(self.key("nodes"), name).await?;
        // Answers what was there before.
        let () = pipeline.set(self.lease_key(name), lease.to_string(), expires(), None, true).await?;
        let answers: Vec<Value> = pipeline.all().await?;
        Ok(answers.last().is_some_and(|before| !before.is_null()))
    }

    async fn rewrite(&self, name: &str, people: &[Arc<Person>], lease: Lease) -> Result<bool, Error> {
        let mut buckets: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for person in people {
            let fields = buckets.entry(self.bucket_key(name, &person.user_id)).or_default();
            fields.push((person.user_id.to_string(), PersonWords::write(person)));
        }
        let pipeline = self.0.client().pipeline();
        let () = pipeline.del(self.bucket_keys(name)).await?;
        for (key, fields) in buckets {
            let () = pipeline.hset(key, fields).await?;
        }
        let () = pipeline.sadd(self.key("nodes"), name).await?;
        let () = pipeline.set(self.lease_key(name), lease.to_string(), expires(), None, true).await?;
        let answers: Vec<Value> = pipeline.all().await?;
        Ok(answers.last().is_some_and(|before| !before.is_null()))
    }

    async fn leases(&self) -> Result<Vec<(String, Option<Lease>)>, Error> {
        let client = self.0.client();
        let names: Vec<String> = client.smembers(self.key("nodes")).await?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = names.iter().map(|name| self.lease_key(name)).collect();
        let leases: Vec<Option<String>> = client.mget(keys).await?;
        Ok(names.into_iter().zip(leases).map(|(name, lease)| (name, read_lease(lease))).collect())
    }

    async fn read(&self, name: &str) -> Result<Option<(Lease, Vec<Person>)>, Error> {
        let client = self.0.client();
        let lease: Option<String> = client.get(self.lease_key(name)).await?;
        let Some(lease) = read_lease(lease) else { return Ok(None) };
        let pipeline = client.pipeline();
        for key in self.bucket_keys(name) {
            let () = pipeline.hgetall(key).await?;
        }
        let buckets: Vec<HashMap<String, String>> = pipeline.all().await?;
        let people = buckets.iter().flatten().filter_map(|(user, words)| PersonWords::read(user, words));
        Ok(Some((lease, people.collect())))
    }

    async fn forget(&self, name: &str) -> Result<(), Error> {
        let client = self.0.client();
        let mut keys = self.bucket_keys(name);
        keys.push(self.lease_key(name));
        let () = client.del(keys).await?;
        client.srem(self.key("nodes"), name).await
    }

    fn tell(&self, told: Told) {
        self.0.post(Outgoing::Body(wire::write(self.0.name(), &Body::<()>::Presence(told))));
    }
}

fn expires() -> Option<Expiration> {
    Some(Expiration::EX(i64::try_from(LEASE.as_secs()).unwrap_or(i64::MAX)))
}

fn read_lease(text: Option<String>) -> Option<Lease> {
    text.and_then(|text| text.parse().ok())
}

/// FNV-1a (draft-eastlake-fnv): only the node itself must come to the same bucket again.
fn bucket(user: &UserId) -> u64 {
    let hash = user.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash % BUCKETS
}

impl std::fmt::Display for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.number, self.connections)
    }
}

impl FromStr for Lease {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (number, connections) = text.split_once(' ').ok_or(())?;
        let read = |text: &str| text.parse().map_err(|_| ());
        Ok(Self { number: read(number)?, connections: read(connections)? })
    }
}
