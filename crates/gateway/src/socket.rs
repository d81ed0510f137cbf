//! The main namespace of one connection: admission, arrival, events.
//!
//! ```text
//!   CONNECT ─▶ Admission ─▶ arrival (`recovery`) ─▶ hub joined ─▶ CONNECT answered
//!                                                    │ came back             │ is new
//!            recent rows or store pages ◀─ replay ◀──┘                       │
//!                              └───── unread as of the place reached ◀───────┘
//!                                                    │
//!            recent rows or store pages ◀─ behind ◀─ inbox:state sent
//!                              └──────────▶ live ─▶ rows as they come
//! ```

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use carillon_domain::ports::PortError;
use carillon_domain::{Entitled, Epoch, Offset, Page, Pid, Position, Principal, Refusal};
use carillon_protocol::socket::{AckId, Args, Event};
use carillon_protocol::{Connection, Reason, SendError};
use futures_util::future::BoxFuture;
use metrics::counter;
use serde_json::value::to_raw_value;

use crate::application::Peer;
use crate::asking::{Asked, Asker, Asking, Done};
use crate::drive::{POLICY, RESTARTING};
use crate::events::{Answer, Fresh};
use crate::frames::{self, NAMESPACE};
use crate::gateway::{Gateway, GatewaySettings};
use crate::hub::{Barred, CaughtUp, Joining, MemberId, Place};
use crate::limiter::Limiter;
use crate::mailbox::{Mailbox, Over, Stage};
use crate::recovery::{Arrival, Auth, Session};
use crate::term::{Due, Term};

/// The WebSocket close code that says "come back later" (RFC 6455 registry: Try Again Later).
const TRY_AGAIN: u16 = 1013;
/// The WebSocket close code that says "your token has ended" (RFC 6455 §7.4.2: private use). The official client comes
/// back by itself after any code, and asks its page for a token then; a server disconnect would end it for good.
const TOKEN_ENDED: u16 = 4001;
/// Rows in one read of what was missed. It bounds what a mailbox takes beyond its own bound.
const PAGE: u32 = 64;
/// Frames moved from the mailbox to the link before the driver looks at anything else.
const TURN: usize = 64;

/// The state of the main namespace: the gateway's peer.
pub struct Socket {
    gateway: Arc<Gateway>,
    header_token: Option<String>,
    joined: Option<Joined>,
    /// What was asked of the store, in order.
    asking: Asking,
    limiter: Limiter,
    /// Whether there was a CONNECT.
    has_asked: bool,
    /// Events refused since one was last taken.
    strikes: u32,
}

struct Joined {
    who: Arc<Entitled>,
    id: MemberId,
    mailbox: Arc<Mailbox>,
    /// The log's life that it hears of.
    epoch: Epoch,
    /// What `inbox:state` will say: whether the client has everything and need not reload.
    is_whole: bool,
    term: Term,
    /// Reading towards the cursor; apart from `work`, so that a slow event holds no notification up.
    arrival: Option<BoxFuture<'static, Arrived>>,
}

/// Something this socket waited for: an answer, a step towards live, or mail.
pub struct Step(Waited);

enum Waited {
    Done(Done),
    Arrived(Arrived),
    Mail,
    Time,
}

/// A step of the way to live.
enum Arrived {
    Counted(Result<u32, PortError>, Offset),
    Read(Result<Page, PortError>, Position),
}

impl Socket {
    pub(crate) fn new(gateway: Arc<Gateway>, header_token: Option<String>) -> Self {
        let limiter = Limiter::new(gateway.settings.event_rate, gateway.settings.event_burst);
        Self {
            gateway,
            header_token,
            joined: None,
            asking: Asking::default(),
            limiter,
            has_asked: false,
            strikes: 0,
        }
    }
}

impl Peer for Socket {
    type Machine = Connection;
    type Step = Step;

