//! Who is on which node: what one node tells the others of its users, and learns of theirs.
//!
//! ```text
//!   own change ─▶ shelf: bucket, then lease with the next number ─▶ "told" with that number, to all
//!   told n+1   ─▶ apply        told n+2, or a lease that says so ─▶ read the other's shelf
//!   lease gone ─▶ the other is dead: its users are gone, its shelf is cleared
//! ```
//!
//! A node's shelf in Redis always says at least what was told. It is written only when a user comes to the node or
//! leaves it, and whole when Redis was away or has forgotten it. What was told may be lost: every two seconds each node
//! looks at the others' leases, whose numbers say whether it knows everything. Pure but for its shelf, so that a
//! simulation can hold it against a model.

mod shelf;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use carillon_domain::{Person, Presence};

pub(crate) use shelf::{Lease, RedisShelf, Shelf};
pub(crate) use words::{Change, Told};

/// How often changes are told: what comes in between goes together.
pub(crate) const TELL: Duration = Duration::from_millis(100);
/// How often a lease is renewed; it ends after three times that ([`shelf::LEASE`]).
const RENEW: Duration = Duration::from_secs(5);
/// How often the others' leases are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often the others hear that nothing but the number of connections has changed.
const COUNT: Duration = Duration::from_secs(1);
/// Users in one word.
const MOST: usize = 256;

/// What another node says.
#[derive(Debug)]
pub(crate) enum Word {
    /// Of its users.
    Told(String, Told),
    /// That it goes.
    Bye(String),
}

/// One node's part in the exchange.
pub(crate) struct Exchange<S> {
    name: String,
    presence: Presence,
    shelf: S,
    /// The number of what was last told.
    number: u64,
    /// How many connections the others know of, and since when.
    told_connections: (u64, Duration),
    /// The others by what is known of each: the number of what they last told.
    known: BTreeMap<String, u64>,
    /// Others who must be read.
    unread: BTreeSet<String>,
    /// When Redis was last there, and whether it has yet to say that it still knows this node.
    linked_at: Option<Duration>,
    is_away: bool,
    /// Since when a lease that is gone means a node that is gone.
    judges_since: Duration,
    /// Whether the shelf must be written anew.
    is_stale: bool,
    renew_at: Duration,
    look_at: Duration,
}

impl<S: Shelf> Exchange<S> {
    pub(crate) fn new(name: String, presence: Presence, shelf: S) -> Self {
        Self {
            name,
            presence,
            shelf,
            number: 0,
            told_connections: (0, Duration::ZERO),
            known: BTreeMap::new(),
            unread: BTreeSet::new(),
            linked_at: None,
            is_away: true,
            judges_since: Duration::ZERO,
            is_stale: true,
            renew_at: Duration::ZERO,
            look_at: Duration::ZERO,
        }
    }

    /// Does what is due. Called every [`TELL`].
    pub(crate) async fn tick(&mut self, now: Duration) {
        if !self.shelf.is_up() {
            self.is_away = true;
            return;
        }
        if self.is_away {
            // A break that is shorter than from one renewal to the next costs nobody their lease.
            if self.linked_at.is_none_or(|at| now > at + RENEW) {
                self.judge_later(now);
            }
            // The answer tells whether Redis has forgotten this node; and the others' words were lost.
            self.renew_at = now;
            self.look_at = now;
        }
        self.linked_at = Some(now);
        if self.is_stale {
            self.write_all(now).await;
        } else {
            self.write_changes(now).await;
        }
        if now >= self.look_at {
            self.look_at = now + LOOK;
            self.look(now).await;
        }
        while let Some(other) = self.unread.pop_first() {
            self.read(other).await;
        }
    }

    /// Redis was away for long, or has forgotten what it held: a living node may not have come back to it yet.
    fn judge_later(&mut self, now: Duration) {
        self.judges_since = now + shelf::LEASE;
    }

    /// A lease was put down: whether there had been one, if that is known.
    fn put_down(&mut self, was_there: Option<bool>, now: Duration) {
        if was_there == Some(false) || (self.is_away && was_there.is_none()) {
            self.judge_later(now);
        }
        self.is_away &= was_there.is_none();
    }

    /// Takes another node's word.
    pub(crate) fn hear(&mut self, word: Word) {
        match word {
            Word::Bye(other) => self.lose(&other),
            Word::Told(other, told) => match self.known.get_mut(&other) {
                Some(number) if told.number <= *number => {}
                Some(number) if told.number == *number + 1 => {
                    *number = told.number;
                    let mut roster = self.presence.roster();
                    roster.other_connections(&other, told.connections);
                    for Change { user, person } in told.changes {
                        match person {
                            Some(person) => roster.other_has(&other, person.of(user)),
                            None => roster.other_lacks(&other, &user, "transport close"),
                        }
                    }
                }
                _ => drop(self.unread.insert(other)),
            },
        }
    }

