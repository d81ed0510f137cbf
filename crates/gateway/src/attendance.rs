//! Who is connected to this node, and what others hear of who comes and goes.
//!
//! ```text
//!   a socket joins ─▶ Visit ─▶ roster ─▶ news, ten times a second ─▶ role:admin · those who watch a doctor
//!   it is dropped  ─▶           ▲                       └─▶ last seen, noted in batches
//!                     the other nodes' users
//! ```
//!
//! None of this is of the log: a word goes to whoever has room for it in their mailbox. Counts come again with the next
//! change; who must not miss a user's leaving asks for the list when they connect.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carillon_domain::ports::{Clock, Connected, Connections, Seen};
use carillon_domain::{
    Counts, DoctorState, News, Offline, Person, Principal, Reception, Role, Room, Timestamp, UserId,
};
use metrics::{counter, gauge};
use tokio::time::{Instant, MissedTickBehavior};

use crate::frames;
use crate::hub::Hub;
use crate::mailbox::Mailbox;

/// How often news are told.
const TELL: Duration = Duration::from_millis(100);
/// How often counts are told at most (contract §4).
const COUNT: Duration = Duration::from_secs(1);
/// Doctors that one socket may watch (contract §4).
pub(crate) const MOST_WATCHED: usize = 100;
/// Visits noted in one step.
const BATCH: usize = 500;
/// Visits that wait to be noted. Beyond, while the store is away, the oldest are lost: they were only of interest for
/// being the latest.
const UNNOTED: usize = 100_000;
/// What a visit ends by when nothing else is known: the connection is simply gone.
const GONE: &str = "transport close";

/// A socket among all, those of the same session included.
type Key = (Arc<str>, u64);

/// The sockets of this node.
pub(crate) struct Attendance {
    reception: Reception,
    clock: Arc<dyn Clock>,
    sockets: Mutex<Sockets>,
}

#[derive(Default)]
struct Sockets {
    here: BTreeMap<Key, Socket>,
    watchers: HashMap<UserId, BTreeMap<Key, Arc<Mailbox>>>,
}

struct Socket {
    user_id: UserId,
    role: Role,
    since: Timestamp,
    mailbox: Arc<Mailbox>,
    watched: BTreeSet<UserId>,
}

/// One socket's being here, until it is dropped.
pub(crate) struct Visit {
    attendance: Arc<Attendance>,
    key: Key,
    user_id: UserId,
    /// Why it ends.
    reason: &'static str,
}

