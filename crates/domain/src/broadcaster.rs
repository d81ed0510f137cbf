//! What those in charge do with broadcasts, and how a broadcast whose time has come gets into the log.
//!
//! ```text
//!   every node, a few times a second:  due ─▶ too late? ─▶ miss
//!                                       └──▶ compose ─▶ fire (still as it was read? then append and mark, in one step)
//!                                                         └─▶ hint
//! ```
//!
//! Two nodes that compose the same broadcast do so in vain, one of them; nothing is leased, and a node that dies anywhere
//! here leaves nothing behind that another would have to wait for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::ports::{
    Acks, Broadcasts, Change, Clock, Creation, Fanout, Firing, MintIds, NewBroadcast, PortError, Publish,
    Signal,
};
use crate::{
    AuditAction, AuditNote, Broadcast, BroadcastDraft, BroadcastId, BroadcastQuery, BroadcastStatus, Data,
    Entitled, Faults, Hint, IdempotencyKey, NotificationId, Recipient, RecipientQuery, Tally, Timestamp,
};

/// Why a broadcast was not made, changed or called off.
#[derive(Debug, thiserror::Error)]
pub enum BroadcastError {
    /// There is none, or none whose acknowledgements could be asked for.
    #[error("no such broadcast")]
    NotFound,
    /// Its time has passed, one way or the other.
    #[error("the broadcast is {}", .0.as_str())]
    NotScheduled(BroadcastStatus),
    /// It was changed since the caller looked.
    #[error("the broadcast is at version {0}")]
    OtherVersion(u32),
    /// The key was used before, for another body.
    #[error("the idempotency key was used for another request")]
    Mismatch,
    /// What was asked cannot be.
    #[error("the broadcast is not valid")]
    Invalid(#[from] Faults),
    /// The store failed; sent again with the same key, it is made once.
    #[error("the broadcast is not known to be stored")]
    Store(#[from] PortError),
}

/// What a round of [`Broadcaster::step`] has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stepped {
    /// Broadcasts that were due; as many as [`Broadcaster::MOST`] means there are more.
    pub due: usize,
    /// How late each was that this node has sent.
    pub sent: Vec<Duration>,
    /// Of these, how many were [late](Broadcast::LATE).
    pub late: usize,
    /// How many were too late, and were marked so here.
    pub missed: u32,
}

/// Makes, changes, sends and counts broadcasts.
#[derive(Clone)]
pub struct Broadcaster {
    broadcasts: Arc<dyn Broadcasts>,
    acks: Arc<dyn Acks>,
    fanout: Arc<dyn Fanout>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn MintIds>,
}

impl Broadcaster {
    /// The most broadcasts of one round: each has three rows at most, and appends wait for them.
    pub const MOST: u32 = 64;

    /// A broadcaster over these ports. `clock` is asked only what a user can see; schedules are by the store's.
    pub fn new(
        broadcasts: Arc<dyn Broadcasts>,
        acks: Arc<dyn Acks>,
        fanout: Arc<dyn Fanout>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn MintIds>,
    ) -> Self {
        Self { broadcasts, acks, fanout, clock, ids }
    }

    /// Makes a broadcast of what was posted, and sends it if its time is now. Answers it as it is then, and whether it was
    /// made by an earlier call with the same key.
    ///
    /// Once it is kept it will be sent, by this node or another: one that could not be sent at once is answered as
    /// scheduled.
    ///
    /// # Errors
    /// See [`BroadcastError`].
    pub async fn create(
        &self,
        body: Value,
        by: &str,
        key: Option<IdempotencyKey>,
    ) -> Result<(Broadcast, bool), BroadcastError> {
        let draft = BroadcastDraft::parse(body, self.broadcasts.now().await?)?;
        let id = BroadcastId::from(self.ids.event_id());
        let detail = json!({"kind": draft.kind, "audience": draft.audience, "publishAt": draft.publish_at});
        let note = note(by, AuditAction::BroadcastCreated, id, detail, Some(id))?;
        let new = NewBroadcast { id, draft, by: by.to_owned(), key, note };
        match self.broadcasts.create(&new).await? {
            Creation::Created(made) => Ok((self.send_if_due(made).await, false)),
            Creation::Replayed(made) => Ok((made, true)),
            Creation::Mismatch => Err(BroadcastError::Mismatch),
        }
    }