    fn hear(&mut self, event: Event, machine: &mut Connection, now: Duration) {
        match event {
            // Each one costs an answer, or even a signature's check; beyond the first they count as events.
            Event::Connect { .. }
                if std::mem::replace(&mut self.has_asked, true) && self.limiter.check().is_err() =>
            {
                machine.close(Reason::ForcedServerClose, Some(POLICY), now);
            }
            Event::Connect { nsp, .. } if nsp != NAMESPACE => {
                machine.refuse(&nsp, "Invalid namespace", None);
            }
            Event::Connect { auth, .. } => self.admit(auth.as_ref(), machine),
            Event::Emitted { name, args, ack, .. } => self.emitted(name, args, ack, machine, now),
            Event::Acked { .. } => {}
            Event::Disconnected { reason, .. } => {
                tracing::debug!(%reason, "socket disconnected");
                self.leave();
            }
        }
    }

    async fn next(&mut self) -> Step {
        let Self { gateway, joined, asking, .. } = self;
        let Some(Joined { arrival, mailbox, term, .. }) = joined else {
            return Step(Waited::Done(asking.done().await));
        };
        tokio::select! {
            done = asking.done() => Step(Waited::Done(done)),
            arrived = async { match arrival { Some(arrival) => arrival.await, None => pending().await } } => Step(Waited::Arrived(arrived)),
            () = mailbox.woken() => Step(Waited::Mail),
            () = term.passed(gateway.wall_clock.as_ref(), mailbox.is_announced()) => Step(Waited::Time),
        }
    }

    fn take(&mut self, step: Step, machine: &mut Connection, now: Duration) {
        match step.0 {
            Waited::Mail => self.end_if_over(machine, now),
            Waited::Time => self.keep_time(machine, now),
            Waited::Done(done) => {
                match done {
                    Done::Refreshed(ack, fresh) => {
                        let answer = fresh.map_or_else(|refused| refused, |fresh| self.refresh(fresh));
                        reply(machine, ack, &answer);
                    }
                    Done::Entered(principal, entered) => self.join(&principal, entered, machine, now),
                    Done::Answered(ack, answer) => reply(machine, ack, &answer),
                }
                self.begin();
            }
            Waited::Arrived(arrived) => self.arrive(arrived, machine, now),
        }
    }

    /// Moves what waits to the link as far as it takes it, and sees to it that what is missing is read.
    fn pump(&mut self, machine: &mut Connection) {
        let Some(joined) = &mut self.joined else { return };
        for _ in 0..TURN {
            if !machine.writable() {
                return;
            }
            let Some(frame) = joined.mailbox.take() else { break };
            if let Err(SendError::Full) = machine.send(&frame) {
                return joined.mailbox.put_back(frame);
            }
        }
        if joined.arrival.is_some() {
            return;
        }
        match joined.mailbox.drained() {
            Some((Stage::Announce, sent)) => joined.arrival = Some(count(&self.gateway, joined, sent)),
            Some((Stage::Replay | Stage::Behind, _)) => {
                let now = self.gateway.wall_clock.now();
                match self.gateway.hub.catch_up(&joined.who, &joined.mailbox, now) {
                    CaughtUp::Read(after, up_to) => {
                        joined.arrival = Some(read(&self.gateway, &joined.who, after, up_to));
                    }
                    // What was missed may have been queued this instant.
                    CaughtUp::Done | CaughtUp::Full => joined.mailbox.rouse(),
                }
            }
            Some((Stage::Live | Stage::Over(_), _)) => {}
            // More than one turn's worth is left.
            None => joined.mailbox.rouse(),
        }
    }

    fn has_room(&self) -> bool {
        self.asking.has_room()
    }
}

impl Socket {
    fn admit(&mut self, auth: Option<&ByteString>, machine: &mut Connection) {
        let auth = match Auth::read(auth) {
            Ok(auth) => auth,
            Err(refusal) => return self.turn_away(refusal, machine),
        };
        let admitted =
            auth.token(self.header_token.as_deref()).and_then(|token| self.gateway.admission.admit(token));
        match admitted {
            Err(refusal) => self.turn_away(refusal, machine),
            Ok(principal) => self.ask(Asked::Entry(principal, auth)),
        }
    }

    fn ask(&mut self, asked: Asked) {
        self.asking.push(asked);
        self.begin();
    }

    fn begin(&mut self) {
        let Self { gateway, joined, asking, .. } = self;
        asking.begin(gateway, || {
            let Joined { who, mailbox, .. } = joined.as_ref()?;
            Some(Asker { who: Arc::clone(who), socket_id: mailbox.socket_id().to_owned() })
        });
    }

