//! The main namespace of one connection: admission, arrival, events.
//!
//! ```text
//!   CONNECT ─▶ Admission ─▶ arrival (`recovery`) ─▶ hub joined (`reading`) ─▶ CONNECT answered
//!           ─▶ what was missed ─▶ inbox:state ─▶ rows as they come
//! ```

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytestring::ByteString;
use carillon_domain::ports::PortError;
use carillon_domain::{Entitled, Pid, Principal, Refusal};
use carillon_protocol::socket::{AckId, Args, Event};
use carillon_protocol::{Connection, Reason, SendError};
use metrics::counter;
use serde_json::value::to_raw_value;

use crate::application::Peer;
use crate::asking::{Asked, Asker, Asking, Done};
use crate::attendance::Visit;
use crate::counted::{self, Counted};
use crate::drive::{POLICY, RESTARTING};
use crate::events::{Answer, Fresh};
use crate::frames::{self, NAMESPACE};
use crate::gateway::Gateway;
use crate::hub::Barred;
use crate::limiter::Limiter;
use crate::mailbox::Over;
use crate::reading::{self, End, Reading};
use crate::recovery::{Arrival, Auth, Session};
use crate::term::{Due, Term};

/// The WebSocket close code that says "come back later" (RFC 6455 registry: Try Again Later).
const TRY_AGAIN: u16 = 1013;
/// The WebSocket close code that says "your token has ended" (RFC 6455 §7.4.2: private use). The official client comes
/// back by itself after any code, and asks its page for a token then; a server disconnect would end it for good.
const TOKEN_ENDED: u16 = 4001;
/// Frames moved from the mailbox to the link before the driver looks at anything else.
const TURN: usize = 64;

/// The state of the main namespace: the gateway's peer.
pub struct Socket {
    gateway: Arc<Gateway>,
    header_token: Option<String>,
    /// Once it was let in.
    joined: Option<Joined>,
    asking: Asking,
    limiter: Limiter,
    /// Whether there was a CONNECT.
    has_asked: bool,
    /// Events refused since one was last taken.
    strikes: u32,
}

/// What one who was let in has.
struct Joined {
    reading: Reading,
    term: Term,
    visit: Visit,
    counted: Counted,
}

/// Something this socket waited for: an answer, or a step of its reading.
pub struct Step(Waited);

