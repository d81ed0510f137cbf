//! Three nodes, a Redis that forgets, words that are lost, users who come, go and move, in virtual time against a model: the
//! connections there really are.

mod sky;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use carillon_domain::testing::block_on;
use carillon_domain::{News, Role, UserId};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;
use sky::{Cloud, Sky};

const GRACE: Duration = Duration::from_secs(5);
const NODES: usize = 3;
const USERS: usize = 60;

struct Node {
    exchange: Exchange<Cloud>,
    presence: Presence,
    /// What is really there.
    connections: BTreeMap<usize, u64>,
}

struct World {
    dice: StdRng,
    sky: Arc<Mutex<Sky>>,
    now: Duration,
    nodes: Vec<Option<Node>>,
    born: usize,
    /// Users on their way back: when, and who.
    moving: Vec<(Duration, usize)>,
    /// When each user was last connected anywhere.
    seen: Vec<Duration>,
    /// Since when each user has been connected to one node without a break.
    steady: Vec<Option<Duration>>,
    /// Until when nodes may be wrong about those who moved.
    excused: Duration,
}

fn person(n: usize) -> Person {
    let role = [Role::Admin, Role::Doctor, Role::Patient][n % 3];
    Person { user_id: format!("u{n:02}").parse().unwrap(), email: None, role, profile_id: None }
}

impl World {
    fn new(seed: u64) -> Self {
        let dice = StdRng::seed_from_u64(seed);
        let sky = Sky { dice: Some(StdRng::seed_from_u64(!seed)), ..Sky::default() };
        let mut world = Self {
            dice,
            sky: Arc::new(Mutex::new(sky)),
            now: Duration::ZERO,
            nodes: Vec::new(),
            born: 0,
            moving: Vec::new(),
            seen: vec![Duration::ZERO; USERS],
            steady: vec![None; USERS],
            excused: Duration::ZERO,
        };
        for _ in 0..NODES {
            let node = world.bear();
            world.nodes.push(Some(node));
        }
        world
    }

    fn sky(&self) -> MutexGuard<'_, Sky> {
        self.sky.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bear(&mut self) -> Node {
        self.born += 1;
        let name = format!("n{}", self.born);
        let presence = Presence::new(GRACE);
        let cloud = Cloud { name: name.clone(), sky: Arc::clone(&self.sky) };
        Node {
            exchange: Exchange::new(name, presence.clone(), cloud),
            presence,
            connections: BTreeMap::new(),
        }
    }

    fn connect(&mut self, user: usize) {
        let living: Vec<usize> = (0..NODES).filter(|n| self.nodes[*n].is_some()).collect();
        let at = living[self.dice.random_range(0..living.len())];
        if let Some(node) = &mut self.nodes[at] {
            *node.connections.entry(user).or_default() += 1;
            node.presence.roster().joined(person(user));
        }
    }

    fn disconnect(&mut self, user: usize) -> bool {
        let start = self.dice.random_range(0..NODES);
        for n in 0..NODES {
            let Some(node) = &mut self.nodes[(start + n) % NODES] else { continue };
            if let Some(count) = node.connections.get_mut(&user) {
                *count -= 1;
                if *count == 0 {
                    node.connections.remove(&user);
                    // What was steady on this node may still be so on another, but is not watched.
                    self.steady[user] = None;
                }
                node.presence.roster().left(&person(user).user_id, "transport close");
                return true;
            }
        }
        false
    }

    /// Somebody does something.
    fn stir(&mut self) {
        let user = self.dice.random_range(0..USERS);
        match self.dice.random_range(0..10) {
            0..4 => self.connect(user),
            4..7 => drop(self.disconnect(user)),
            _ => {
                if self.disconnect(user) {
                    let back = self.now + Duration::from_millis(self.dice.random_range(0..4_000));
                    self.moving.push((back, user));
                }
            }
        }
    }

    fn kill(&mut self, at: usize) {
        let Some(node) = self.nodes[at].take() else { return };
        for (user, count) in node.connections {
            self.steady[user] = None;
            for _ in 0..count {
                if self.dice.random_bool(0.7) {
                    let back = self.now + Duration::from_millis(self.dice.random_range(500..5_000));
                    self.moving.push((back, user));
                }
            }
        }
    }

    fn restart(&mut self, at: usize) {
        if self.nodes[at].is_none() {
            let node = self.bear();
            self.nodes[at] = Some(node);
        }
    }

    fn is_connected(&self, user: usize) -> bool {
        self.nodes.iter().flatten().any(|node| node.connections.contains_key(&user))
    }

    /// A tenth of a second.
    fn step(&mut self) {
        self.now += TELL;
        let (now, returning) = (self.now, std::mem::take(&mut self.moving));
        self.sky().now = now;
        for (at, user) in returning {
            if at <= now { self.connect(user) } else { self.moving.push((at, user)) }
        }
        for user in 0..USERS {
            if self.is_connected(user) {
                self.seen[user] = now;
                self.steady[user] = self.steady[user].or(Some(now));
            } else {
                self.steady[user] = None;
            }
        }
        for node in self.nodes.iter_mut().flatten() {
            block_on(node.exchange.tick(now));
        }
        let told = std::mem::take(&mut self.sky().told);
        for (from, told) in told {
            for node in self.nodes.iter_mut().flatten().filter(|node| node.exchange.name != from) {
                let is_lost = {
                    let mut sky = self.sky.lock().unwrap_or_else(PoisonError::into_inner);
                    !sky.is_up(&from) || !sky.is_up(&node.exchange.name) || sky.is_trouble()
                };
                if !is_lost {
                    node.exchange.hear(Word::Told(from.clone(), told.clone()));
                }
            }
        }
        self.listen();
    }

