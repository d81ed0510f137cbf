//! The main job: accept a publish, keep it, and say that the log has grown.
//!
//! ```text
//!   publish ─▶ queue (bounded) ─▶ Appender: gather ─▶ Log::append ─▶ answer the publishers
//!   publish ─▶                         ▲                  │      └─▶ Fanout: hint
//!   publish ─▶                         └── whatever came ◀┘
//!                                          meanwhile
//! ```
//!
//! There is no timer: the batch is what gathered while the last one was being written, so that a lone publish does
//! not wait and a thousand share one commit.

use std::sync::{Arc, Mutex, PoisonError};

use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt as _;

use crate::ports::{Clock, Fanout, Log, MintIds, Outcome, PortError, Publish, Signal, Stored};
use crate::{Draft, EventId, Hint, Memo};

/// A caller's key for one publish, by which a repetition is known for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose key: two callers may use the same text.
    pub scope: String,
    /// The caller's text.
    pub key: String,
    /// A digest of the request: the same key with another digest is a mistake of the caller's.
    pub fingerprint: [u8; 32],
}

/// An accepted publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What was kept.
    pub stored: Stored,
    /// Whether that happened at an earlier call with the same key.
    pub replayed: bool,
}

/// Why a publish was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The key was used before, for another body.
    #[error("the idempotency key was used for another request")]
    Mismatch,
    /// More publishes wait than the queue holds. Nothing was kept; try again.
    #[error("too many publishes are waiting")]
    Full,
    /// The store failed: not known to be kept. Try again with the same key.
    #[error("the publish is not known to be stored")]
    Store(#[source] Arc<PortError>),
    /// The gateway is going down. Nothing was kept; try again elsewhere.
    #[error("publishing has ended")]
    Stopped,
}

impl PublishError {
    /// The store does not take what it was written with, or itself: trying again as part of the same batch is in vain.
    pub(crate) fn is_rejected(&self) -> bool {
        matches!(self, Self::Store(fault) if !matches!(**fault, PortError::Unavailable { .. }))
    }
}

/// How much may wait, and how much is written at once.
#[derive(Debug, Clone, Copy)]
pub struct AppendLimits {
    /// Publishes that wait for the appender; one more is refused.
    pub queue: usize,
    /// Rows in one batch.
    pub rows: usize,
    /// Bytes in one batch; a single publish may exceed it.
    pub bytes: usize,
}

impl Default for AppendLimits {
    fn default() -> Self {
        Self { queue: 4_096, rows: 512, bytes: 256 * 1024 }
    }
}

struct Waiting {
    publish: Publish,
    weight: usize,
    answer: oneshot::Sender<Result<Published, PublishError>>,
}

/// Accepts publishes. Its [`Appender`] must run for any to be answered.
pub struct Publisher {
    // One sender behind a lock: each clone of a futures channel's sender would widen the queue by one.
    queue: Mutex<mpsc::Sender<Waiting>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn MintIds>,
}

impl Publisher {
    /// A publisher and the appender that works for it.
    pub fn new(
        log: Arc<dyn Log>,
        fanout: Arc<dyn Fanout>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn MintIds>,
        limits: AppendLimits,
    ) -> (Self, Appender) {
        let (queue, waiting) = mpsc::channel(limits.queue);
        (Self { queue: Mutex::new(queue), clock, ids }, Appender { waiting, held: None, log, fanout, limits })
    }

    /// Keeps a draft in each of its rooms and answers after the commit.
    ///
    /// Dropping the future does not undo the publish: it may be kept all the same.
    ///
    /// # Errors
    /// See [`PublishError`]; all but [`PublishError::Mismatch`] may be tried again with the same key.
    pub async fn publish(
        &self,
        draft: &Draft,
        key: Option<IdempotencyKey>,
    ) -> Result<Published, PublishError> {
        let at = self.clock.now();
        let rows: Vec<_> = draft
            .rooms()
            .iter()
            .map(|room| (room.clone(), draft.notification(self.ids.notification_id(), at)))
            .collect();
        let weight = draft.weight() * rows.len();
        self.append(Publish { event_id: self.ids.event_id(), key, at, rows }, weight).await
    }

