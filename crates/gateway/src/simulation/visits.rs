//! What clients do in a world: they come, read, lose their links, and bring what they should or should not have.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use bytestring::ByteString;
use carillon_domain::Role;
use carillon_domain::ports::{Clock as _, Pids as _};
use carillon_domain::testing::Mutant;

use super::client::{Client, Word};
use super::coverage::Seen;
use super::node::Node;
use super::page::Page;
use super::session::Session;
use super::world::{USERS, World};

impl World {
    pub(super) fn connect(&mut self, n: usize) {
        // Often to a node that is not as far as the last one was.
        let is_stalled = |node: &Option<Box<Node>>| node.as_ref().is_some_and(|node| node.is_stalled);
        let stalled = self.nodes.iter().position(is_stalled).filter(|_| self.shared.dice.chance(50));
        let Some(place) = stalled.or_else(|| self.any_node()) else { return };
        let Some(node) = &mut self.nodes[place] else { return };
        let (now, id) = (self.shared.clock.now(), self.sessions);
        self.sessions += 1;
        let session = Session::open(&node.gateway, (id, n), &self.shared, self.now);
        let cursor = node.gateway.hub.offset();
        if node.sessions.iter().any(|session| session.client == n && !session.is_closed) {
            self.coverage.saw(Seen::LeftBehind);
        }
        node.sessions.push(session);
        let client = &mut self.clients[n];
        client.begin((place, id), cursor.position, &self.shared.pids, now);
        client.replays = node.store.replays.load(Ordering::Relaxed);
        self.say(|_| format!("client {n} connects to node {place}"));
        // What comes before CONNECT is the protocol's affair.
        let now = self.now;
        self.nodes[place].iter_mut().for_each(|node| node.drive(None, now));
        self.read(n);
    }

    /// Reads one message; `false` if there is none.
    pub(super) fn read(&mut self, n: usize) -> bool {
        let Some((place, id)) = self.clients[n].link else { return false };
        let session = self.nodes[place].as_mut().and_then(|node| node.session(id));
        let Some(session) = session else {
            self.lose(n);
            return false;
        };
        let Some(text) = session.to_client.pop_front() else {
            if session.is_closed {
                self.lose(n);
            }
            return false;
        };
        let word = self.hears(n, &text);
        self.say(|_| format!("client {n} reads {word:?}"));
        match word {
            Word::Say(answer) => session_says(self.nodes[place].as_mut(), id, answer),
            word => self.judge(n, &word, &text),
        }
        true
    }

    pub(super) fn hears(&mut self, n: usize, text: &str) -> Word {
        let written = self.shared.written.lock().unwrap_or_else(PoisonError::into_inner);
        let known = written.get(&n).filter(|_| Mutant::CursorOnServer.is_on());
        self.clients[n].read(text, known)
    }

    pub(super) fn judge(&mut self, n: usize, word: &Word, text: &str) {
        let (now, limit) = (self.shared.clock.now(), self.shared.figures.recovery_limit as usize);
        let mut lives = self.chronicle.lock();
        let client = &mut self.clients[n];
        match *word {
            Word::Notification(offset, id) => client.page.hears(&mut lives, offset, id, now),
            Word::State(recovered, offset) => {
                let why = client.page.is_told(&mut lives, (recovered, offset), (client.claim, limit), now);
                client.seen(why).into_iter().for_each(|seen| self.coverage.saw(seen));
                let node = client.link.and_then(|(place, _)| self.nodes[place].as_ref());
                let replays = node.map(|node| node.store.replays.load(Ordering::Relaxed));
                if recovered && client.heard_now > 0 && replays == Some(client.replays) {
                    self.coverage.saw(Seen::CaughtUpFromRing);
                }
            }
            Word::Bad => lives.blame(format!("client {n} stops for good, or cannot read {text:?}")),
            Word::Nothing | Word::Connected | Word::Say(_) => {}
        }
    }

    /// A client loses its link, and knows it.
    fn lose(&mut self, n: usize) {
        self.clients[n].link = None;
        self.say(|_| format!("client {n} lost its link"));
    }

    /// A client's link breaks. Its server learns of it at once, or much later.
    pub(super) fn cut(&mut self, n: usize) {
        let Some((place, id)) = self.clients[n].link.take() else { return };
        let is_half_open = self.shared.dice.chance(50);
        self.coverage.saw(if is_half_open { Seen::LinkHalfOpen } else { Seen::LinkCut });
        let now = self.now;
        let session = self.nodes[place].as_mut().and_then(|node| node.session(id));
        if let Some(session) = session.filter(|_| !is_half_open) {
            session.fail(now);
        }
        self.say(|_| format!("client {n} is cut off, half open: {is_half_open}"));
    }

    /// A node finds that a client has been gone for a while.
    pub(super) fn notice(&mut self) {
        let (now, Some(place)) = (self.now, self.any_node()) else { return };
        let Some(node) = &mut self.nodes[place] else { return };
        let clients = &self.clients;
        let is_gone = |session: &&mut Session| clients[session.client].link != Some((place, session.id));
        let Some(session) = node.sessions.iter_mut().find(is_gone) else { return };
        session.fail(now);
        let n = session.client;
        node.sessions.retain(|session| !session.is_finished);
        self.say(|_| format!("node {place} finds that a link of client {n} is gone"));
    }

    /// The page is loaded again, with the offset that it noted or without.
    pub(super) fn reload(&mut self, n: usize) {
        self.cut(n);
        let client = &mut self.clients[n];
        let noted = client.offset.clone().or(client.since.clone()).filter(|_| self.shared.dice.chance(70));
        let mut page = Page::new(client.page.user_id.clone());
        page.at = noted.as_ref().and_then(|noted| noted.parse().ok());
        *client = Client::new(client.role, page);
        client.since = noted;
        self.say(|world| format!("client {n} loads its page again, since {:?}", world.clients[n].since));
    }

    /// A user is given another role: the next tokens of their pages say so.
    pub(super) fn change_role(&mut self) {
        let user = self.shared.dice.pick(&USERS).unwrap_or_default();
        for client in self.clients.iter_mut().filter(|client| client.page.user_id.as_str() == user) {
            client.role = if client.role == Role::Doctor { Role::Patient } else { Role::Doctor };
        }
        self.coverage.saw(Seen::RoleChanged);
        self.say(|_| format!("{user} has another role"));
    }

    /// A client that is away comes by something that is not its own.
    pub(super) fn forge(&mut self, n: usize) {
        let other = self.shared.dice.below(self.clients.len());
        let own = &self.clients[n].page.user_id;
        let is_strangers =
            |pid: &String| self.shared.pids.open(pid).is_some_and(|pid| pid.who.user_id != *own);
        let stolen = self.clients[other].pid.clone().filter(is_strangers);
        let client = &mut self.clients[n];
        client.pid = Some(stolen.unwrap_or_else(|| "forged".into()));
        self.say(|world| format!("client {n} has {:?} for a pid", world.clients[n].pid));
    }
}

fn session_says(node: Option<&mut Box<Node>>, id: u64, text: ByteString) {
    if let Some(session) = node.and_then(|node| node.session(id)) {
        session.from_client.push_back(text);
    }
}
