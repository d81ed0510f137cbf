//! One connection's reading of the log: from where its client heard the last of it, to the rows as they come.
//!
//! ```text
//!            recent rows or store pages ◀─ replay ◀── came back             is new
//!                              └───── unread as of the place reached ◀───────┘
//!                                                    │
//!            recent rows or store pages ◀─ behind ◀─ inbox:state queued
//!                              └──────────▶ live ─▶ rows as they come
//! ```
//!
//! What is read waits in the mailbox; whoever drives the link takes it from there ([`Reading::take`]), calls
//! [`Reading::go_on`] once it has taken what the link holds, and [`Reading::poll_next`] to wait for more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use carillon_domain::ports::{PortError, Resumed, Signal};
use carillon_domain::{Entitled, Offset, Page, Position};
use carillon_protocol::Frame;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};

use crate::frames;
use crate::gateway::Gateway;
use crate::hub::{Barred, CaughtUp, Joining, MemberId, Place};
use crate::ids;
use crate::mailbox::{Mailbox, Over, Stage};
use crate::recovery::Arrival;

/// Rows in one read of what was missed. It bounds what a mailbox takes beyond its own bound.
const PAGE: u32 = 64;

/// A connection in the hub, until it is dropped.
pub(crate) struct Reading {
    gateway: Arc<Gateway>,
    who: Arc<Entitled>,
    id: MemberId,
    mailbox: Arc<Mailbox>,
    /// Where it began to hear.
    start: Offset,
    /// What `inbox:state` will say: whether the client has everything and need not reload.
    is_whole: bool,
    /// What was asked of the store; its answer apart, since most of the time there is none.
    step: Option<MaybeDone<BoxFuture<'static, Box<Step>>>>,
}

/// Something a reading waited for.
pub(crate) enum Step {
    /// How many are unread at the place reached.
    Counted(Result<u32, PortError>, Offset),
    /// What came after a place.
    Read(Result<Page, PortError>, Position),
    /// The mailbox has something.
    Mail,
}

/// Why a reading ends from here.
pub(crate) enum End {
    /// The hub has ended it.
    Over(Over),
    /// Some of what was missed may be gone. The client comes back with the last offset that it heard, and is told then.
    Trimmed,
    /// The store failed.
    Unavailable(PortError),
}

impl Reading {
    /// Joins the hub.
    pub(crate) fn begin(
        gateway: &Arc<Gateway>,
        arrival: &Arrival,
        socket_id: &str,
        hears_emits: bool,
    ) -> Result<Self, Barred> {
        let settings = &gateway.settings;
        let claim = ids::claim(gateway.wall_clock.now());
        let Place { id, mailbox, start } = gateway.hub.join(Joining {
            who: Arc::clone(&arrival.who),
            socket_id: socket_id.to_owned(),
            claim,
            epoch: arrival.epoch,
            from: arrival.from,
            is_replay: arrival.is_whole,
            hears_emits,
            bound: settings.mailbox_bytes,
            most: settings.max_connections_per_user,
        })?;
        let (gateway, who) = (Arc::clone(gateway), Arc::clone(&arrival.who));
        if arrival.session.is_some() {
            let (user_id, socket_id) = (who.user_id.clone(), socket_id.to_owned());
            gateway.fanout.publish(Signal::Resumed(Arc::new(Resumed { user_id, socket_id, claim })));
        }
        Ok(Self { gateway, who, id, mailbox, start, is_whole: arrival.is_whole, step: None })
    }

    pub(crate) fn who(&self) -> &Arc<Entitled> {
        &self.who
    }

