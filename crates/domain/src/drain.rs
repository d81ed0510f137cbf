//! From the outbox into the log: each event once, whatever happens in between.
//!
//! ```text
//!   carillon.publish(…) ─▶ outbox ─▶ claim ─▶ Publisher (key = the event's id) ─▶ done
//!                                      │                                   └ unknown: the lease runs out, and again
//!                                      └─▶ refuse: cannot be understood
//! ```

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use uuid::Uuid;

use crate::ports::{Audit, Outbox, PortError, Posted};
use crate::{Draft, Faults, IdempotencyKey, PublishError, Publisher};

/// Whose keys the events' ids are; no caller has this name.
const SCOPE: &str = "carillon.outbox";
/// Longer than a publish takes: an event that is under way need not be published again.
const LEASE: Duration = Duration::from_secs(10);

/// Takes events from an [`Outbox`] and publishes them.
pub struct Drain {
    outbox: Arc<dyn Outbox>,
    publisher: Arc<Publisher>,
    audit: Arc<dyn Audit>,
}

/// What became of one event.
enum Fate {
    /// It is in the log, and noted if it is one to be noted.
    Kept(Uuid),
    /// It cannot be understood.
    Refused(Uuid, Faults),
    /// The store does not take it, or what was written with it.
    Rejected,
    /// Not known to be in the log: to be tried again.
    Unknown,
}

/// What a round of [`Drain::step`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Events that were claimed; as many as [`Drain::MOST`] means there are more.
    pub claimed: usize,
    /// Those of them that are in the log now.
    pub kept: usize,
    /// Those that could not be understood and were laid aside.
    pub refused: usize,
}

impl Drain {
    /// The most events of one round: half of what the appender writes at once.
    pub const MOST: u32 = 256;

    /// The actor of what came by the outbox: which service wrote it, the database does not say.
    pub const ACTOR: &str = "sql";

    /// A drain from this outbox to this publisher.
    pub fn new(outbox: Arc<dyn Outbox>, publisher: Arc<Publisher>, audit: Arc<dyn Audit>) -> Self {
        Self { outbox, publisher, audit }
    }

    /// Publishes what waits, one round of it. Those whose publish failed are left to be claimed again.
    ///
    /// # Errors
    /// When the outbox fails. What had been published by then is claimed and known again.
    pub async fn step(&self) -> Result<Drained, PortError> {
        let posted = self.outbox.claim(Self::MOST, LEASE).await?;
        let mut drained = Drained { claimed: posted.len(), ..Drained::default() };
        let mut kept = Vec::with_capacity(posted.len());
        // All at once: they enter the publisher's queue in their order, and share its commits.
        let fates = join_all(posted.iter().map(|posted| self.publish(posted))).await;
        for (posted, mut fate) in posted.iter().zip(fates) {
            if matches!(fate, Fate::Rejected) {
                // By itself, so that one that the store does not take keeps no other from the log. It stays in the outbox: whatever is
                // wrong with the store, the event was understood.
                fate = self.publish(posted).await;
            }
            match fate {
                Fate::Kept(id) => kept.push(id),
                Fate::Refused(id, faults) => {
                    self.outbox.refuse(id, &faults).await?;
                    drained.refused += 1;
                }
                Fate::Rejected | Fate::Unknown => {}
            }
        }
        drained.kept = kept.len();
        if !kept.is_empty() {
            self.outbox.done(&kept).await?;
        }
        Ok(drained)
    }

    async fn publish(&self, Posted { id, event }: &Posted) -> Fate {
        let id = *id;
        let parsed = serde_json::from_str(event).map_err(|_| Faults::one("", "is not JSON"));
        let draft = match parsed.and_then(Draft::parse_event) {
            Ok(draft) => draft,
            Err(faults) => return Fate::Refused(id, faults),
        };
        // An event in the outbox never changes, so its id says what a digest would.
        let mut fingerprint = [0; 32];
        fingerprint[..16].copy_from_slice(id.as_bytes());
        let key = IdempotencyKey { scope: SCOPE.to_owned(), key: id.to_string(), fingerprint };
        match self.publisher.publish(&draft, Some(key)).await {
            Ok(published) => match draft.note(Self::ACTOR, published.stored.event_id) {
                Some(note) if self.audit.note(&note).await.is_err() => Fate::Unknown,
                _ => Fate::Kept(id),
            },
            Err(PublishError::Mismatch) => {
                Fate::Refused(id, Faults::one("", "its id was used for another event"))
            }
            Err(fault) if fault.is_rejected() => Fate::Rejected,
            Err(PublishError::Full | PublishError::Store(_) | PublishError::Stopped) => Fate::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