    /// One broadcast.
    ///
    /// # Errors
    /// [`BroadcastError::NotFound`], or the store failed.
    pub async fn get(&self, id: BroadcastId) -> Result<Broadcast, BroadcastError> {
        self.broadcasts.get(id).await?.ok_or(BroadcastError::NotFound)
    }

    /// A page of broadcasts, newest first, and the `before` that continues it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list(
        &self,
        query: BroadcastQuery,
    ) -> Result<(Vec<Broadcast>, Option<BroadcastId>), PortError> {
        let more = BroadcastQuery { limit: query.limit + 1, ..query };
        let mut found = self.broadcasts.list(more).await?;
        let has_more = found.len() > query.limit as usize;
        found.truncate(query.limit as usize);
        let next = found.last().filter(|_| has_more).map(|last| last.id);
        Ok((found, next))
    }

    /// Changes a scheduled broadcast as [`BroadcastDraft::parse_change`] reads it.
    ///
    /// # Errors
    /// See [`BroadcastError`].
    pub async fn change(&self, id: BroadcastId, body: Value, by: &str) -> Result<Broadcast, BroadcastError> {
        let current = self.get(id).await?;
        if current.status != BroadcastStatus::Scheduled {
            return Err(BroadcastError::NotScheduled(current.status));
        }
        let now = self.broadcasts.now().await?;
        let (version, draft, fields) = BroadcastDraft::parse_change(&current, body, now)?;
        let detail = json!({"version": version, "fields": fields, "publishAt": draft.publish_at});
        let note = note(by, AuditAction::BroadcastChanged, id, detail, None)?;
        let made = made(self.broadcasts.change(id, version, &draft, &note).await?)?;
        Ok(self.send_if_due(made).await)
    }

    /// Calls a scheduled broadcast off; of this version alone, if one is named.
    ///
    /// # Errors
    /// See [`BroadcastError`].
    pub async fn cancel(
        &self,
        id: BroadcastId,
        version: Option<u32>,
        by: &str,
    ) -> Result<Broadcast, BroadcastError> {
        let note = note(by, AuditAction::BroadcastCanceled, id, json!({}), None)?;
        made(self.broadcasts.cancel(id, version, &note).await?)
    }

    /// Sends what is due, one round of it.
    ///
    /// # Errors
    /// The store failed. What was sent nevertheless is not due any more.
    pub async fn step(&self) -> Result<Stepped, PortError> {
        let due = self.broadcasts.due(Self::MOST).await?;
        let (missed, fit): (Vec<_>, Vec<_>) =
            due.broadcasts.iter().partition(|broadcast| broadcast.is_missed(due.now));
        let mut stepped = Stepped { due: due.broadcasts.len(), ..Stepped::default() };
        if !missed.is_empty() {
            let missed: Vec<_> = missed.iter().map(|broadcast| (broadcast.id, broadcast.version)).collect();
            stepped.missed = self.broadcasts.miss(&missed).await?;
        }
        let sent = self.fire(&fit, due.now).await?;
        for broadcast in fit.iter().filter(|broadcast| sent.contains(&broadcast.id)) {
            let late = due.now.as_millis().saturating_sub(broadcast.due_at().as_millis());
            stepped.sent.push(Duration::from_millis(u64::try_from(late).unwrap_or(0)));
            stepped.late += usize::from(broadcast.is_late(due.now));
        }
        Ok(stepped)
    }

    async fn fire(&self, fit: &[&Broadcast], now: Timestamp) -> Result<Vec<BroadcastId>, PortError> {
        let batch: Vec<_> = fit.iter().filter_map(|broadcast| self.compose(broadcast, now)).collect();
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let fired = self.broadcasts.fire(&batch).await?;
        if let Some(last) = fired.appended.rows.last() {
            let (epoch, from, to) = (fired.appended.epoch, fired.appended.from, last.position);
            let hint = Hint { epoch, from, to, rows: fired.appended.rows };
            self.fanout.publish(Signal::Hint(Arc::new(hint)));
        }
        Ok(fired.ids)
    }

