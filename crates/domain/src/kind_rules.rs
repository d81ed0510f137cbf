//! What an operator decides of single types of notifications.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::{Kind, Notification, Timestamp};

/// The rules of all types that have any.
#[derive(Debug, Clone, Default)]
pub struct KindRules {
    /// Of these nothing is pushed but that there is something ([`Sealed`](crate::Sealed)).
    pub sensitive: HashSet<Kind>,
    /// For how long these are kept, where that is less than for all others.
    pub retention: HashMap<Kind, Duration>,
}

impl KindRules {
    /// Whether a notification is not to be pushed as it is.
    #[must_use]
    pub fn is_sensitive(&self, notification: &Notification) -> bool {
        self.sensitive.contains(&notification.kind)
    }

    /// Whether a notification is kept no longer: the store deletes it within the hour.
    #[must_use]
    pub fn is_over(&self, notification: &Notification, now: Timestamp) -> bool {
        let kept = self.retention.get(&notification.kind);
        kept.is_some_and(|kept| notification.created_at.saturating_add(*kept) <= now)
    }
}