/// More doctors than one socket may watch.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Attendance {
    pub(crate) fn new(reception: Reception, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { reception, clock, sockets: Mutex::default() })
    }

    pub(crate) fn reception(&self) -> &Reception {
        &self.reception
    }

    fn lock(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket has joined.
    pub(crate) fn enter(self: &Arc<Self>, principal: &Principal, mailbox: &Arc<Mailbox>) -> Visit {
        let (key, user_id) =
            ((Arc::clone(mailbox.socket_id()), mailbox.claim()), principal.user_id().clone());
        let socket = Socket {
            user_id: user_id.clone(),
            role: principal.role(),
            since: self.clock.now(),
            mailbox: Arc::clone(mailbox),
            watched: BTreeSet::new(),
        };
        self.lock().here.insert(key.clone(), socket);
        self.reception.presence().roster().joined(Person::from(principal));
        Visit { attendance: Arc::clone(self), key, user_id, reason: GONE }
    }

    /// A socket watches these doctors as well, or `not` any more.
    pub(crate) fn watch(&self, socket_id: &str, ids: &[UserId], not: bool) -> Result<(), TooMany> {
        let mut sockets = self.lock();
        let Sockets { here, watchers } = &mut *sockets;
        let socket_id = Arc::<str>::from(socket_id);
        let all = (Arc::clone(&socket_id), 0)..=(socket_id, u64::MAX);
        // The latest of its session; gone meanwhile, it need not be told anything.
        let Some((key, socket)) = here.range_mut(all).next_back() else { return Ok(()) };
        if not {
            for id in ids.iter().filter(|id| socket.watched.remove(*id)) {
                unwatch(watchers, id, key);
            }
            return Ok(());
        }
        let new: BTreeSet<_> = ids.iter().filter(|id| !socket.watched.contains(*id)).cloned().collect();
        if socket.watched.len() + new.len() > MOST_WATCHED {
            return Err(TooMany);
        }
        for id in new {
            watchers.entry(id.clone()).or_default().insert(key.clone(), Arc::clone(&socket.mailbox));
            socket.watched.insert(id);
        }
        Ok(())
    }

    /// Tells news for as long as the node lives.
    pub(crate) async fn run(self: Arc<Self>, hub: Arc<Hub>) {
        let started = Instant::now();
        let mut ticks = tokio::time::interval(TELL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut told, mut told_at) = (Counts::default(), None::<Instant>);
        let mut unnoted = Vec::new();
        loop {
            let now = ticks.tick().await;
            let news = self.reception.presence().roster().advance(started.elapsed());
            unnoted.extend(news.iter().filter_map(|news| self.tell(&hub, news)));
            let counts = self.reception.counts();
            if counts != told && told_at.is_none_or(|at| now.duration_since(at) >= COUNT) {
                (told, told_at) = (counts, Some(now));
                hub.post(&Room::role(Role::Admin), &frames::counts(&counts), None);
                gauge!("carillon_presence_users", "role" => "admin").set(counts.admin as f64);
                gauge!("carillon_presence_users", "role" => "doctor").set(counts.doctor as f64);
                gauge!("carillon_presence_users", "role" => "patient").set(counts.patient as f64);
            }
            self.note(&mut unnoted).await;
        }
    }

    /// At the end: whoever has left is gone, and that is noted.
    pub(crate) async fn close(&self) {
        let news = self.reception.presence().roster().advance(Duration::MAX);
        let mut unnoted: Vec<_> = news.iter().filter_map(|news| self.seen(news, self.clock.now())).collect();
        while !unnoted.is_empty() {
            let before = unnoted.len();
            self.note(&mut unnoted).await;
            if unnoted.len() == before {
                return;
            }
        }
    }

    /// Tells those whom it concerns, and gives what this node is to note.
    fn tell(&self, hub: &Hub, news: &News) -> Option<Seen> {
        let now = self.clock.now();
        let seen = self.seen(news, now);
        let (person, at, frame) = match news {
            News::Online(person) => (person, now, frames::user_online(person, now)),
            News::Offline(offline) => {
                let at = now.saturating_sub(offline.ago);
                (&offline.person, at, frames::user_offline(&offline.person, now, &offline.reason))
            }
        };
        hub.post(&Room::role(Role::Admin), &frame, None);
        for id in person.doctor_ids() {
            // Someone else may have the same profile.
            let online = self.reception.presence().roster().has_doctor(id);
            let last_seen = (!online).then_some(at);
            let state = frames::doctor(&DoctorState { doctor_id: id.clone(), online, last_seen });
            for mailbox in self.lock().watchers.get(id).into_iter().flat_map(BTreeMap::values) {
                mailbox.post(&state);
            }
        }
        seen
    }

    fn seen(&self, news: &News, now: Timestamp) -> Option<Seen> {
        let News::Offline(Offline { person, ago, is_ours: true, .. }) = news else { return None };
        Some(Seen {
            user_id: person.user_id.clone(),
            role: person.role,
            profile_id: person.profile_id.clone(),
            at: now.saturating_sub(*ago),
        })
    }

    /// Notes some of what waits to be noted.
    async fn note(&self, unnoted: &mut Vec<Seen>) {
        if unnoted.is_empty() {
            return;
        }
        let batch: BTreeMap<_, _> =
            unnoted.iter().take(BATCH).map(|seen| (&seen.user_id, seen.clone())).collect();
        let batch: Vec<Seen> = batch.into_values().collect();
        match self.reception.note(&batch).await {
            Ok(()) => drop(unnoted.drain(..BATCH.min(unnoted.len()))),
            Err(fault) => {
                tracing::debug!(error = %fault, "who was last here when is not noted yet");
                let excess = unnoted.len().saturating_sub(UNNOTED);
                counter!("carillon_last_seen_lost_total").increment(excess as u64);
                drop(unnoted.drain(..excess));
            }
        }
    }
}

impl Connections for Attendance {
    fn connected(&self, after: Option<&str>, limit: usize) -> Vec<Connected> {
        let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded((id.into(), u64::MAX)));
        let sockets = self.lock();
        let range = sockets.here.range((start, Bound::Unbounded));
        let connected = |((socket_id, _), socket): (&Key, &Socket)| Connected {
            socket_id: socket_id.as_ref().to_owned(),
            user_id: socket.user_id.clone(),
            role: socket.role,
            since: socket.since,
        };
        range.take(limit).map(connected).collect()
    }
}

impl Visit {
    /// Its user has a fresh token, which may tell something new of them.
    pub(crate) fn renew(&self, principal: &Principal) {
        if let Some(socket) = self.attendance.lock().here.get_mut(&self.key) {
            socket.role = principal.role();
        }
        let mut roster = self.attendance.reception.presence().roster();
        roster.joined(Person::from(principal));
        roster.left(&self.user_id, self.reason);
    }

    /// Why it is about to end.
    pub(crate) fn end_by(&mut self, reason: &'static str) {
        self.reason = reason;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut sockets = self.attendance.lock();
        if let Some(socket) = sockets.here.remove(&self.key) {
            for id in &socket.watched {
                unwatch(&mut sockets.watchers, id, &self.key);
            }
        }
        drop(sockets);
        self.attendance.reception.presence().roster().left(&self.user_id, self.reason);
    }
}

fn unwatch(watchers: &mut HashMap<UserId, BTreeMap<Key, Arc<Mailbox>>>, id: &UserId, key: &Key) {
    if let Some(mailboxes) = watchers.get_mut(id) {
        mailboxes.remove(key);
        if mailboxes.is_empty() {
            watchers.remove(id);
        }
    }
}

#[cfg(test)]
mod tests;
