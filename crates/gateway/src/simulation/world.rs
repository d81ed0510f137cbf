//! A world: some nodes over one store, clients and services, and a schedule of what happens, all from one seed.
//!
//! ```text
//!   seed ─▶ figures, habits ─▶ some hundred steps, each chosen by chance ─▶ the quiet end: all faults mended,
//!                                   │                                        everyone connected and drained
//!                                   └─ the oracle looks at every word          └─ nothing is owed any more
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use carillon_domain::ports::{Clock as _, Fanout as _, Log as _, PortError, Signal};
use carillon_domain::testing::{CountingIds, FixedClock, MemoryLog, block_on, instant};
use carillon_domain::{Position, Role};
use futures_util::future::BoxFuture;

use super::chronicle::{Chronicle, Life};
use super::client::Client;
use super::coverage::{Coverage, Seen};
use super::dice::{Dice, turn};
use super::network::Network;
use super::node::{Figures, Node, Shared};
use super::page::Page;
use super::publishing::Job;
use super::steps::{HABITS, Habit};
use super::store::Store;

/// Users; the first has two clients.
pub(super) const USERS: [&str; 3] = ["ada", "ben", "cy"];
const CLIENTS: [usize; 4] = [0, 0, 1, 2];
/// Rounds of the quiet end after which nothing may be left to do.
const ROUNDS: usize = 60;

/// A node on its way up.
type Starting = BoxFuture<'static, Result<Box<Node>, PortError>>;

pub(super) struct World {
    pub(super) shared: Shared,
    pub(super) chronicle: Arc<Chronicle>,
    pub(super) coverage: Arc<Coverage>,
    pub(super) nodes: Vec<Option<Box<Node>>>,
    starting: Vec<Option<Starting>>,
    pub(super) clients: Vec<Client>,
    pub(super) jobs: Vec<Job>,
    pub(super) backup: Option<(MemoryLog, Life)>,
    pub(super) sessions: u64,
    /// The machines' time.
    pub(super) now: Duration,
    habits: Vec<(Habit, usize)>,
    steps: usize,
    schedule: Option<Vec<String>>,
}

impl World {
    /// The world of this seed; it keeps its schedule if asked to.
    pub(super) fn new(seed: u64, coverage: &Arc<Coverage>, is_told: bool) -> Self {
        let dice = Arc::new(Dice::new(seed));
        let log = MemoryLog::new();
        let Ok(head) = block_on(log.head()) else { unreachable!("a log in memory is always there") };
        let chronicle = Arc::new(Chronicle::new(head));
        let of = |choice: &[usize]| dice.pick(choice).unwrap_or_default();
        let figures = Figures {
            nodes: of(&[1, 2, 3, 3]),
            mailbox_bytes: of(&[700, 1_200, 3_000, 65_536]),
            recent_rows: of(&[1, 3, 10, 100]),
            recovery_limit: u32::try_from(of(&[4, 15, 1_000])).unwrap_or_default(),
            link: of(&[1, 3, 8, 64]),
        };
        let store = Store {
            inbox: log.inbox(),
            log,
            is_down: false.into(),
            slow: of(&[0, 15, 40]).into(),
            breaks: of(&[0, 2, 6, 12]).into(),
            dice: Arc::clone(&dice),
            chronicle: Arc::clone(&chronicle),
            coverage: Arc::clone(coverage),
            uncommitted: std::sync::Mutex::default(),
            page: u32::try_from(of(&[1, 3, 1_000])).unwrap_or_default(),
        };
        let (steps, habits) = (of(&[100, 250, 400]), habits(&dice));
        let shared = Shared {
            dice,
            clock: Arc::new(FixedClock::new(instant(0))),
            store: Arc::new(store),
            network: Arc::new(Network::default()),
            pids: Arc::default(),
            ids: Arc::new(CountingIds::new()),
            written: Arc::default(),
            figures,
        };
        let client = |user: usize| {
            let role = if user == 0 { Role::Doctor } else { Role::Patient };
            Client::new(role, Page::new(USERS[user].parse().unwrap_or_else(|_| unreachable!("a good id"))))
        };
        Self {
            starting: (0..figures.nodes).map(|place| Some(Node::start(place, &shared))).collect(),
            nodes: (0..figures.nodes).map(|_| None).collect(),
            shared,
            chronicle,
            coverage: Arc::clone(coverage),
            clients: CLIENTS.into_iter().map(client).collect(),
            jobs: Vec::new(),
            backup: None,
            sessions: 0,
            now: Duration::ZERO,
            habits,
            steps,
            schedule: is_told.then(Vec::new),
        }
    }

    /// Lives through the schedule and the quiet end.
    ///
    /// # Errors
    /// What the oracle found wrong first.
    pub(super) fn live(&mut self) -> Result<(), String> {
        let (figures, habits) = (self.shared.figures, self.habits.clone());
        self.say(|_| format!("{figures:?}, {habits:?}"));
        self.begin();
        for _ in 0..self.steps {
            self.step();
            self.pass(Duration::from_millis(self.shared.dice.roll() % 40));
            self.verdict()?;
        }
        self.end()
    }

    /// The nodes start, and some of the clients come.
    fn begin(&mut self) {
        for place in 0..self.nodes.len() {
            for _ in 0..8 {
                self.start(place);
            }
        }
        for client in 0..self.clients.len() {
            if self.shared.dice.chance(70) {
                self.connect(client);
            }
        }
    }