    /// Binds a key to a request of several publishes, before any of them: the same key with another fingerprint is a
    /// [`PublishError::Mismatch`] from then on.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn claim(&self, key: IdempotencyKey) -> Result<(), PublishError> {
        let (event_id, at) = (self.ids.event_id(), self.clock.now());
        self.append(Publish { event_id, key: Some(key), at, rows: Vec::new() }, 0).await.map(drop)
    }

    /// Keeps a memo: from its place in the log on, what it says holds on every node.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub(crate) async fn note(&self, memo: Memo) -> Result<EventId, PublishError> {
        let at = self.clock.now();
        let row = memo.row(self.ids.notification_id(), at);
        let weight = row.1.data.as_str().len();
        let publish = Publish { event_id: self.ids.event_id(), key: None, at, rows: vec![row] };
        self.append(publish, weight).await.map(|published| published.stored.event_id)
    }

    async fn append(&self, publish: Publish, weight: usize) -> Result<Published, PublishError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_send(Waiting { publish, weight, answer })
            .map_err(|refused| if refused.is_full() { PublishError::Full } else { PublishError::Stopped })?;
        answered.await.unwrap_or(Err(PublishError::Stopped))
    }

    /// Refuses new publishes from now on; what waits is still written, after which the appender ends.
    pub fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).close_channel();
    }
}

/// Writes what publishers bring, one batch at a time.
pub struct Appender {
    waiting: mpsc::Receiver<Waiting>,
    // The publish that did not fit into the last batch.
    held: Option<Waiting>,
    log: Arc<dyn Log>,
    fanout: Arc<dyn Fanout>,
    limits: AppendLimits,
}

/// An unknown outcome is cleared up by sending the same batch again: event ids keep it single.
const TRIES: u32 = 3;

impl Appender {
    /// Works until the publisher is closed or dropped and everything that waited is answered.
    pub async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            self.write(batch).await;
        }
    }

    /// The next batch: waits for the first publish only.
    async fn gather(&mut self) -> Option<Vec<Waiting>> {
        let first = match self.held.take() {
            Some(held) => held,
            None => self.waiting.next().await?,
        };
        let (mut rows, mut bytes) = (first.publish.rows.len(), first.weight);
        let mut batch = vec![first];
        while let Ok(next) = self.waiting.try_recv() {
            rows += next.publish.rows.len();
            bytes += next.weight;
            if rows > self.limits.rows || bytes > self.limits.bytes {
                self.held = Some(next);
                break;
            }
            batch.push(next);
        }
        Some(batch)
    }

    async fn write(&self, batch: Vec<Waiting>) {
        let (publishes, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.publish, waiting.answer)).unzip();
        let mut tries = 1;
        let appended = loop {
            match self.log.append(&publishes).await {
                Err(PortError::Unavailable { .. }) if tries < TRIES => tries += 1,
                done => break done,
            }
        };
        match appended {
            Ok(appended) => {
                if let Some(last) = appended.rows.last() {
                    let hint = Hint {
                        epoch: appended.epoch,
                        from: appended.from,
                        to: last.position,
                        rows: appended.rows,
                    };
                    self.fanout.publish(Signal::Hint(Arc::new(hint)));
                }
                // A publisher that has gone away does not hear its answer; its publish is kept all the same.
                for (answer, outcome) in answers.into_iter().zip(appended.outcomes) {
                    drop(answer.send(match outcome {
                        Outcome::Stored(stored) => Ok(Published { stored, replayed: false }),
                        Outcome::Replayed(stored) => Ok(Published { stored, replayed: true }),
                        Outcome::Mismatch => Err(PublishError::Mismatch),
                    }));
                }
            }
            Err(fault) => {
                let fault = Arc::new(fault);
                for answer in answers {
                    drop(answer.send(Err(PublishError::Store(Arc::clone(&fault)))));
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
