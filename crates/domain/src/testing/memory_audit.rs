//! The audit table in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use super::FixedClock;
use crate::ports::{Audit, Clock as _, PortError};
use crate::{AuditEntry, AuditNote, AuditQuery, AuditSince};

/// An audit table in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryAudit {
    /// What its entries' times are by.
    pub clock: Arc<FixedClock>,
    entries: Arc<Mutex<Entries>>,
}

type Entries = Vec<(AuditEntry, Option<Uuid>)>;

impl MemoryAudit {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What [`Audit::note`] does, at once.
    pub(super) fn add(&self, note: &AuditNote) {
        let mut entries = self.lock();
        if note.key.is_some() && entries.iter().any(|(_, key)| *key == note.key) {
            return;
        }
        let AuditNote { actor, action, subject, detail, key } = note.clone();
        let id = entries.len() as u64 + 1;
        entries.push((AuditEntry { id, at: self.clock.now(), actor, action, subject, detail }, key));
    }
}

#[async_trait]
impl Audit for MemoryAudit {
    async fn note(&self, note: &AuditNote) -> Result<(), PortError> {
        self.add(note);
        Ok(())
    }

    async fn entries(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, PortError> {
        let is_after = |entry: &AuditEntry| match query.since {
            AuditSince::Entry(id) => entry.id > id,
            AuditSince::Instant(at) => entry.at >= at,
        };
        let entries = self.lock();
        let found = entries.iter().map(|(entry, _)| entry).filter(|entry| is_after(entry));
        Ok(found.take(query.limit as usize).cloned().collect())
    }
}
