//! The one store, and each node's way to it: slow, broken before a commit or after it, and away for a while.
//!
//! Wrong designs of the store are here too, as wrappers of the right one.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use carillon_domain::ports::{
    Appended, Erasing, Fanout as _, Inbox, Log, Missed, Outcome, PortError, Publish, Secret, Signal, Stored,
    Trim,
};
use carillon_domain::testing::{MemoryInbox, MemoryLog, Mutant};
use carillon_domain::{
    Blocked, Entitled, Entitlement, Head, Hint, IdempotencyKey, InboxItem, Kind, ListQuery, Listing, Mark,
    Marked, Muting, Mutings, NotificationId, Page, Position, Principal, Timestamp, UserId,
};

use super::chronicle::Chronicle;
use super::coverage::{Coverage, Seen};
use super::dice::Dice;
use super::network::NodeFanout;

/// What all nodes share.
pub(super) struct Store {
    pub(super) log: MemoryLog,
    pub(super) inbox: MemoryInbox,
    pub(super) is_down: AtomicBool,
    /// Of 100 steps so many take their time.
    pub(super) slow: AtomicUsize,
    /// Of 100 answers so many are lost.
    pub(super) breaks: AtomicUsize,
    pub(super) dice: Arc<Dice>,
    pub(super) chronicle: Arc<Chronicle>,
    pub(super) coverage: Arc<Coverage>,
    /// Positions handed out whose commit has yet to come.
    pub(super) uncommitted: Mutex<BTreeSet<Position>>,
    /// Rows in a page, at most: pages are cut early, so that cuts are met.
    pub(super) page: u32,
}

/// One node's way to the store.
pub(super) struct NodeStore {
    pub(super) store: Arc<Store>,
    pub(super) fanout: Arc<NodeFanout>,
    /// How far a batch has come.
    pub(super) stage: AtomicU8,
    /// How often a connection read what it missed.
    pub(super) replays: AtomicUsize,
    pub(super) keys: Mutex<HashMap<String, (IdempotencyKey, Stored)>>,
    pub(super) unwritten: Mutex<Vec<Publish>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// The way there or back: it may take long, and lead nowhere.
    async fn travel(&self) -> Result<(), PortError> {
        self.dice.dawdle(self.slow.load(Ordering::Relaxed)).await;
        if self.is_down.load(Ordering::Relaxed) || self.dice.chance(self.breaks.load(Ordering::Relaxed)) {
            return Err(PortError::Unavailable { port: "log", source: "simulated".into() });
        }
        Ok(())
    }

    async fn commit(&self, batch: &[Publish], kept: &[Publish]) -> Result<Appended, PortError> {
        let appended = self.log.append(kept).await?;
        self.chronicle.lock().committed(batch, &appended);
        Ok(appended)
    }

    /// Without what is not committed yet, if positions are handed out before.
    fn visible(&self, mut page: Page, cut: bool) -> Page {
        let uncommitted = lock(&self.uncommitted);
        page.rows.retain(|row| !uncommitted.contains(&row.position));
        page.head = self.visible_head(page.head, &uncommitted);
        if !cut {
            page.through = page.through.min(page.head.position);
        }
        page
    }

    fn visible_head(&self, mut head: Head, uncommitted: &BTreeSet<Position>) -> Head {
        while uncommitted.contains(&head.position) {
            head.position = Position::new(head.position.get() - 1).unwrap_or_default();
        }
        head
    }
}

/// Commits what it holds, whatever becomes of who asked for it: the statement is under way.
struct LateCommit<'a>(&'a Store, Vec<Position>);

impl Drop for LateCommit<'_> {
    fn drop(&mut self) {
        lock(&self.0.uncommitted).retain(|position| !self.1.contains(position));
    }
}

fn stored(publish: &Publish) -> Stored {
    let notifications = publish.rows.iter().map(|(room, n)| (n.id, room.clone())).collect();
    Stored { event_id: publish.event_id, notifications }
}

impl NodeStore {
    /// A batch was sent.
    pub(super) const SENT: u8 = 1;
    /// It was kept, and its node has not heard so.
    pub(super) const KEPT: u8 = 2;

    async fn keep(&self, batch: &[Publish]) -> Result<Appended, PortError> {
        let store = &self.store;
        if Mutant::HintBeforeCommit.is_on() {
            let Appended { epoch, from, rows, .. } = store.log.backup().append(batch).await?;
            let to = from.plus(rows.len());
            self.fanout.publish(Signal::Hint(Arc::new(Hint { epoch, from, to, rows })));
            store.travel().await?;
        }
        if Mutant::AckBeforeCommit.is_on() {
            lock(&self.unwritten).extend_from_slice(batch);
            let head = store.log.head().await?;
            let outcomes = batch.iter().map(|publish| Outcome::Stored(stored(publish))).collect();
            return Ok(Appended { epoch: head.epoch, from: head.position, rows: Vec::new(), outcomes });
        }
        if Mutant::KeysInMemory.is_on() {
            return self.keep_by_own_keys(batch).await;
        }
        let appended = store.commit(batch, batch).await?;
        if Mutant::IdsFromSequence.is_on() {
            let positions: Vec<_> = appended.rows.iter().map(|row| row.position).collect();
            lock(&store.uncommitted).extend(&positions);
            let _late = LateCommit(store, positions);
            store.dice.dawdle(80).await;
        }
        Ok(appended)
    }

