//! When users were last here, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::ports::{LastSeen, PortError, Seen};
use crate::{Role, UserId};

/// The plainest [`LastSeen`].
#[derive(Debug, Default)]
pub struct MemorySeen(Mutex<BTreeMap<UserId, Seen>>);

#[async_trait]
impl LastSeen for MemorySeen {
    async fn keep(&self, seen: &[Seen]) -> Result<(), PortError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for seen in seen {
            if known.get(&seen.user_id).is_none_or(|known| known.at < seen.at) {
                known.insert(seen.user_id.clone(), seen.clone());
            }
        }
        Ok(())
    }

    async fn doctors(&self, ids: &[UserId]) -> Result<Vec<Seen>, PortError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_named = |seen: &&Seen| {
            ids.contains(&seen.user_id) || seen.profile_id.as_ref().is_some_and(|id| ids.contains(id))
        };
        Ok(known.values().filter(|seen| seen.role == Role::Doctor).filter(is_named).cloned().collect())
    }

    async fn users(
        &self,
        role: Option<Role>,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Seen>, PortError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = known
            .values()
            .filter(|seen| after.is_none_or(|after| seen.user_id > *after))
            .filter(|seen| role.is_none_or(|role| seen.role == role));
        Ok(wanted.take(limit as usize).cloned().collect())
    }
}
