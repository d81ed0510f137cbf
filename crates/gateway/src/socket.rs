//! The main namespace of one connection: admission, arrival, events.
//!
//! ```text
//!   CONNECT ─▶ Admission ─▶ arrival (`recovery`) ─▶ hub joined (`reading`) ─▶ CONNECT answered
//!           ─▶ what was missed ─▶ inbox:state ─▶ rows as they come
//! ```

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use carillon_domain::ports::PortError;
use carillon_domain::{Pid, Principal, Refusal};
use carillon_protocol::socket::{AckId, Args, Event};
use carillon_protocol::{Connection, Reason, SendError};
use futures_util::future::BoxFuture;
use metrics::counter;
use serde_json::Value;
use serde_json::value::to_raw_value;

use crate::application::Peer;
use crate::drive::{POLICY, RESTARTING};
use crate::events::{self, Answer};
use crate::frames::NAMESPACE;
use crate::gateway::Gateway;
use crate::hub::Barred;
use crate::limiter::Limiter;
use crate::mailbox::Over;
use crate::reading::{self, End, Reading};
use crate::recovery::{self, Arrival, Auth, Session};

/// The WebSocket close code that says "come back later" (RFC 6455 registry: Try Again Later).
const TRY_AGAIN: u16 = 1013;
/// Events of one client that may be under way; while there are more, its link is not read.
const WORK: usize = 16;
/// Frames moved from the mailbox to the link before the driver looks at anything else.
const TURN: usize = 64;

/// The state of the main namespace: the gateway's peer.
pub struct Socket {
    gateway: Arc<Gateway>,
    header_token: Option<String>,
    /// Once it was let in.
    reading: Option<Reading>,
    /// What was asked of the store, in order; the first is under way.
    work: VecDeque<BoxFuture<'static, Done>>,
    limiter: Limiter,
    /// Whether there was a CONNECT.
    has_asked: bool,
    /// Events refused since one was last taken.
    strikes: u32,
}

/// Something this socket waited for: an answer, or a step of its reading.
pub struct Step(Waited);

enum Waited {
    Done(Done),
    Read(reading::Step),
}

/// An answer from the domain.
enum Done {
    Entered(Principal, Result<Arrival, PortError>),
    Answered(Option<AckId>, Answer),
}

impl Socket {
    pub(crate) fn new(gateway: Arc<Gateway>, header_token: Option<String>) -> Self {
        let limiter = Limiter::new(gateway.settings.event_rate, gateway.settings.event_burst);
        Self {
            gateway,
            header_token,
            reading: None,
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
                self.reading = None;
            }
        }
    }

    async fn next(&mut self) -> Step {
        let Self { reading, work, .. } = self;
        // In this order, so that the same happenings always lead to the same: the simulation rests on it.
        tokio::select! {
            biased;
            done = async { match work.front_mut() { Some(work) => work.await, None => pending().await } } => Step(Waited::Done(done)),
            step = async { match reading { Some(reading) => reading.next().await, None => pending().await } } => Step(Waited::Read(step)),
        }
    }

    fn take(&mut self, step: Step, machine: &mut Connection, now: Duration) {
        match step.0 {
            Waited::Done(done) => {
                self.work.pop_front();
                match done {
                    Done::Entered(principal, entered) => self.join(&principal, entered, machine, now),
                    Done::Answered(ack, answer) => reply(machine, ack, &answer),
                }
            }
            Waited::Read(step) => {
                if let Some(Err(end)) = self.reading.as_mut().map(|reading| reading.heed(step)) {
                    close(machine, &end, now);
                }
            }
        }
    }

    /// Moves what waits to the link as far as it takes it, and sees to it that what is missing is read.
    fn pump(&mut self, machine: &mut Connection) {
        let Some(reading) = &mut self.reading else { return };
        for _ in 0..TURN {
            if !machine.writable() {
                return;
            }
            let Some(frame) = reading.take() else { break };
            if let Err(SendError::Full) = machine.send(&frame) {
                return reading.put_back(frame);
            }
        }
        reading.go_on();
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
        let arrival = match arrival {
            Ok(arrival) => arrival,
            Err(fault) => return unavailable(machine, &fault, now),
        };
        let session = arrival.session.as_ref();
        let socket_id = session.map_or_else(crate::ids::random, |session| session.socket_id.clone());
        let reading = match Reading::begin(&self.gateway, &arrival, &socket_id) {
            Ok(reading) => reading,
            Err(Barred::TooMany) => return refuse(machine, "Too many connections", "too_many_connections"),
            Err(Barred::Replaced) => return machine.close(Reason::ForcedClose, Some(RESTARTING), now),
        };
        let Arrival { who, session, held, .. } = arrival;
        tracing::debug!(user = %who.user_id, role = principal.role().as_str(), resumed = session.is_some(), "socket connected");
        let pid = match session {
            Some(Session { pid, .. }) => pid,
            None => {
                let (socket_id, start) = (socket_id.clone(), reading.start());
                let issued_at = self.gateway.wall_clock.now();
                self.gateway.pids.seal(&Pid { socket_id, who, start, held, issued_at })
            }
        };
        self.reading = Some(reading);
        if machine.accept(NAMESPACE, &socket_id, Some(&pid)) {
            counter!("carillon_connects_total", "outcome" => "accepted").increment(1);
        } else {
            self.reading = None;
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
        let Some(reading) = &self.reading else { return };
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
        let (reader, who) = (self.gateway.reader.clone(), Arc::clone(reading.who()));
        let (socket_id, name) = (reading.socket_id().to_owned(), name.to_string());
        self.work.push_back(Box::pin(async move {
            Done::Answered(ack, events::answer(reader, who, socket_id, name, args).await)
        }));
    }
}

/// A CONNECT payload: none, or an object.
fn read_auth(auth: Option<&ByteString>) -> Result<Auth, Refusal> {
    let Some(auth) = auth else { return Ok(Auth::default()) };
    serde_json::from_str(auth).map_err(|_| Refusal::TokenInvalid { reason: "the payload is not an object" })
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

/// Closes a connection that cannot go on reading the log.
fn close(machine: &mut Connection, end: &End, now: Duration) {
    match end {
        // One that was superseded may come back too: what took its session can be an older connection of the same
        // client, long given up, whose CONNECT was slow. A `41` would then end the client for good.
        End::Trimmed | End::Over(Over::Replaced | Over::Superseded) => {
            machine.close(Reason::ForcedClose, Some(RESTARTING), now);
        }
        End::Unavailable(fault) => unavailable(machine, fault, now),
    }
}

/// Trouble of ours that will pass: a close that the client comes back from by itself, never a `44` or `41`, after
/// which it would not.
fn unavailable(machine: &mut Connection, fault: &PortError, now: Duration) {
    tracing::warn!(error = %fault, "a connection was closed because the store failed");
    machine.close(Reason::ForcedClose, Some(TRY_AGAIN), now);
}
