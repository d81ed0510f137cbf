//! Time and chance.

use crate::{EventId, NotificationId, Timestamp};

/// The wall clock.
pub trait Clock: Send + Sync {
    /// Now. It may jump; nothing about order rests on it.
    fn now(&self) -> Timestamp;
}

/// Where ids come from.
pub trait MintIds: Send + Sync {
    /// An id that no other notification has.
    fn notification_id(&self) -> NotificationId;
    /// An id that no other publish has.
    fn event_id(&self) -> EventId;
}
