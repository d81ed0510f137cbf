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

use std::collections::VecDeque;
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
use serde_json::Value;
use serde_json::value::to_raw_value;

use crate::application::Peer;
use crate::drive::{POLICY, RESTARTING};
use crate::events::{self, Answer};
use crate::frames::{self, NAMESPACE};
use crate::gateway::{Gateway, GatewaySettings};
use crate::hub::{Barred, CaughtUp, Joining, MemberId, Place};
use crate::limiter::Limiter;
use crate::mailbox::{Mailbox, Over, Stage};
use crate::recovery::{self, Arrival, Auth, Session};

/// The WebSocket close code that says "come back later" (RFC 6455 registry: Try Again Later).
const TRY_AGAIN: u16 = 1013;
/// Events of one client that may be under way; while there are more, its link is not read.
const WORK: usize = 16;
/// Rows in one read of what was missed. It bounds what a mailbox takes beyond its own bound.
const PAGE: u32 = 64;
/// Frames moved from the mailbox to the link before the driver looks at anything else.
const TURN: usize = 64;

/// The state of the main namespace: the gateway's peer.
pub struct Socket {
    gateway: Arc<Gateway>,
    header_token: Option<String>,
    joined: Option<Joined>,
    /// What was asked of the store, in order; the first is under way.
    work: VecDeque<BoxFuture<'static, Done>>,
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
    /// Reading towards the cursor; apart from `work`, so that a slow event holds no notification up.
    arrival: Option<BoxFuture<'static, Arrived>>,
}

/// Something this socket waited for: an answer, a step towards live, or mail.
pub struct Step(Waited);

enum Waited {
    Done(Done),
    Arrived(Arrived),
    Mail,
}

/// An answer from the domain.
enum Done {
    Entered(Principal, Result<Arrival, PortError>),
    Answered(Option<AckId>, Answer),
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
            work: VecDeque::new(),
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
            Event::Emitted { name, args, ack, .. } => self.emitted(&name, args, ack, machine, now),
            Event::Acked { .. } => {}
            Event::Disconnected { reason, .. } => {
                tracing::debug!(%reason, "socket disconnected");
                self.leave();
            }
        }
    }

    async fn next(&mut self) -> Step {
        let Self { joined, work, .. } = self;
        let (arrival, mailbox) = match joined {
            Some(joined) => (joined.arrival.as_mut(), Some(&joined.mailbox)),
            None => (None, None),
        };
        // In this order, so that the same happenings always lead to the same: the simulation rests on it.
        tokio::select! {
            biased;
            done = async { match work.front_mut() { Some(work) => work.await, None => pending().await } } => Step(Waited::Done(done)),
            arrived = async { match arrival { Some(arrival) => arrival.await, None => pending().await } } => Step(Waited::Arrived(arrived)),
            () = async { match mailbox { Some(mailbox) => mailbox.woken().await, None => pending().await } } => Step(Waited::Mail),
        }
    }

    fn take(&mut self, step: Step, machine: &mut Connection, now: Duration) {
        match step.0 {
            Waited::Mail => self.end_if_over(machine, now),
            Waited::Done(done) => {
                self.work.pop_front();
                match done {
                    Done::Entered(principal, entered) => self.join(&principal, entered, machine, now),
                    Done::Answered(ack, answer) => reply(machine, ack, &answer),
                }
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
        self.work.len() < WORK
    }
}

impl Socket {
    fn admit(&mut self, auth: Option<&ByteString>, machine: &mut Connection) {
        let auth = match read_auth(auth) {
            Ok(auth) => auth,
            Err(refusal) => return self.turn_away(refusal, machine),
        };
        let token = match &auth.token {
            None => self.header_token.as_deref(),
            Some(Value::String(token)) if token.is_empty() => self.header_token.as_deref(),
            Some(Value::String(token)) => Some(token.as_str()),
            Some(_) => {
                let reason = "the token is not a string";
                return self.turn_away(Refusal::TokenInvalid { reason }, machine);
            }
        };
        match self.gateway.admission.admit(token) {
            Err(refusal) => self.turn_away(refusal, machine),
            Ok(principal) => {
                let gateway = Arc::clone(&self.gateway);
                self.work.push_back(Box::pin(async move {
                    let arrival = recovery::arrive(&gateway, &principal, &auth).await;
                    Done::Entered(principal, arrival)
                }));
            }
        }
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
        let Arrival { who, session, epoch, from, is_whole, held } = match arrival {
            Ok(arrival) => arrival,
            Err(fault) => return unavailable(machine, &fault, now),
        };
        let GatewaySettings { mailbox_bytes, max_connections_per_user, .. } = self.gateway.settings;
        let socket_id = session.as_ref().map_or_else(crate::ids::random, |session| session.socket_id.clone());
        let (bound, most) = (mailbox_bytes, max_connections_per_user);
        let joining = Joining {
            who: &who,
            socket_id: socket_id.clone(),
            epoch,
            from,
            is_replay: is_whole,
            bound,
            most,
        };
        let Place { id, mailbox, start } = match self.gateway.hub.join(joining) {
            Ok(place) => place,
            Err(Barred::TooMany) => return refuse(machine, "Too many connections", "too_many_connections"),
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
        self.joined =
            Some(Joined { who: Arc::new(who), id, mailbox, epoch: start.epoch, is_whole, arrival: None });
        if machine.accept(NAMESPACE, &socket_id, Some(&pid)) {
            counter!("carillon_connects_total", "outcome" => "accepted").increment(1);
        } else {
            self.leave();
        }
    }

    /// The hub has ended this connection.
    fn end_if_over(&self, machine: &mut Connection, now: Duration) {
        // One that was superseded may come back too: what took its session can be an older connection of the same
        // client, long given up, whose CONNECT was slow. A `41` would then end the client for good.
        if let Some(Over::Replaced | Over::Superseded) =
            self.joined.as_ref().and_then(|joined| joined.mailbox.over())
        {
            machine.close(Reason::ForcedClose, Some(RESTARTING), now);
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
                if (page.head.trimmed > after && !mutated!(SilentTrim))
                    || page.head.epoch.is_other(joined.epoch) =>
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
        name: &ByteString,
        args: Args,
        ack: Option<AckId>,
        machine: &mut Connection,
        now: Duration,
    ) {
        let Some(joined) = &self.joined else { return };
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
        let (reader, who) = (self.gateway.reader.clone(), Arc::clone(&joined.who));
        let (socket_id, name) = (joined.mailbox.socket_id().to_owned(), name.to_string());
        self.work.push_back(Box::pin(async move {
            Done::Answered(ack, events::answer(reader, who, socket_id, name, args).await)
        }));
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

/// A CONNECT payload: none, or an object.
fn read_auth(auth: Option<&ByteString>) -> Result<Auth, Refusal> {
    let Some(auth) = auth else { return Ok(Auth::default()) };
    serde_json::from_str(auth).map_err(|_| Refusal::TokenInvalid { reason: "the payload is not an object" })
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