    async fn keep_by_own_keys(&self, batch: &[Publish]) -> Result<Appended, PortError> {
        let known = |publish: &Publish| {
            let key = publish.key.as_ref()?;
            lock(&self.keys).get(&key.key).map(|(_, stored)| Outcome::Replayed(stored.clone()))
        };
        let outcomes: Vec<_> = batch.iter().map(known).collect();
        let news: Vec<_> = (batch.iter().zip(&outcomes))
            .filter(|(_, known)| known.is_none())
            .map(|(publish, _)| Publish { key: None, ..publish.clone() })
            .collect();
        let mut appended = self.store.commit(batch, &news).await?;
        for publish in batch {
            if let Some(key) = &publish.key {
                let entry = (key.clone(), stored(publish));
                lock(&self.keys).entry(key.key.clone()).or_insert(entry);
            }
        }
        appended.outcomes = (batch.iter().zip(outcomes))
            .map(|(publish, known)| known.unwrap_or_else(|| Outcome::Stored(stored(publish))))
            .collect();
        Ok(appended)
    }
}

#[async_trait]
impl Log for NodeStore {
    async fn append(&self, batch: &[Publish]) -> Result<Appended, PortError> {
        self.stage.store(Self::SENT, Ordering::Relaxed);
        self.store.travel().await?;
        let appended = self.keep(batch).await?;
        self.stage.store(Self::KEPT, Ordering::Relaxed);
        self.store.travel().await.inspect_err(|_| self.store.coverage.saw(Seen::UnknownOutcome))?;
        self.stage.store(0, Ordering::Relaxed);
        Ok(appended)
    }

    async fn head(&self) -> Result<Head, PortError> {
        let unwritten = std::mem::take(&mut *lock(&self.unwritten));
        if !unwritten.is_empty() {
            self.store.commit(&unwritten, &unwritten).await?;
        }
        self.store.travel().await?;
        let head = self.store.log.head().await?;
        let head = self.store.visible_head(head, &lock(&self.store.uncommitted));
        self.store.travel().await?;
        Ok(head)
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Page, PortError> {
        self.store.travel().await?;
        let limit = limit.min(self.store.page);
        let page = self.store.log.read(after, limit).await?;
        let cut = page.rows.len() == limit as usize;
        let page = self.store.visible(page, cut);
        self.store.travel().await?;
        Ok(page)
    }

    async fn replay(
        &self,
        rooms: &[Entitlement],
        after: Position,
        up_to: Position,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, PortError> {
        self.store.travel().await?;
        self.store.coverage.saw(Seen::CaughtUpFromStore);
        self.replays.fetch_add(1, Ordering::Relaxed);
        let limit = limit.min(self.store.page);
        let page = self.store.log.replay(rooms, after, up_to, limit, now).await?;
        let page = self.store.visible(page, true);
        self.store.travel().await?;
        Ok(page)
    }

    async fn missed(
        &self,
        rooms: &[Entitlement],
        after: Position,
        most: u32,
        now: Timestamp,
    ) -> Result<Missed, PortError> {
        self.store.travel().await?;
        let missed = self.store.log.missed(rooms, after, most, now).await?;
        self.store.travel().await?;
        Ok(missed)
    }

    async fn secret(&self) -> Result<Secret, PortError> {
        self.store.log.secret().await
    }

    async fn blocked(&self) -> Result<Blocked, PortError> {
        self.store.log.blocked().await
    }

    async fn trim_kind(&self, kind: &Kind, before: Timestamp) -> Result<bool, PortError> {
        self.store.log.trim_kind(kind, before).await
    }

    async fn trim(&self, trim: Trim) -> Result<bool, PortError> {
        self.store.log.trim(trim).await
    }
}

#[async_trait]
impl Inbox for NodeStore {
    async fn enter(&self, principal: &Principal) -> Result<Entitled, PortError> {
        self.store.travel().await?;
        let mut entitled = self.store.inbox.enter(principal).await?;
        self.store.chronicle.lock().entered(principal);
        if Mutant::EntitledAsOfNow.is_on() {
            entitled.rooms.iter_mut().for_each(|room| room.since = Position::START);
        }
        self.store.travel().await?;
        Ok(entitled)
    }

    async fn list(
        &self,
        who: &Entitled,
        query: ListQuery,
        now: Timestamp,
    ) -> Result<Option<Listing>, PortError> {
        self.store.inbox.list(who, query, now).await
    }

    async fn get(
        &self,
        who: &Entitled,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<InboxItem>, PortError> {
        self.store.inbox.get(who, id, now).await
    }

    async fn unread(&self, who: &Entitled, up_to: Position, now: Timestamp) -> Result<u32, PortError> {
        self.store.travel().await?;
        let unread = self.store.inbox.unread(who, up_to, now).await?;
        self.store.travel().await?;
        Ok(unread)
    }

    async fn mark(&self, who: &Entitled, mark: &Mark, now: Timestamp) -> Result<Option<Marked>, PortError> {
        self.store.inbox.mark(who, mark, now).await
    }
    async fn erase(&self, user_id: &UserId) -> Result<Erasing, PortError> {
        self.store.inbox.erase(user_id).await
    }

    async fn muting(&self, user_id: &UserId) -> Result<Muting, PortError> {
        self.store.inbox.muting(user_id).await
    }

    async fn mutings(&self) -> Result<Mutings, PortError> {
        self.store.inbox.mutings().await
    }
}