    fn turn_away(&self, refusal: Refusal, machine: &mut Connection) {
        tracing::debug!(?refusal, "connection refused");
        refuse(machine, &refusal.to_string(), refusal.code());
    }

    fn join(
        &mut self,
        principal: &Principal,
        arrival: Result<Arrival, PortError>,
        machine: &mut Connection,
        now: Duration,
    ) {
        let Arrival { who, session, from, is_replay, is_whole, held } = match arrival {
            Ok(arrival) => arrival,
            Err(fault) => return unavailable(machine, &fault, now),
        };
        let GatewaySettings { mailbox_bytes, max_connections_per_user, .. } = self.gateway.settings;
        let socket_id = session.as_ref().map_or_else(crate::ids::random, |session| session.socket_id.clone());
        let (bound, most) = (mailbox_bytes, max_connections_per_user);
        let joining = Joining { who: &who, socket_id: socket_id.clone(), from, is_replay, bound, most };
        let Place { id, mailbox, start } = match self.gateway.hub.join(joining) {
            Ok(place) => place,
            Err(Barred::TooMany) => return refuse(machine, "Too many connections", "too_many_connections"),
            Err(Barred::Blocked) => return self.turn_away(Refusal::UserBlocked, machine),
            Err(Barred::Replaced) => return machine.close(Reason::ForcedClose, Some(RESTARTING), now),
        };
        tracing::debug!(user = %who.user_id, role = principal.role().as_str(), resumed = session.is_some(), "socket connected");
        let pid = match session {
            Some(Session { pid, .. }) => pid,
            None => {
                let issued_at = self.gateway.wall_clock.now();
                self.gateway.pids.seal(&Pid {
                    socket_id: socket_id.clone(),
                    who: who.clone(),
                    start,
                    held,
                    issued_at,
                })
            }
        };
        let term = Term::new(principal.expires_at(), self.gateway.admission.ends_at(principal));
        let (who, epoch) = (Arc::new(who), start.epoch);
        self.joined = Some(Joined { who, id, mailbox, epoch, is_whole, term, arrival: None });
        if machine.accept(NAMESPACE, &socket_id, Some(&pid)) {
            counter!("carillon_connects_total", "outcome" => "accepted").increment(1);
        } else {
            self.leave();
        }
    }

    /// A fresh token counts from now on, its rooms included. The pid is the old one: when its client comes back, its
    /// rooms are not the token's, and it begins a new session and reloads.
    fn refresh(&mut self, Fresh { principal, who }: Fresh) -> Answer {
        let expires_at = principal.expires_at();
        let reload = who.is_some();
        if let Some(joined) = &mut self.joined {
            let (ends_at, now) = (self.gateway.admission.ends_at(&principal), self.gateway.wall_clock.now());
            joined.term = Term::renewed(expires_at, ends_at, now);
            if let Some(who) = who {
                tracing::debug!(user = %who.user_id, role = principal.role().as_str(), "rooms changed");
                self.gateway.hub.change_rooms(joined.id, &joined.who, &who, &joined.mailbox);
                joined.who = Arc::new(who);
                // What is being read is of the old rooms; `pump` begins anew.
                joined.arrival = None;
            }
        }
        Answer::refreshed(expires_at, reload)
    }

    fn keep_time(&mut self, machine: &mut Connection, now: Duration) {
        let Some(joined) = &mut self.joined else { return };
        match joined.term.due(self.gateway.wall_clock.now()) {
            Some(Due::Notice(expires_at)) => joined.mailbox.post(&frames::expiring(expires_at)),
            Some(Due::End) => machine.close(Reason::ForcedClose, Some(TOKEN_ENDED), now),
            None => {}
        }
    }

    /// The hub has ended this connection.
    fn end_if_over(&self, machine: &mut Connection, now: Duration) {
        match self.joined.as_ref().and_then(|joined| joined.mailbox.over()) {
            None => {}
            Some(Over::Replaced) => machine.close(Reason::ForcedClose, Some(RESTARTING), now),
            // Told to come back, two would take a session from each other for ever, and one who is blocked is refused.
            Some(Over::Superseded | Over::Blocked) => machine.disconnect_all(now),
        }
    }

