//! What can happen in a world, one thing a step. What clients do is in `visits`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use carillon_domain::ports::{Clock as _, Fanout as _, Log as _, Trim};
use carillon_domain::testing::block_on;
use carillon_domain::{Epoch, Timestamp};

use super::coverage::Seen;
use super::node::RECOVERY_AGE;
use super::publishing::Job;
use super::world::{USERS, World};

/// Something that happens now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    Publish,
    AskAgain,
    Append,
    Follow,
    PollHead,
    Drive,
    Hint,
    Read,
    Connect,
    Cut,
    Notice,
    Reload,
    ChangeRole,
    Forge,
    Kill,
    Start,
    LoseStore,
    LoseFanout,
    Stall,
    Mend,
    Trim,
    Backup,
    Restore,
    Sleep,
}

/// How often, and whether it is trouble.
pub(super) const HABITS: [(Habit, usize, bool); 24] = [
    (Habit::Publish, 16, false),
    (Habit::AskAgain, 8, false),
    (Habit::Append, 16, false),
    (Habit::Follow, 22, false),
    (Habit::PollHead, 5, false),
    (Habit::Drive, 40, false),
    (Habit::Hint, 16, false),
    (Habit::Read, 40, false),
    (Habit::Connect, 14, false),
    (Habit::Cut, 7, true),
    (Habit::Notice, 4, false),
    (Habit::Reload, 2, true),
    (Habit::ChangeRole, 2, true),
    (Habit::Forge, 1, true),
    (Habit::Kill, 4, true),
    (Habit::Start, 14, false),
    (Habit::LoseStore, 2, true),
    (Habit::LoseFanout, 2, true),
    (Habit::Stall, 10, true),
    (Habit::Mend, 8, false),
    (Habit::Trim, 4, true),
    (Habit::Backup, 3, true),
    (Habit::Restore, 2, true),
    (Habit::Sleep, 2, true),
];

/// Publishes in one world.
const JOBS: usize = 40;

impl World {
    pub(super) fn follow(&mut self, habit: Habit) {
        let is_there = |n: &usize| self.clients[*n].link.is_some();
        let (there, away): (Vec<_>, Vec<_>) = (0..self.clients.len()).partition(is_there);
        let (client, away) = (self.shared.dice.pick(&there), self.shared.dice.pick(&away));
        match habit {
            Habit::Publish => self.publish(),
            Habit::AskAgain => {
                let waiting = (0..self.jobs.len()).filter(|n| self.jobs[*n].is_waiting());
                if let Some(n) = self.shared.dice.pick(&waiting.collect::<Vec<_>>()) {
                    self.ask(n);
                }
            }
            Habit::Append | Habit::Follow | Habit::PollHead | Habit::Drive => self.give_turn(habit),
            Habit::Hint => self.hint(),
            Habit::Read => {
                let mut messages = 1 + self.shared.dice.below(5);
                while messages > 0 && client.is_some_and(|client| self.read(client)) {
                    messages -= 1;
                }
            }
            Habit::Connect => away.into_iter().for_each(|client| self.connect(client)),
            Habit::Cut => client.into_iter().for_each(|client| self.cut(client)),
            Habit::Notice => self.notice(),
            Habit::Reload => client.or(away).into_iter().for_each(|client| self.reload(client)),
            Habit::ChangeRole => self.change_role(),
            Habit::Forge => away.into_iter().for_each(|client| self.forge(client)),
            Habit::Kill => self.kill(),
            Habit::Start => {
                if let Some(place) = (0..self.nodes.len()).find(|place| self.nodes[*place].is_none()) {
                    self.start(place);
                }
            }
            Habit::LoseStore | Habit::LoseFanout | Habit::Stall => self.trouble(habit),
            Habit::Mend => self.mend(),
            Habit::Trim => self.trim(),
            Habit::Backup => self.back_up(),
            Habit::Restore => self.restore(),
            Habit::Sleep => {
                const TIMES: [u64; 4] = [2, 26, 90, 2 * RECOVERY_AGE.as_secs()];
                let time = Duration::from_secs(self.shared.dice.pick(&TIMES).unwrap_or_default());
                self.say(|_| format!("nothing happens for {time:?}"));
                self.pass(time);
            }
        }
    }

    fn publish(&mut self) {
        if self.jobs.len() >= JOBS {
            return;
        }
        let dice = &self.shared.dice;
        let user = dice.pick(&USERS).unwrap_or_default();
        let rooms: Vec<String> = match dice.below(8) {
            0..=2 => vec![format!("user:{user}")],
            3 => vec!["all".into()],
            4 => vec!["role:patient".into()],
            5 => vec!["role:doctor".into()],
            6 => vec![format!("patient:{user}"), "role:doctor".into()],
            _ => vec!["all".into(), format!("user:{user}"), "role:patient".into()],
        };
        let now = self.shared.clock.now();
        let expires_at = dice.chance(6).then(|| now.saturating_add(Duration::from_millis(dice.roll() % 900)));
        let n = self.jobs.len();
        self.jobs.push(Job::new(n, &rooms, dice.chance(80), expires_at));
        self.say(|_| format!("publish {n} to {rooms:?}"));
        self.ask(n);
    }

    pub(super) fn ask(&mut self, n: usize) {
        let Some(place) = self.any_node() else { return };
        let Some(node) = &self.nodes[place] else { return };
        self.jobs[n].ask(place, node);
        self.say(|_| format!("publish {n} is sent to node {place}"));
    }