    pub(crate) fn start(&self) -> Offset {
        self.start
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    pub(crate) fn socket_id(&self) -> &str {
        self.mailbox.socket_id()
    }

    /// Whether `inbox:state` was queued, which comes before all but what was missed.
    pub(crate) fn is_announced(&self) -> bool {
        self.mailbox.is_announced()
    }

    /// Whether it is to end, or has.
    pub(crate) fn is_ending(&self) -> bool {
        self.mailbox.is_ending()
    }

    /// Queues word that is not of the log.
    pub(crate) fn post(&self, frame: &Frame) {
        self.mailbox.post(frame);
    }

    /// Goes on in other rooms of the same user.
    pub(crate) fn change_rooms(&mut self, who: Entitled) {
        let who = Arc::new(who);
        self.gateway.hub.change_rooms(self.id, &self.who, &who, &self.mailbox);
        self.who = who;
        // What is being read is of the old rooms; it is begun anew.
        self.step = None;
        self.mailbox.rouse();
    }

    /// The next frame for the client.
    pub(crate) fn take(&self) -> Option<Frame> {
        self.mailbox.take()
    }

    /// Gives back a frame that could not be sent yet.
    pub(crate) fn put_back(&self, frame: Frame) {
        self.mailbox.put_back(frame);
    }

    /// Sees to it that what is missing is read, once everything queued has been taken.
    pub(crate) fn go_on(&mut self) {
        if self.step.is_some() {
            return;
        }
        match self.mailbox.drained() {
            Some((Stage::Announce, sent)) => self.step = Some(maybe_done(self.count(sent))),
            Some((Stage::Replay | Stage::Behind, _)) => {
                let now = self.gateway.wall_clock.now();
                match self.gateway.hub.catch_up(&self.who, &self.mailbox, now) {
                    CaughtUp::Read(after, up_to) => self.step = Some(maybe_done(self.read(after, up_to))),
                    // What was missed may have been queued this instant.
                    CaughtUp::Done | CaughtUp::Full => self.mailbox.rouse(),
                }
            }
            Some((Stage::Live | Stage::Over(_), _)) => {}
            // More than one turn's worth is left.
            None => self.mailbox.rouse(),
        }
    }

    /// What comes next. What was read comes before what was queued, so that the same happenings always lead to the same:
    /// the simulation rests on it.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        self.poll_work(cx);
        let step = self.step.as_mut().and_then(|step| Pin::new(step).take_output());
        if let Some(step) = step {
            self.step = None;
            return Poll::Ready(*step);
        }
        self.mailbox.poll_woken(cx).map(|()| Step::Mail)
    }

    /// Lets what was asked of the store go on, and keeps the answer.
    pub(crate) fn poll_work(&mut self, cx: &mut Context<'_>) {
        if let Some(step) = &mut self.step {
            // Whether it is done is asked for by `poll_next`.
            let _ = Pin::new(step).poll(cx);
        }
    }

    /// Takes what [`Reading::poll_next`] brought.
    pub(crate) fn heed(&mut self, step: Step) -> Result<(), End> {
        match step {
            Step::Mail => return self.mailbox.over().map_or(Ok(()), |why| Err(End::Over(why))),
            Step::Counted(Ok(unread), offset) => {
                if self.mailbox.announced(offset.position) {
                    let now = self.gateway.wall_clock.now();
                    let state = frames::inbox_state(unread, now, self.is_whole, offset);
                    self.mailbox.refill([state], offset.position);
                }
            }
            Step::Read(Ok(page), after) => {
                let is_cut = page.head.trimmed > after && !mutated!(SilentTrim);
                if is_cut || page.head.epoch.is_other(self.start.epoch) {
                    return Err(End::Trimmed);
                }
                let epoch = page.head.epoch;
                let hub = &self.gateway.hub;
                let is_passed_over = hub.passed_over(&self.who, self.gateway.wall_clock.now());
                let rows: Vec<_> = page.rows.iter().filter(|row| !is_passed_over(row)).collect();
                let encoded = rows.iter().map(|row| hub.encode(epoch, row));
                if self.mailbox.refill(encoded, page.through) {
                    self.gateway.hub.reached.count(rows.iter().map(|row| (row.position, 1)));
                }
            }
            Step::Counted(Err(fault), _) | Step::Read(Err(fault), _) => return Err(End::Unavailable(fault)),
        }
        Ok(())
    }

    fn count(&self, sent: Position) -> BoxFuture<'static, Box<Step>> {
        let (gateway, who) = (Arc::clone(&self.gateway), Arc::clone(&self.who));
        let offset = Offset { epoch: self.start.epoch, position: sent };
        Box::pin(async move { Box::new(Step::Counted(gateway.unread(who, sent).await, offset)) })
    }

    fn read(&self, after: Position, up_to: Position) -> BoxFuture<'static, Box<Step>> {
        let (gateway, who) = (Arc::clone(&self.gateway), Arc::clone(&self.who));
        Box::pin(async move {
            let now = gateway.wall_clock.now();
            let _turn = gateway.store_turn().await;
            Box::new(Step::Read(gateway.log.replay(&who.rooms, after, up_to, PAGE, now).await, after))
        })
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.gateway.hub.leave(&self.who, self.id);
    }
}
