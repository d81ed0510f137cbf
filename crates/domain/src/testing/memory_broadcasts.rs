//! Broadcasts in memory, over a log in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::memory::lock;
use super::{CountingIds, FixedClock, MemoryAudit, MemoryLog};
use crate::ports::{
    Acks, Appended, Broadcasts, Change, Clock as _, Creation, Due, Fanout, Fired, Firing, Log as _,
    NewBroadcast, PortError,
};
use crate::{
    AuditNote, Broadcast, BroadcastDraft, BroadcastId, BroadcastKind, BroadcastQuery, BroadcastStatus,
    Broadcaster, Entitled, IdempotencyKey, NotificationId, Position, Recipient, RecipientQuery, RoleName,
    Room, Share, Tally, Timestamp, UserId,
};

const KEYS_FOR: Duration = Duration::from_secs(86_400);

/// Broadcasts in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryBroadcasts {
    log: MemoryLog,
    audit: MemoryAudit,
    /// What its schedule is by.
    pub clock: Arc<FixedClock>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    all: BTreeMap<BroadcastId, Kept>,
    acks: BTreeMap<(BroadcastId, UserId), (RoleName, Timestamp)>,
}

#[derive(Debug)]
struct Kept {
    broadcast: Broadcast,
    key: Option<IdempotencyKey>,
    /// Its first row.
    position: Option<Position>,
}

impl MemoryBroadcasts {
    /// No broadcasts; what is sent goes to this log, and what is changed is noted there. The clock is the audit table's.
    #[must_use]
    pub fn new(log: MemoryLog, audit: MemoryAudit) -> Self {
        let clock = Arc::clone(&audit.clock);
        Self { log, audit, clock, state: Arc::default() }
    }

    /// What works with these, and tells of what it sends by this fanout.
    #[must_use]
    pub fn broadcaster(&self, fanout: Arc<dyn Fanout>) -> Broadcaster {
        let (broadcasts, acks) = (Arc::new(self.clone()) as _, Arc::new(self.clone()) as _);
        // Apart from the ids that a test's publisher counts.
        let ids = Arc::new(CountingIds::after(1_000_000));
        Broadcaster::new(broadcasts, acks, fanout, Arc::clone(&self.clock) as _, ids)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(
        &self,
        id: BroadcastId,
        version: Option<u32>,
        note: &AuditNote,
        update: impl FnOnce(&mut Broadcast),
    ) -> Change {
        let mut state = self.lock();
        let Some(Kept { broadcast, .. }) = state.all.get_mut(&id) else { return Change::NotFound };
        if broadcast.status != BroadcastStatus::Scheduled {
            return Change::NotScheduled(broadcast.status);
        }
        if version.is_some_and(|version| version != broadcast.version) {
            return Change::OtherVersion(broadcast.version);
        }
        update(broadcast);
        broadcast.updated_at = self.clock.now();
        self.audit.add(note);
        Change::Made(broadcast.clone())
    }
}

#[async_trait]
impl Broadcasts for MemoryBroadcasts {
    async fn now(&self) -> Result<Timestamp, PortError> {
        Ok(self.clock.now())
    }

    async fn create(&self, new: &NewBroadcast) -> Result<Creation, PortError> {
        let now = self.clock.now();
        let mut state = self.lock();
        if let Some(kept) = state.all.get(&new.id) {
            return Ok(Creation::Created(kept.broadcast.clone()));
        }
        let of = |key: &IdempotencyKey| (key.scope.clone(), key.key.clone());
        let is_used = |kept: &&Kept| {
            let is_fresh = kept.broadcast.created_at.saturating_add(KEYS_FOR) >= now;
            is_fresh && new.key.is_some() && kept.key.as_ref().map(of) == new.key.as_ref().map(of)
        };
        if let Some(used) = state.all.values().find(is_used) {
            return Ok(if used.key == new.key {
                Creation::Replayed(used.broadcast.clone())
            } else {
                Creation::Mismatch
            });
        }
        let publish_at = Some(new.draft.publish_at.unwrap_or(now));
        let broadcast = Broadcast {
            id: new.id,
            status: BroadcastStatus::Scheduled,
            version: 1,
            draft: BroadcastDraft { publish_at, ..new.draft.clone() },
            late: false,
            sent_at: None,
            created_by: new.by.clone(),
            created_at: now,
            updated_at: now,
        };
        let kept = Kept { broadcast: broadcast.clone(), key: new.key.clone(), position: None };
        state.all.insert(new.id, kept);
        self.audit.add(&new.note);
        Ok(Creation::Created(broadcast))
    }

