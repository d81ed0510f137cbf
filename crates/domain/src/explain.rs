//! What became of one publish, for whoever wonders where it went. Nothing of its content.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{EventId, EventName, NotificationId, Room, Timestamp, UserId};

/// One publish that is in the log; serialised, it is the API's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Which.
    pub event_id: EventId,
    /// The domain event; `None` for a plain notification.
    pub event: Option<EventName>,
    /// When it was accepted to be stored.
    pub created_at: Timestamp,
    /// What it became, in the log's order.
    pub notifications: Vec<Trace>,
}

/// What became of one notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// Which.
    pub id: NotificationId,
    /// Who hears it.
    pub room: Room,
    /// Who has read it.
    pub read_by: Readers,
    /// For how many sockets and streams each node, by its name, has queued it. Who came back for it again counts again.
    pub reached: BTreeMap<String, u64>,
}

/// The readers of one notification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Readers {
    /// How many, counted no further than [`Readers::BOUND`].
    pub count: u32,
    /// Some of them, at most [`Readers::NAMED`] and in the order of their ids; all of them if there are no more.
    pub users: Vec<UserId>,
}

impl Readers {
    /// Beyond this, readers are not counted.
    pub const BOUND: u32 = 1_000;
    /// Beyond this, they are not named.
    pub const NAMED: usize = 100;
    /// Candidates that are looked at for them: users who have read their room up to the notification or beyond, and may
    /// have entered it later. Only where more than these have is the count, perhaps, too low.
    pub const LOOKED_AT: u32 = 10_000;

    /// These, found within the bound.
    #[must_use]
    pub fn new(mut users: Vec<UserId>) -> Self {
        let count = u32::try_from(users.len()).unwrap_or(u32::MAX).min(Self::BOUND);
        users.sort_unstable();
        users.truncate(Self::NAMED);
        Self { count, users }
    }
}