    /// Leaves nothing behind.
    pub(crate) async fn close(&mut self) {
        drop(self.shelf.forget(&self.name).await);
    }

    fn lease(&self, connections: u64) -> Lease {
        Lease { number: self.number, connections }
    }

    /// Writes all own users, and a number by which the others see that they must read.
    async fn write_all(&mut self, now: Duration) {
        let (people, connections) = {
            let mut roster = self.presence.roster();
            (roster.take_all(), roster.own_connections())
        };
        self.number += 2;
        let lease = self.lease(connections);
        let was_there = self.shelf.rewrite(&self.name, &people, lease).await.ok();
        self.put_down(was_there, now);
        self.is_stale = was_there.is_none();
        if !self.is_stale {
            self.renew_at = now + RENEW;
            self.told_connections = (connections, now);
            self.shelf.tell(Told { number: self.number, connections, changes: Vec::new() });
        }
    }

    async fn write_changes(&mut self, now: Duration) {
        loop {
            let (changes, connections) = {
                let mut roster = self.presence.roster();
                (roster.take_untold(MOST), roster.own_connections())
            };
            let is_last = changes.len() < MOST;
            let (told, at) = self.told_connections;
            let is_counted = connections == told || now < at + COUNT;
            if changes.is_empty() && is_counted && now < self.renew_at {
                return;
            }
            if !changes.is_empty() || connections != told {
                self.number += 1;
            }
            let was_there = self.shelf.write(&self.name, &changes, self.lease(connections)).await.ok();
            self.put_down(was_there, now);
            // Redis has lost the lease, and with it no one knows what else.
            self.is_stale = was_there != Some(true);
            if was_there.is_some() {
                self.renew_at = now + RENEW;
                self.told_connections = (connections, now);
                let changes = changes.into_iter().map(Change::from).collect();
                self.shelf.tell(Told { number: self.number, connections, changes });
            }
            if is_last || self.is_stale {
                return;
            }
        }
    }

    /// Looks who is alive, and of whom there is something to learn.
    async fn look(&mut self, now: Duration) {
        let Ok(leases) = self.shelf.leases().await else { return };
        let mut dead: BTreeSet<String> = self.known.keys().cloned().collect();
        let others: Vec<String> = self.presence.roster().others().map(str::to_owned).collect();
        dead.extend(others);
        for (other, lease) in leases.into_iter().filter(|(other, _)| *other != self.name) {
            let Some(lease) = lease else {
                dead.insert(other);
                continue;
            };
            dead.remove(&other);
            if self.known.get(&other) != Some(&lease.number) {
                self.unread.insert(other);
            }
        }
        if !self.is_away && now >= self.judges_since {
            for other in dead {
                tracing::info!(node = other, "a node is gone: its users are no longer here");
                self.lose(&other);
                drop(self.shelf.forget(&other).await);
            }
        }
    }

    async fn read(&mut self, other: String) {
        // Nothing there, or Redis is gone: the next look knows more.
        let Ok(Some((lease, people))) = self.shelf.read(&other).await else { return };
        let mut roster = self.presence.roster();
        roster.other_is(&other, people);
        roster.other_connections(&other, lease.connections);
        drop(roster);
        self.known.insert(other, lease.number);
    }

    fn lose(&mut self, other: &str) {
        self.known.remove(other);
        self.unread.remove(other);
        self.presence.roster().other_lost(other);
    }
}

/// Exchanges for as long as the node lives.
pub(crate) async fn run<S: Shelf>(
    mut exchange: Exchange<S>,
    mut words: tokio::sync::mpsc::Receiver<Word>,
    mut closing: tokio::sync::mpsc::Receiver<tokio::sync::oneshot::Sender<()>>,
) {
    let started = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval(TELL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => exchange.tick(started.elapsed()).await,
            Some(word) = words.recv() => exchange.hear(word),
            Some(closed) = closing.recv() => {
                exchange.close().await;
                // Nobody may wait for it any more.
                let _ = closed.send(());
                return;
            }
        }
    }
}

/// A user and whether a node has them.
pub(crate) type Untold = (carillon_domain::UserId, Option<Arc<Person>>);

#[cfg(test)]
mod tests;