    fn give_turn(&mut self, habit: Habit) {
        let (now, Some(place)) = (self.now, self.any_node()) else { return };
        let Some(node) = &mut self.nodes[place] else { return };
        match habit {
            Habit::Append => (0..=self.shared.dice.below(4)).for_each(|_| node.append()),
            Habit::Follow | Habit::PollHead if node.is_stalled => {}
            Habit::Follow => node.follow(false),
            Habit::PollHead => node.follow(true),
            _ => {
                let one = self.shared.dice.below(node.sessions.len());
                node.drive(self.shared.dice.chance(40).then_some(one), now);
                node.sessions.retain(|session| !session.is_finished || !session.to_client.is_empty());
            }
        }
        self.say(|_| format!("node {place}: {habit:?}"));
        self.look_for_answers();
    }

    fn hint(&mut self) {
        let Some((place, signal)) = self.shared.network.take(&self.shared.dice) else { return };
        let chance = self.shared.dice.below(100);
        if chance < 20 {
            self.coverage.saw(Seen::HintLost);
            return self.say(|_| format!("a hint to node {place} is lost"));
        }
        let Some(node) = &self.nodes[place] else { return };
        node.fanout.local.publish(signal.clone());
        if chance < 40 {
            self.coverage.saw(Seen::HintRepeated);
            node.fanout.local.publish(signal);
        }
        self.say(|_| format!("a hint reaches node {place}{}", if chance < 40 { " twice" } else { "" }));
    }

    fn kill(&mut self) {
        let Some(place) = self.any_node() else { return };
        let Some(node) = self.nodes[place].take() else { return };
        let (sent, kept) = node.is_writing();
        [(sent, Seen::DiedBeforeCommit), (kept, Seen::DiedBeforeHint)]
            .into_iter()
            .filter(|(is_so, _)| *is_so)
            .for_each(|(_, seen)| self.coverage.saw(seen));
        self.say(|_| format!("node {place} is killed; a batch was sent: {sent}, kept: {kept}"));
        self.jobs.iter_mut().for_each(|job| job.lose(place));
        // What the links held still arrives, or some of it.
        for session in &node.sessions {
            let arrives = self.shared.dice.below(session.to_client.len() + 1);
            for text in session.to_client.iter().take(arrives) {
                if self.clients[session.client].link != Some((place, session.id)) {
                    break;
                }
                let word = self.hears(session.client, text);
                self.say(|_| format!("client {} still reads {word:?}", session.client));
                self.judge(session.client, &word, text);
            }
        }
    }

    /// Something goes away, or a node no longer follows the log.
    fn trouble(&mut self, habit: Habit) {
        let seen = match habit {
            Habit::LoseStore => {
                self.shared.store.is_down.store(true, Ordering::Relaxed);
                Seen::StoreAway
            }
            Habit::LoseFanout => {
                self.shared.network.is_down.store(true, Ordering::Relaxed);
                Seen::FanoutAway
            }
            _ => {
                let node = self.any_node().and_then(|place| self.nodes[place].as_mut());
                node.into_iter().for_each(|node| node.is_stalled = true);
                Seen::NodeStalled
            }
        };
        self.coverage.saw(seen);
        self.say(|_| format!("trouble: {seen:?}"));
    }

    /// What is away comes back.
    fn mend(&mut self) {
        self.nodes.iter_mut().flatten().for_each(|node| node.is_stalled = false);
        if self.shared.store.is_down.swap(false, Ordering::Relaxed) {
            self.say(|_| "the store is back".into());
        }
        if self.shared.network.is_down.swap(false, Ordering::Relaxed) {
            self.say(|_| "the fanout is back".into());
            self.tell_lagged();
        }
    }

    /// The oldest rows go.
    fn trim(&mut self) {
        let Ok(page) = block_on(self.shared.store.log.read(Default::default(), 1_000)) else { return };
        let Some(row) = page.rows.get(self.shared.dice.below(page.rows.len() + 1)) else { return };
        let before = row.notification.created_at;
        let trim = Trim { rows_before: before, keys_before: Timestamp::from_millis(0).unwrap_or(before) };
        drop(block_on(self.shared.store.log.trim(trim)));
        let Ok(head) = block_on(self.shared.store.log.head()) else { return };
        self.chronicle.lock().now().trimmed = head.trimmed;
        self.coverage.saw(Seen::Trimmed);
        for client in &self.clients {
            if client.page.at.is_some_and(|at| at.position < head.trimmed) {
                let is_there = client.link.is_some();
                self.coverage.saw(if is_there { Seen::TrimPassedSlow } else { Seen::TrimPassedAbsent });
            }
        }
        self.say(|_| format!("rows up to {} are deleted", head.trimmed.get()));
    }

    fn back_up(&mut self) {
        let life = self.chronicle.lock().now().clone();
        self.backup = Some((self.shared.store.log.backup(), life));
        self.say(|_| "a backup is made".into());
    }

    fn restore(&mut self) {
        let Some((log, life)) = self.backup.take() else { return };
        let epoch = Epoch::new(self.shared.dice.roll());
        self.shared.store.log.restore(&log, epoch);
        self.chronicle.lock().restored(epoch, life);
        self.coverage.saw(Seen::Restored);
        self.say(|_| format!("the backup is restored, in epoch {epoch:?}"));
    }
}
