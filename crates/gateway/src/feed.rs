//! Follows the log for this node: hints as they come, the head each second, and the store where there is a hole.

use std::sync::Arc;
use std::time::Duration;

use carillon_domain::ports::{Clock, Fanout, Log, PortError, Signal};
use carillon_domain::{Follower, Reader, Room, Row, Step};
use futures_util::StreamExt as _;
use metrics::{counter, gauge, histogram};
use tokio::time::MissedTickBehavior;
use tracing::{Level, Span, trace_span};

use crate::frames;
use crate::hub::Hub;
use crate::mailbox::{Mailbox, Over};

/// How often the head is read: the longest that a lost hint can delay a notification.
const HEAD_POLL: Duration = Duration::from_secs(1);
/// How often it is read while hints may not come at all.
const LONE_POLL: Duration = Duration::from_millis(100);
/// How long a connection of someone who was blocked may take to hear so. All are to be gone within a second.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Rows in one read of a hole.
const PAGE: u32 = 1_000;

/// Carries the log's rows to the hub, in order, each once.
pub(crate) struct Feed {
    pub(crate) follower: Follower,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) reader: Reader,
    pub(crate) hub: Arc<Hub>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Feed {
    /// Follows until the fanout ends.
    pub(crate) async fn run(mut self, fanout: Arc<dyn Fanout>) {
        let mut signals = fanout.subscribe();
        let mut looks = tokio::time::interval(LONE_POLL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut read_at = None;
        let mut is_reachable = true;
        loop {
            let followed = tokio::select! {
                signal = signals.next() => match signal {
                    Some(signal) => self.hear(signal).await,
                    None => return,
                },
                now = looks.tick() => {
                    let is_due = read_at.is_none_or(|at| now.duration_since(at) >= HEAD_POLL);
                    if !is_due && fanout.reaches_all() {
                        continue;
                    }
                    read_at = Some(now);
                    self.poll_head().await
                }
            };
            // Said when it changes, not each second.
            match followed {
                Err(fault) if is_reachable => {
                    is_reachable = false;
                    let cause = std::error::Error::source(&fault).map(ToString::to_string);
                    tracing::warn!(error = %fault, cause, "the log cannot be followed; trying on");
                }
                Err(_) => {}
                Ok(()) if is_reachable => {}
                Ok(()) => {
                    is_reachable = true;
                    tracing::info!("the log is followed again");
                }
            }
        }
    }

    /// Takes word from a node, this one or another.
    pub(crate) async fn hear(&mut self, signal: Signal) -> Result<(), PortError> {
        match signal {
            Signal::Hint(hint) => {
                let step = self.follower.hint(Arc::unwrap_or_clone(hint));
                self.take(step).await
            }
            Signal::Marked(news) => {
                let room = Room::user(&news.user_id);
                self.hub.post(&room, &frames::marked(&news), news.except.as_deref());
                Ok(())
            }
            Signal::Resumed(resumed) => {
                self.hub.resumed(&resumed);
                Ok(())
            }
            Signal::Lagged => self.read_head().await,
        }
    }

    /// Looks at the head, as happens each second or more often.
    pub(crate) async fn poll_head(&mut self) -> Result<(), PortError> {
        if mutated!(NoHeadPoll) { Ok(()) } else { self.read_head().await }
    }

    async fn read_head(&mut self) -> Result<(), PortError> {
        let head = self.log.head().await?;
        let step = self.follower.head(head);
        self.take(step).await
    }

    /// Does what the follower says, and reads on until nothing is missing.
    async fn take(&mut self, mut step: Step) -> Result<(), PortError> {
        while let Step::Read(after) = step {
            counter!("carillon_holes_read_total").increment(1);
            let page = self.log.read(after, PAGE).await?;
            let head = page.head;
            let read = self.follower.page(page);
            self.hand_on(read);
            step = self.follower.head(head);
        }
        self.hand_on(step);
        if !self.hub.knows_blocks() {
            self.hub.load_blocks(self.log.blocked().await?);
        }
        if !self.hub.knows_mutes() {
            self.hub.mutes().load(self.reader.mutings().await?);
        }
        Ok(())
    }

    fn hand_on(&self, step: Step) {
        match step {
            Step::Apply(rows) => {
                self.time(&rows);
                let _spans = spans(&rows);
                end_in_time(self.hub.deliver(self.follower.epoch(), rows));
            }
            Step::Replaced => {
                tracing::warn!("the log was replaced: every client is told to reload");
                self.hub.replaced(self.follower.epoch(), self.follower.cursor());
            }
            Step::Nothing | Step::Read(_) => {}
        }
    }

    /// How long it took from the publish to here, by the clocks of both nodes.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 9 quadrillion of either")]
    fn time(&self, rows: &[Arc<Row>]) {
        let now = self.clock.now().as_millis();
        for row in rows {
            let took = now.saturating_sub(row.notification.created_at.as_millis()).max(0);
            histogram!("carillon_delivery_seconds").record(took as f64 / 1000.0);
        }
        if let Some(last) = rows.last() {
            gauge!("carillon_log_position").set(last.position.get() as f64);
        }
    }
}

/// For traces: one for each row, as long as all of them take to the mailboxes.
fn spans(rows: &[Arc<Row>]) -> Vec<Span> {
    if !tracing::enabled!(target: "carillon_trace", Level::TRACE) {
        return Vec::new();
    }
    let span = |row: &Arc<Row>| {
        let (event_id, position) = (row.event_id, row.position.get());
        trace_span!(target: "carillon_trace", "deliver", %event_id, position)
    };
    rows.iter().map(span).collect()
}

/// Ends connections of users who were blocked, if they have not ended by themselves: one that reads slowly, or had much to
/// catch up with, does not hear all that came before.
fn end_in_time(ending: Vec<Arc<Mailbox>>) {
    if ending.is_empty() {
        return;
    }
    tokio::spawn(async move {
        tokio::time::sleep(LAST_WORDS).await;
        for mailbox in ending {
            mailbox.end(Over::Blocked);
        }
    });
}

#[cfg(test)]
mod tests;