    async fn get(&self, id: BroadcastId) -> Result<Option<Broadcast>, PortError> {
        Ok(self.lock().all.get(&id).map(|kept| kept.broadcast.clone()))
    }

    async fn list(&self, query: BroadcastQuery) -> Result<Vec<Broadcast>, PortError> {
        let state = self.lock();
        let all = state.all.values().rev().map(|kept| &kept.broadcast);
        let found = all
            .filter(|one| query.before.is_none_or(|before| one.id < before))
            .filter(|one| query.kind.is_none_or(|kind| one.draft.kind == kind))
            .filter(|one| query.status.is_none_or(|status| one.status == status));
        Ok(found.take(query.limit as usize).cloned().collect())
    }

    async fn change(
        &self,
        id: BroadcastId,
        version: u32,
        draft: &BroadcastDraft,
        note: &AuditNote,
    ) -> Result<Change, PortError> {
        let publish_at = Some(draft.publish_at.unwrap_or(self.clock.now()));
        Ok(self.update(id, Some(version), note, |broadcast| {
            broadcast.draft = BroadcastDraft { publish_at, ..draft.clone() };
            broadcast.version += 1;
        }))
    }

    async fn cancel(
        &self,
        id: BroadcastId,
        version: Option<u32>,
        note: &AuditNote,
    ) -> Result<Change, PortError> {
        Ok(self.update(id, version, note, |broadcast| broadcast.status = BroadcastStatus::Canceled))
    }

    async fn due(&self, limit: u32) -> Result<Due, PortError> {
        let now = self.clock.now();
        let state = self.lock();
        let all = state.all.values().map(|kept| &kept.broadcast);
        let is_due = |one: &&Broadcast| one.status == BroadcastStatus::Scheduled && one.due_at() <= now;
        let mut broadcasts: Vec<_> = all.filter(is_due).cloned().collect();
        broadcasts.sort_by_key(|one| (one.due_at(), one.id));
        broadcasts.truncate(limit as usize);
        Ok(Due { now, broadcasts })
    }

