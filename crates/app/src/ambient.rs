//! The process's own time and chance.

use carillon_domain::ports::{Clock, MintIds};
use carillon_domain::{EventId, NotificationId, Timestamp};
use uuid::Uuid;

/// The machine's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        jiff::Timestamp::now().into()
    }
}

/// UUIDv7 from the machine's clock and generator (RFC 9562 §5.7).
pub(crate) struct RandomIds;

impl MintIds for RandomIds {
    fn notification_id(&self) -> NotificationId {
        NotificationId::from_uuid(Uuid::now_v7())
    }

    fn event_id(&self) -> EventId {
        EventId::from_uuid(Uuid::now_v7())
    }
}
