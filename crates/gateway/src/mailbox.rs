//! What waits for one connection.
//!
//! ```text
//!   Replay ──all queued that was missed before CONNECT──▶ Announce ──inbox:state queued──▶ Behind ──caught up──▶ Live
//!                                                                                            ▲                   │
//!   any ──log replaced, session taken elsewhere──▶ Over                                      └─────── full ──────┘
//!   Live, and all is said up to the row that blocked its user, or to where it was sent away ──▶ Over
//! ```
//!
//! Only a *live* mailbox is given rows. One that is full falls *behind*: nothing more is queued, and once it is drained
//! the driver reads what was missed, from the hub's recent rows or else the store. So a slow reader costs at most
//! its bound in memory, and loses nothing. Stages change under the hub's lock, or in the one task that drives the
//! connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use carillon_domain::Position;
use carillon_protocol::Frame;

use crate::bell::Bell;
use crate::counted::{self, Lag, Wait};

/// How a connection stands towards the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It came back, and must first read what it missed.
    Replay,
    /// It has yet to hear `inbox:state`.
    Announce,
    /// It must read what it missed.
    Behind,
    /// It hears rows as they come.
    Live,
    /// Its connection is to be closed.
    Over(Over),
}

/// Why a connection is closed from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// The log is another one: its client comes back, and is told to reload.
    Replaced,
    /// Its session was resumed by another connection, and the newest wins.
    Superseded,
    /// Its user was erased: its client comes back, and is told to reload.
    Erased,
    /// Its user was blocked: its client shall not come back.
    Blocked,
    /// A back end sent it away: its client does not come back by itself.
    Dismissed,
}

/// The bounded queue of one connection.
pub(crate) struct Mailbox {
    socket_id: Arc<str>,
    claim: u64,
    bound: usize,
    hears_emits: bool,
    inner: Mutex<Inner>,
    bell: Bell,
}

pub(crate) struct Inner {
    pub(crate) stage: Stage,
    /// The last row that was queued, or passed over because it is not for this connection: the guard against
    /// repetition, and where catching up begins.
    pub(crate) sent: Position,
    /// The row by which its user was blocked, or the latest when it was sent away: nothing after it is given.
    pub(crate) last: Option<(Position, Over)>,
    queue: VecDeque<Frame>,
    bytes: usize,
    lag: Option<Lag>,
    wait: Option<Box<Wait>>,
}

impl Mailbox {
    /// A mailbox for the socket of this id by this claim, which starts after `sent` at this stage and holds at most `bound`
    /// bytes.
    pub(crate) fn new(
        socket_id: impl Into<Arc<str>>,
        claim: u64,
        bound: usize,
        stage: Stage,
        sent: Position,
        hears_emits: bool,
    ) -> Self {
        let (inner, bell, socket_id) =
            (Mutex::new(Inner::new(stage, sent)), Bell::default(), socket_id.into());
        Self { socket_id, claim, bound, hears_emits, inner, bell }
    }

    pub(crate) fn socket_id(&self) -> &Arc<str> {
        &self.socket_id
    }

    /// What tells this connection of its session from another one; the latest has the highest.
    pub(crate) fn claim(&self) -> u64 {
        self.claim
    }