    fn compose(&self, broadcast: &Broadcast, now: Timestamp) -> Option<Firing> {
        let row = |room| Some((room, broadcast.notification(self.ids.notification_id(), now)?));
        let rows = broadcast.draft.audience.iter().cloned().map(row).collect::<Option<_>>()?;
        let publish = Publish { event_id: broadcast.id.event_id(), key: None, at: now, rows };
        let (id, version, late) = (broadcast.id, broadcast.version, broadcast.is_late(now));
        Some(Firing { id, version, late, publish })
    }

    /// One that is due does not wait for the next round; whatever fails here, a later round mends.
    async fn send_if_due(&self, made: Broadcast) -> Broadcast {
        let sent = async {
            let now = self.broadcasts.now().await?;
            if made.due_at() > now {
                return Ok(None);
            }
            self.fire(&[&made], now).await?;
            self.broadcasts.get(made.id).await
        };
        sent.await.ok().flatten().unwrap_or(made)
    }

    /// Keeps that a user has acknowledged an emergency; answers when they first did.
    ///
    /// # Errors
    /// [`BroadcastError::NotFound`] when it is none, or not theirs.
    pub async fn acknowledge(&self, who: &Entitled, id: NotificationId) -> Result<Timestamp, BroadcastError> {
        let acked_at = self.acks.acknowledge(who, id, self.clock.now()).await?;
        acked_at.ok_or(BroadcastError::NotFound)
    }

    /// How many have acknowledged an emergency, of how many.
    ///
    /// # Errors
    /// [`BroadcastError::NotFound`] when it is none.
    pub async fn tally(&self, id: BroadcastId) -> Result<Tally, BroadcastError> {
        self.acks.tally(id).await?.ok_or(BroadcastError::NotFound)
    }

    /// Who has acknowledged an emergency and who has not, a page of them, and whether there is more.
    ///
    /// # Errors
    /// The store failed.
    pub async fn recipients(
        &self,
        id: BroadcastId,
        query: &RecipientQuery,
    ) -> Result<(Vec<Recipient>, bool), PortError> {
        let more = RecipientQuery { limit: query.limit + 1, ..query.clone() };
        let mut found = self.acks.recipients(id, &more).await?;
        let has_more = found.len() > query.limit as usize;
        found.truncate(query.limit as usize);
        Ok((found, has_more))
    }

    /// The tallies of those emergencies that someone has acknowledged within this time.
    ///
    /// # Errors
    /// The store failed.
    pub async fn stirring(&self, within: Duration) -> Result<Vec<Tally>, PortError> {
        let mut tallies = Vec::new();
        for id in self.acks.stirring(within).await? {
            tallies.extend(self.acks.tally(id).await?);
        }
        Ok(tallies)
    }
}

fn made(change: Change) -> Result<Broadcast, BroadcastError> {
    match change {
        Change::Made(broadcast) => Ok(broadcast),
        Change::NotFound => Err(BroadcastError::NotFound),
        Change::NotScheduled(status) => Err(BroadcastError::NotScheduled(status)),
        Change::OtherVersion(version) => Err(BroadcastError::OtherVersion(version)),
    }
}

fn note(
    by: &str,
    action: AuditAction,
    id: BroadcastId,
    detail: Value,
    key: Option<BroadcastId>,
) -> Result<AuditNote, Faults> {
    let detail = match detail {
        Value::Object(detail) => detail,
        _ => Map::new(),
    };
    let detail = Data::new(&detail).map_err(|fault| Faults::one("", fault))?;
    let (actor, subject) = (by.to_owned(), id.to_string());
    Ok(AuditNote { actor, action, subject, detail, key: key.map(BroadcastId::as_uuid) })
}

#[cfg(test)]
mod tests;