    fn arrive(&mut self, arrived: Arrived, machine: &mut Connection, now: Duration) {
        let Some(joined) = &mut self.joined else { return };
        joined.arrival = None;
        match arrived {
            Arrived::Counted(Ok(unread), offset) => {
                if joined.mailbox.announced(offset.position) {
                    let now = self.gateway.wall_clock.now();
                    let state = frames::inbox_state(unread, now, joined.is_whole, offset);
                    joined.mailbox.refill([state], offset.position);
                }
            }
            Arrived::Read(Ok(page), after)
                if page.head.trimmed > after || page.head.epoch != joined.epoch =>
            {
                // Some of it may be gone. Its client comes back with the last offset that it heard, and is told then.
                machine.close(Reason::ForcedClose, Some(RESTARTING), now);
            }
            Arrived::Read(Ok(page), _) => {
                let epoch = page.head.epoch;
                let rows = page.rows.iter().map(|row| frames::notification(epoch, row));
                joined.mailbox.refill(rows, page.through);
            }
            Arrived::Counted(Err(fault), _) | Arrived::Read(Err(fault), _) => {
                unavailable(machine, &fault, now);
            }
        }
    }

    fn emitted(
        &mut self,
        name: ByteString,
        args: Args,
        ack: Option<AckId>,
        machine: &mut Connection,
        now: Duration,
    ) {
        // Blocked, it is on its way out.
        if self.joined.as_ref().is_none_or(|joined| joined.mailbox.is_ending()) {
            return;
        }
        if let Err(wait) = self.limiter.check() {
            self.strikes += 1;
            reply(machine, ack, &Answer::rate_limited(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
            // A burst over the limit is a mistake; a whole burst more of refusals is a flood.
            if self.strikes > self.gateway.settings.event_burst.get() {
                machine.close(Reason::ForcedServerClose, Some(POLICY), now);
            }
            return;
        }
        self.strikes = 0;
        self.ask(Asked::Event { name, args, ack });
    }

    fn leave(&mut self) {
        if let Some(joined) = self.joined.take() {
            self.gateway.hub.leave(&joined.who, joined.id);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.leave();
    }
}

fn count(gateway: &Arc<Gateway>, joined: &Joined, sent: Position) -> BoxFuture<'static, Arrived> {
    let (gateway, who) = (Arc::clone(gateway), Arc::clone(&joined.who));
    let offset = Offset { epoch: joined.epoch, position: sent };
    Box::pin(async move {
        let _turn = gateway.store_turn().await;
        Arrived::Counted(gateway.reader.unread(&who, sent).await, offset)
    })
}

fn read(
    gateway: &Arc<Gateway>,
    who: &Arc<Entitled>,
    after: Position,
    up_to: Position,
) -> BoxFuture<'static, Arrived> {
    let (gateway, who) = (Arc::clone(gateway), Arc::clone(who));
    Box::pin(async move {
        let now = gateway.wall_clock.now();
        let _turn = gateway.store_turn().await;
        Arrived::Read(gateway.log.replay(&who.rooms, after, up_to, PAGE, now).await, after)
    })
}

fn reply(machine: &mut Connection, ack: Option<AckId>, answer: &Answer) {
    if let Some(id) = ack
        && let Err(fault) = machine.ack(NAMESPACE, id, &(answer,), &[])
    {
        tracing::debug!(error = %fault, "an acknowledgement was not sent");
    }
}

fn refuse(machine: &mut Connection, message: &str, code: &'static str) {
    counter!("carillon_connects_total", "outcome" => code).increment(1);
    let data = to_raw_value(&serde_json::json!({"code": code})).ok();
    machine.refuse(NAMESPACE, message, data.as_deref());
}

/// Trouble of ours that will pass: a close that the client comes back from by itself, never a `44` or `41`, after
/// which it would not.
fn unavailable(machine: &mut Connection, fault: &PortError, now: Duration) {
    tracing::warn!(error = %fault, "a connection was closed because the store failed");
    machine.close(Reason::ForcedClose, Some(TRY_AGAIN), now);
}