    async fn fire(&self, batch: &[Firing]) -> Result<Fired, PortError> {
        let now = self.clock.now();
        let head = self.log.head().await?;
        // Nobody waits for anything while it is held: all of this is one step.
        let mut state = self.lock();
        let (mut ids, mut rows, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
        for firing in batch {
            let Some(kept) = state.all.get_mut(&firing.id) else { continue };
            let one = &mut kept.broadcast;
            let is_due = one.due_at() <= now && one.due_at().saturating_add(Broadcast::MISSED) >= now;
            if one.status != BroadcastStatus::Scheduled || one.version != firing.version || !is_due {
                continue;
            }
            let appended = super::block_on(self.log.append(std::slice::from_ref(&firing.publish)))?;
            (one.status, one.late) = (BroadcastStatus::Sent, firing.late);
            (one.sent_at, one.updated_at) = (Some(now), now);
            kept.position = appended.rows.first().map(|row| row.position);
            ids.push(firing.id);
            rows.extend(appended.rows);
            outcomes.extend(appended.outcomes);
        }
        Ok(Fired { ids, appended: Appended { epoch: head.epoch, from: head.position, rows, outcomes } })
    }

    async fn miss(&self, batch: &[(BroadcastId, u32)]) -> Result<u32, PortError> {
        let now = self.clock.now();
        let mut state = self.lock();
        let mut missed = 0;
        for (id, version) in batch {
            let Some(Kept { broadcast: one, .. }) = state.all.get_mut(id) else { continue };
            if one.status == BroadcastStatus::Scheduled && one.version == *version {
                (one.status, one.updated_at) = (BroadcastStatus::Missed, now);
                missed += 1;
            }
        }
        Ok(missed)
    }
}

#[async_trait]
impl Acks for MemoryBroadcasts {
    async fn acknowledge(
        &self,
        who: &Entitled,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, PortError> {
        let event_id = {
            let log = lock(&self.log.state);
            let Some(row) = log.find(who, id, now) else { return Ok(None) };
            row.event_id
        };
        let id = BroadcastId::from(event_id);
        let acked_at = self.clock.now();
        let mut state = self.lock();
        if !state.all.get(&id).is_some_and(|kept| kept.broadcast.draft.kind == BroadcastKind::Emergency) {
            return Ok(None);
        }
        let (_, first) = state.acks.entry((id, who.user_id.clone())).or_insert((RoleName::of(who), acked_at));
        Ok(Some(*first))
    }

    async fn tally(&self, id: BroadcastId) -> Result<Option<Tally>, PortError> {
        let state = self.lock();
        let Some(kept) = state.all.get(&id) else { return Ok(None) };
        if kept.broadcast.draft.kind != BroadcastKind::Emergency {
            return Ok(None);
        }
        let log = lock(&self.log.state);
        let entered = |room: &Room| {
            let theirs = log.entered.iter().filter(|((_, entered), _)| entered == room);
            theirs.filter(|(_, since)| kept.position.is_some_and(|sent| **since < sent)).count() as u64
        };
        let acked = |role: Option<RoleName>| {
            let acks = state.acks.iter().filter(|((of, _), _)| *of == id);
            acks.filter(|(_, (by, _))| role.is_none_or(|role| role == *by)).count() as u64
        };
        let audience = &kept.broadcast.draft.audience;
        let roles = audience.iter().flat_map(RoleName::within);
        let share = |role: RoleName| (role, Share { acked: acked(Some(role)), of: entered(&role.room()) });
        let all = Share { acked: acked(None), of: audience.iter().map(entered).sum() };
        Ok(Some(Tally { broadcast_id: id, all, by_role: roles.map(share).collect() }))
    }

    async fn recipients(&self, id: BroadcastId, query: &RecipientQuery) -> Result<Vec<Recipient>, PortError> {
        let state = self.lock();
        let Some((kept, sent)) = state.all.get(&id).and_then(|kept| Some((kept, kept.position?))) else {
            return Ok(Vec::new());
        };
        let audience = &kept.broadcast.draft.audience;
        let roles = query.roles(audience);
        let log = lock(&self.log.state);
        let mut all: Vec<_> = (log.entered.iter())
            .filter(|(_, since)| **since < sent)
            .filter_map(|((user_id, room), _)| Some((RoleName::of_room(room.as_str())?, user_id.clone())))
            .filter(|(role, _)| roles.contains(role))
            .collect();
        all.sort();
        let after = query.after.as_ref().map(|after| (after.role, after.user_id.clone()));
        let recipients = all.into_iter().filter(|place| after.as_ref().is_none_or(|after| place > after));
        let recipients = recipients.map(|(role, user_id)| {
            let acked_at = state.acks.get(&(id, user_id.clone())).map(|(_, at)| *at);
            Recipient { user_id, role, acked_at }
        });
        let asked = recipients.filter(|one| query.acked.is_none_or(|acked| acked == one.acked_at.is_some()));
        Ok(asked.take(query.limit as usize).collect())
    }

    async fn stirring(&self, within: Duration) -> Result<Vec<BroadcastId>, PortError> {
        let since = self.clock.now().saturating_sub(within);
        let state = self.lock();
        let mut ids: Vec<_> =
            state.acks.iter().filter(|(_, (_, at))| *at >= since).map(|((id, _), _)| *id).collect();
        ids.dedup();
        Ok(ids)
    }
}