    pub(super) fn schedule(self) -> Vec<String> {
        self.schedule.unwrap_or_default()
    }

    fn verdict(&self) -> Result<(), String> {
        self.chronicle.lock().verdict()
    }

    fn step(&mut self) {
        let total = self.habits.iter().map(|(_, weight)| weight).sum();
        let mut left = self.shared.dice.below(total);
        let chosen = self.habits.iter().find(|(_, weight)| match left.checked_sub(*weight) {
            None => true,
            Some(less) => {
                left = less;
                false
            }
        });
        if let Some((habit, _)) = chosen {
            self.follow(*habit);
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.shared.clock.advance(time);
    }

    /// Writes a line of the schedule, if it is kept.
    pub(super) fn say(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.schedule.is_some() {
            let head = self.chronicle.lock().now().head().get();
            let line = format!("{:>8} ms, head {head:>3}: {}", self.now.as_millis(), line(self));
            self.schedule.get_or_insert_default().push(line);
        }
    }

    /// A node that is up.
    pub(super) fn any_node(&self) -> Option<usize> {
        let up: Vec<_> = (0..self.nodes.len()).filter(|place| self.nodes[*place].is_some()).collect();
        self.shared.dice.pick(&up)
    }

    /// Starts a node that is down, or lets it go on with that.
    pub(super) fn start(&mut self, place: usize) {
        if self.nodes[place].is_some() {
            return;
        }
        let starting = self.starting[place].get_or_insert_with(|| Node::start(place, &self.shared));
        if let Some(started) = turn(starting) {
            self.starting[place] = None;
            self.nodes[place] = started.ok();
            self.say(|world| format!("node {place} has started: {}", world.nodes[place].is_some()));
        }
    }

    /// Looks for answers to what was published.
    pub(super) fn look_for_answers(&mut self) {
        let mut lives = self.chronicle.lock();
        self.jobs.iter_mut().for_each(|job| job.look(&mut lives, &self.coverage));
    }

    /// Everything is mended, everyone is there and drained: nothing may be owed.
    fn end(&mut self) -> Result<(), String> {
        self.say(|_| "--- the quiet end".into());
        let Shared { store, network, .. } = &self.shared;
        store.is_down.store(false, Ordering::Relaxed);
        network.is_down.store(false, Ordering::Relaxed);
        store.breaks.store(0, Ordering::Relaxed);
        store.slow.store(0, Ordering::Relaxed);
        for _ in 0..ROUNDS {
            self.round();
            self.verdict()?;
            if self.is_quiet() {
                return Ok(());
            }
        }
        Err(self.what_is_left())
    }

    fn round(&mut self) {
        self.pass(Duration::from_secs(1));
        for place in 0..self.nodes.len() {
            (0..8).for_each(|_| self.start(place));
        }
        for n in 0..self.jobs.len() {
            if self.jobs[n].is_waiting() {
                self.ask(n);
            }
        }
        while self.shared.network.take(&self.shared.dice).is_some() {}
        for client in 0..self.clients.len() {
            if self.clients[client].link.is_none() {
                self.connect(client);
            }
        }
        for _ in 0..6 {
            let now = self.now;
            for node in self.nodes.iter_mut().flatten() {
                node.append();
                node.follow(false);
                node.follow(false);
                node.follow(true);
                node.drive(None, now);
            }
            self.look_for_answers();
            for client in 0..self.clients.len() {
                while self.read(client) {}
            }
        }
    }

    /// Whether everyone has what is theirs.
    fn is_quiet(&self) -> bool {
        let (now, lives) = (self.shared.clock.now(), self.chronicle.lock());
        let has_all = |client: &Client| {
            let is_here = client.is_told && client.page.at.is_some_and(|at| at.epoch == lives.epoch);
            is_here && client.page.missing(&lives, Position::END, now).is_none()
        };
        self.jobs.iter().all(Job::is_done) && self.clients.iter().all(has_all)
    }

    fn what_is_left(&self) -> String {
        let (now, lives) = (self.shared.clock.now(), self.chronicle.lock());
        let undone = self.jobs.iter().filter(|job| !job.is_done()).count();
        let mut left = format!("I2, I8: {undone} publishes not answered");
        for (n, client) in self.clients.iter().enumerate() {
            let missing = client.page.missing(&lives, Position::END, now).map(Position::get);
            let (at, told) = (client.page.at, client.is_told);
            left += &format!("; client {n} at {at:?}, told {told}, lacks {missing:?}");
        }
        left
    }

    /// Word that signals were lost, to everyone: what a fanout says when it is back.
    pub(super) fn tell_lagged(&self) {
        for node in self.nodes.iter().flatten() {
            self.coverage.saw(Seen::FanoutLagged);
            node.fanout.local.publish(Signal::Lagged);
        }
    }
}

/// What is usual in this world: everyday things more or less often, troubles each in one world of two.
fn habits(dice: &Dice) -> Vec<(Habit, usize)> {
    let usual = |(habit, weight, is_trouble): &(Habit, usize, bool)| {
        let weight = weight * dice.pick(&[1, 4, 4, 8]).unwrap_or_default();
        (!is_trouble || dice.chance(50)).then_some((*habit, weight))
    };
    HABITS.iter().filter_map(usual).collect()
}