enum Waited {
    Done(Box<Done>),
    Read(reading::Step),
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
                if let Some(mut joined) = self.joined.take() {
                    joined.visit.end_by(reason.as_str());
                }
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if let Poll::Ready(done) = self.asking.poll_done(cx) {
            return Poll::Ready(Step(Waited::Done(done)));
        }
        let Some(Joined { reading, .. }) = &mut self.joined else { return Poll::Pending };
        reading.poll_next(cx).map(|step| Step(Waited::Read(step)))
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) {
        self.asking.poll_work(cx);
        if let Some(Joined { reading, .. }) = &mut self.joined {
            reading.poll_work(cx);
        }
    }

    fn deadline(&mut self, now: Duration) -> Option<Duration> {
        let Joined { reading, term, .. } = self.joined.as_mut()?;
        Some(term.look_at(self.gateway.wall_clock.as_ref(), reading.is_announced(), now))
    }

    fn on_time(&mut self, machine: &mut Connection, now: Duration) {
        let Some(Joined { reading, term, .. }) = &mut self.joined else { return };
        // Before `inbox:state` no notice is given.
        match term.due(self.gateway.wall_clock.now(), reading.is_announced()) {
            Some(Due::Notice(expires_at)) => reading.post(&frames::expiring(expires_at)),
            Some(Due::End) => machine.close(Reason::ForcedClose, Some(TOKEN_ENDED), now),
            None => {}
        }
    }

    fn take(&mut self, step: Step, machine: &mut Connection, now: Duration) {
        match step.0 {
            Waited::Done(done) => {
                match *done {
                    Done::Entered(principal, entered) => self.join(&principal, entered, machine, now),
                    Done::Answered(ack, answer) => reply(machine, ack, &answer),
                    Done::Refreshed(ack, fresh) => {
                        let answer = fresh.map_or_else(|refused| refused, |fresh| self.refresh(fresh));
                        reply(machine, ack, &answer);
                    }
                }
                self.begin();
            }
            Waited::Read(step) => {
                if let Some(Err(end)) = self.joined.as_mut().map(|joined| joined.reading.heed(step)) {
                    close(machine, &end, now);
                }
            }
        }
    }

    /// Moves what waits to the link as far as it takes it, and sees to it that what is missing is read.
    fn pump(&mut self, machine: &mut Connection) {
        let Some(Joined { reading, counted, .. }) = &mut self.joined else { return };
        if machine.is_websocket() {
            counted.upgraded();
        }
        for _ in 0..TURN {
            if !machine.writable() {
                // What is emitted while the link is full would else keep it from the log for as long.
                if reading.mailbox().is_hungry() {
                    reading.go_on();
                }
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
        self.asking.has_room()
    }
}

impl Socket {
    fn admit(&mut self, auth: Option<&ByteString>, machine: &mut Connection) {
        let auth = match Auth::read(auth) {
            Ok(auth) => auth,
            Err(refusal) => return self.turn_away(refusal, machine),
        };
        let token = auth.token(self.header_token.as_deref());
        match token.and_then(|token| self.gateway.admission.admit(token)) {
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
            let reading = &joined.as_ref()?.reading;
            Some(Asker { who: Arc::clone(reading.who()), socket_id: reading.socket_id().to_owned() })
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
        let arrival = match arrival {
            Ok(arrival) => arrival,
            Err(fault) => return unavailable(machine, &fault, now),
        };
        let session = arrival.session.as_ref();
        let socket_id = session.map_or_else(crate::ids::random, |session| session.socket_id.clone());
        let reading = match Reading::begin(&self.gateway, &arrival, &socket_id, true) {
            Ok(reading) => reading,
            Err(Barred::TooMany) => return refuse(machine, "Too many connections", "too_many_connections"),
            Err(Barred::Blocked) => return self.turn_away(Refusal::UserBlocked, machine),
            Err(Barred::Replaced) => return machine.close(Reason::ForcedClose, Some(RESTARTING), now),
        };
        let Arrival { who, session, held, .. } = arrival;
        tracing::debug!(user = %who.user_id, role = principal.role().as_str(), resumed = session.is_some(), "socket connected");
        let pid = match session {
            Some(Session { pid, .. }) => pid,
            None => {
                let (socket_id, start) = (socket_id.clone(), reading.start());
                let issued_at = self.gateway.wall_clock.now();
                let who = Entitled::clone(&who);
                self.gateway.pids.seal(&Pid { socket_id, who, start, held, issued_at })
            }
        };
        let term = Term::new(principal.expires_at(), self.gateway.admission.ends_at(principal));
        let visit = self.gateway.attendance.enter(principal, reading.mailbox());
        let transport = if machine.is_websocket() { counted::WEBSOCKET } else { counted::POLLING };
        let counted = Counted::new(transport, principal.role());
        self.joined = Some(Joined { reading, term, visit, counted });
        if machine.accept(NAMESPACE, &socket_id, Some(&pid)) {
            counter!("carillon_connects_total", "outcome" => "accepted").increment(1);
        } else {
            self.joined = None;
        }
    }

    /// A fresh token counts from now on, its rooms included. The pid is the old one: when its client comes back, its
    /// rooms are not the token's, and it begins a new session and reloads.
    fn refresh(&mut self, Fresh { principal, who }: Fresh) -> Answer {
        let expires_at = principal.expires_at();
        let reload = who.is_some();
        if let Some(joined) = &mut self.joined {
            let (ends_at, now) = (self.gateway.admission.ends_at(&principal), self.gateway.wall_clock.now());
            joined.visit.renew(&principal);
            joined.counted.renew(principal.role());
            joined.term = Term::renewed(expires_at, ends_at, now);
            if let Some(who) = who {
                tracing::debug!(user = %who.user_id, role = principal.role().as_str(), "rooms changed");
                joined.reading.change_rooms(who);
            }
        }
        Answer::refreshed(expires_at, reload)
    }

    fn emitted(
        &mut self,
        name: ByteString,
        args: Args,
        ack: Option<AckId>,
        machine: &mut Connection,
        now: Duration,
    ) {
        let Some(Joined { reading, .. }) = &self.joined else { return };
        // Blocked, it is on its way out.
        if reading.is_ending() {
            return;
        }
        let of_user = || self.gateway.user_limiter.check(&reading.who().user_id);
        if let Err(wait) = self.limiter.check().and_then(|()| of_user()) {
            self.strikes += 1;
            counted::rate_limited("event");
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
        End::Trimmed | End::Over(Over::Replaced | Over::Erased | Over::Superseded) => {
            machine.close(Reason::ForcedClose, Some(RESTARTING), now);
        }
        // Told to come back, one who is blocked would be refused, and one who was sent away would be here again.
        End::Over(Over::Blocked | Over::Dismissed) => machine.disconnect_all(now),
        End::Unavailable(fault) => unavailable(machine, fault, now),
    }
}

/// Trouble of ours that will pass: a close that the client comes back from by itself, never a `44` or `41`, after
/// which it would not.
fn unavailable(machine: &mut Connection, fault: &PortError, now: Duration) {
    tracing::warn!(error = %fault, "a connection was closed because the store failed");
    machine.close(Reason::ForcedClose, Some(TRY_AGAIN), now);
}