    /// Nobody is said to have left who has not been away for the grace, except where the word of a move may have been
    /// lost; and nobody at all who has not moved.
    fn listen(&self) {
        let is_troubled = self.sky().trouble > 0;
        for node in self.nodes.iter().flatten() {
            for news in node.presence.roster().advance(self.now) {
                let News::Offline(offline) = news else { continue };
                let user: usize = offline.person.user_id.as_str()[1..].parse().unwrap();
                let away = self.now.saturating_sub(self.seen[user]);
                let steady = self.steady[user].map(|since| self.now.saturating_sub(since));
                let is_told = self.now > self.excused && !is_troubled;
                assert!(
                    steady.is_none_or(|steady| steady < GRACE * 2) && (!is_told || away + TELL * 2 >= GRACE),
                    "{user} was said to be offline at {:?}, {away:?} after they were seen, steady {steady:?}",
                    self.now,
                );
            }
        }
    }

    fn run(&mut self, seconds: u64, stirs: u32) {
        for _ in 0..seconds * 10 {
            for _ in 0..stirs {
                self.stir();
            }
            self.step();
        }
    }

    /// Every node knows what is.
    fn check(&self, what: &str) {
        let users: BTreeSet<UserId> =
            (0..USERS).filter(|user| self.is_connected(*user)).map(|user| person(user).user_id).collect();
        let connections: u64 = self.nodes.iter().flatten().flat_map(|node| node.connections.values()).sum();
        for node in self.nodes.iter().flatten() {
            let roster = node.presence.roster();
            let here: BTreeSet<UserId> = roster.people(None).map(|person| person.user_id.clone()).collect();
            assert_eq!(here, users, "{} after {what} at {:?}", node.exchange.name, self.now);
            let counts = roster.counts();
            assert_eq!(counts.connections, connections, "{} after {what}", node.exchange.name);
            assert_eq!(counts.admin + counts.doctor + counts.patient, users.len() as u64);
        }
    }

    /// Redis is there again; one node after the other notices.
    fn come_back(&mut self) {
        let names: Vec<_> = self.nodes.iter().flatten().map(|node| node.exchange.name.clone()).collect();
        for name in names {
            let until = self.now + Duration::from_millis(self.dice.random_range(0..8_000));
            self.sky().late.insert(name, until);
        }
        self.sky().is_down = false;
        self.run(8, 2);
    }

    /// Something happens while users come and go; 25 s later every node knows what is.
    fn round(&mut self) {
        self.run(10, 2);
        let trouble = [0, 0, 5][self.dice.random_range(0..3)];
        let before = std::mem::replace(&mut self.sky().trouble, trouble);
        if before > 0 {
            self.excused = self.now + GRACE;
        }
        let at = self.dice.random_range(0..NODES);
        let what =
            ["nothing", "a kill", "a kill and a restart", "an empty Redis", "Redis away", "all at once"]
                [self.dice.random_range(0..6)];
        match what {
            "a kill" => self.kill(at),
            "a kill and a restart" => {
                self.kill(at);
                self.run(1, 2);
                self.restart(at);
            }
            "an empty Redis" | "all at once" => {
                if what == "all at once" {
                    self.kill(at);
                }
                let dice = self.sky().dice.take();
                *self.sky() = Sky { is_down: true, now: self.now, dice, ..Sky::default() };
                self.excused = self.now + Duration::from_secs(20);
                self.run(2, 2);
                self.come_back();
            }
            "Redis away" => {
                self.sky().is_down = true;
                self.excused = self.now + Duration::from_secs(28);
                self.run(10, 2);
                self.come_back();
            }
            _ => {}
        }
        self.run(5, 2);
        self.run(20, 0);
        self.check(what);
        (0..NODES).for_each(|at| self.restart(at));
    }
}

#[test]
fn every_node_knows_who_is_here_25_s_after_whatever_happened() {
    for seed in 0..12 {
        let mut world = World::new(seed);
        for _ in 0..12 {
            world.round();
        }
    }
}

#[test]
fn a_node_that_goes_leaves_nothing_behind_and_its_users_are_gone_at_once() {
    let mut world = World::new(1);
    world.run(5, 3);
    let Some(mut node) = world.nodes[0].take() else { panic!("no node") };
    block_on(node.exchange.close());
    for other in world.nodes.iter_mut().flatten() {
        other.exchange.hear(Word::Bye(node.exchange.name.clone()));
    }
    assert!(!world.sky().names.contains(&node.exchange.name));
    world.moving.clear();
    world.run(6, 0);
    world.check("a goodbye");
}

#[test]
fn a_shelf_of_the_dead_is_cleared_by_those_who_live() {
    let mut world = World::new(2);
    world.run(5, 3);
    world.kill(0);
    world.moving.clear();
    world.run(25, 0);
    world.check("a kill");
    assert_eq!(world.sky().names.len(), 2);
    assert_eq!(world.sky().users.len(), 2);
}

/// On a busy machine a link that misses a few beats counts as lost for a moment, again and again: nobody ever was judged.
#[test]
fn a_link_that_flickers_does_not_keep_the_dead_alive() {
    let mut world = World::new(3);
    world.run(5, 3);
    world.kill(0);
    world.moving.clear();
    for _ in 0..8 {
        world.run(2, 0);
        world.sky().is_down = true;
        world.run(1, 0);
        world.sky().is_down = false;
    }
    world.run(1, 0);
    world.check("a kill");
}
