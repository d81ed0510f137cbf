//! The outbox in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::FixedClock;
use crate::ports::{Clock as _, Outbox, PortError, Posted};
use crate::{Faults, Timestamp};

/// An outbox in memory, whose leases run by a clock that stands still until it is set. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryOutbox {
    /// What the leases run by.
    pub clock: Arc<FixedClock>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    written: u64,
    /// By the order in which they were written: until when each is in someone's hand.
    waiting: BTreeMap<u64, (Posted, Option<Timestamp>)>,
    refused: Vec<(Uuid, String)>,
}

impl MemoryOutbox {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Posts an event, as a service would by SQL.
    pub fn post(&self, event: &str) -> Uuid {
        let mut state = self.state();
        state.written += 1;
        let (place, id) = (state.written, Uuid::from_u128(state.written.into()));
        state.waiting.insert(place, (Posted { id, event: event.to_owned() }, None));
        id
    }

    /// What was laid aside, and why.
    #[must_use]
    pub fn refused(&self) -> Vec<(Uuid, String)> {
        self.state().refused.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn claim(&self, limit: u32, lease: Duration) -> Result<Vec<Posted>, PortError> {
        let now = self.clock.now();
        let mut state = self.state();
        let free = state.waiting.values_mut().filter(|(_, leased)| leased.is_none_or(|until| until <= now));
        let claimed = free.take(limit as usize).map(|(posted, leased)| {
            *leased = Some(now.saturating_add(lease));
            posted.clone()
        });
        Ok(claimed.collect())
    }

    async fn done(&self, ids: &[Uuid]) -> Result<(), PortError> {
        self.state().waiting.retain(|_, (posted, _)| !ids.contains(&posted.id));
        Ok(())
    }

    async fn refuse(&self, id: Uuid, faults: &Faults) -> Result<(), PortError> {
        self.done(&[id]).await?;
        self.state().refused.push((id, faults.to_string()));
        Ok(())
    }
}