    /// Whether what back ends emit is for it too, or only the log.
    pub(crate) fn hears_emits(&self) -> bool {
        self.hears_emits
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers a row. A repeated one is dropped; one that does not fit makes the mailbox fall behind. Answers whether it was
    /// queued.
    pub(crate) fn offer(&self, position: Position, frame: &Frame) -> bool {
        let mut inner = self.lock();
        let is_deaf = inner.stage != Stage::Live && !mutated!(LiveDuringCatchUp);
        let is_repeated = position <= inner.sent && !mutated!(NoSentGuard);
        if is_deaf || is_repeated || inner.last.is_some() {
            return false;
        }
        if !self.fits(&inner, frame.len()) {
            if !mutated!(DropOnOverflow) {
                inner.stage = Stage::Behind;
                inner.lag = Some(Lag::begin());
            }
            return false;
        }
        inner.sent = position;
        inner.push(frame.clone());
        if let Some(wait) = &mut inner.wait {
            wait.is_for(position);
        }
        drop(inner);
        self.bell.ring();
        true
    }

    /// Queues word that is not of the log. It is dropped where it does not fit: such word only saves a reload.
    pub(crate) fn post(&self, frame: &Frame) {
        let mut inner = self.lock();
        if !matches!(inner.stage, Stage::Over(_)) && inner.last.is_none() && self.fits(&inner, frame.len()) {
            inner.push(frame.clone());
            drop(inner);
            self.bell.ring();
        }
    }

    /// Queues what a back end emitted, if there is room. One that is not live is not kept from the log by it, and
    /// what is volatile is only for one for which nothing waits here. Answers whether it was queued.
    pub(crate) fn emit(&self, frame: &Frame, is_volatile: bool) -> bool {
        let mut inner = self.lock();
        let is_clear = inner.queue.is_empty();
        let is_open = match inner.stage {
            Stage::Live => is_clear || !is_volatile,
            Stage::Replay | Stage::Announce | Stage::Behind => is_clear && !is_volatile,
            Stage::Over(_) => false,
        };
        let is_queued = is_open && inner.last.is_none() && self.fits(&inner, frame.len());
        if is_queued {
            inner.push(frame.clone());
            drop(inner);
            self.bell.ring();
        }
        is_queued
    }

    /// Queues what the driver itself read for this connection, and notes up to where that speaks for the log. It was
    /// bounded when it was read, so it may exceed the mailbox's own bound. Answers whether it was queued.
    pub(crate) fn refill(&self, frames: impl IntoIterator<Item = Frame>, through: Position) -> bool {
        let mut inner = self.lock();
        // Over while this was being read.
        if !matches!(inner.stage, Stage::Replay | Stage::Behind) {
            return false;
        }
        frames.into_iter().for_each(|frame| inner.push(frame));
        inner.sent = inner.sent.max(through);
        true
    }

    /// Takes nothing after this row: once what comes before it is sent, and the row, it is over.
    pub(crate) fn end_after(&self, last: Position, why: Over) {
        self.lock().last.get_or_insert((last, why));
        self.bell.ring();
    }

    /// Whether it is to end, or has.
    pub(crate) fn is_ending(&self) -> bool {
        let inner = self.lock();
        inner.last.is_some() || matches!(inner.stage, Stage::Over(_))
    }

    /// Takes nothing more: what is queued is dropped, and the driver closes the connection.
    pub(crate) fn end(&self, why: Over) {
        let mut inner = self.lock();
        let (sent, last) = (inner.sent, inner.last);
        *inner = Inner::new(Stage::Over(why), sent);
        inner.last = last;
        drop(inner);
        self.bell.ring();
    }

    /// Why the connection is to be closed, if it is.
    pub(crate) fn over(&self) -> Option<Over> {
        match self.lock().stage {
            Stage::Over(why) => Some(why),
            _ => None,
        }
    }

    /// `inbox:state` for this place is about to be queued: from here on the connection is behind at most. `false` if
    /// it is over.
    pub(crate) fn announced(&self, at: Position) -> bool {
        let mut inner = self.lock();
        let is_current = inner.stage == Stage::Announce && inner.sent == at;
        if is_current {
            inner.stage = Stage::Behind;
        }
        is_current
    }

    /// Whether `inbox:state` was queued, which comes before all but what was missed.
    pub(crate) fn is_announced(&self) -> bool {
        matches!(self.lock().stage, Stage::Behind | Stage::Live)
    }

    /// The oldest frame.
    pub(crate) fn take(&self) -> Option<Frame> {
        let mut inner = self.lock();
        let frame = inner.queue.pop_front()?;
        inner.bytes -= frame.len();
        counted::gone(frame.len());
        Some(frame)
    }

    /// Gives back a frame that could not be sent yet.
    pub(crate) fn put_back(&self, frame: Frame) {
        let mut inner = self.lock();
        inner.bytes += frame.len();
        counted::waiting(frame.len());
        inner.queue.push_front(frame);
    }

    /// What there is to do once the queue is empty; `None` while it is not.
    pub(crate) fn drained(&self) -> Option<(Stage, Position)> {
        let mut inner = self.lock();
        if !inner.queue.is_empty() {
            return None;
        }
        if let Some(wait) = &mut inner.wait {
            wait.end();
        }
        if let (Stage::Live, Some((_, why))) = (inner.stage, inner.last) {
            inner.stage = Stage::Over(why);
            self.bell.ring();
        }
        Some((inner.stage, inner.sent))
    }

    /// Whether nothing waits, and there is more to read.
    pub(crate) fn is_hungry(&self) -> bool {
        let inner = self.lock();
        inner.queue.is_empty() && matches!(inner.stage, Stage::Replay | Stage::Announce | Stage::Behind)
    }

    /// Makes the next wait end at once.
    pub(crate) fn rouse(&self) {
        self.bell.ring();
    }

    /// Whether something was queued since this last succeeded.
    pub(crate) fn poll_woken(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.bell.poll_heard(cx)
    }

    /// Whether these bytes fit beside what waits already.
    pub(crate) fn fits(&self, inner: &Inner, bytes: usize) -> bool {
        inner.bytes + bytes <= self.bound
    }
}

impl Inner {
    fn new(stage: Stage, sent: Position) -> Self {
        let (queue, wait) = (VecDeque::new(), Wait::of_new_mailbox());
        Self { stage, sent, last: None, queue, bytes: 0, lag: None, wait }
    }

    pub(crate) fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        counted::waiting(frame.len());
        if let Some(wait) = &mut self.wait {
            wait.begin();
        }
        self.queue.push_back(frame);
    }

    /// All that was missed is queued: it has reached this stage.
    pub(crate) fn reach(&mut self, stage: Stage) {
        self.stage = stage;
        self.lag = None;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        counted::gone(self.bytes);
    }
}
