//! Broadcasts: what those in charge say to everyone, or to a role, now or at a time.
//!
//! ```text
//!   create ─▶ scheduled ─── its time has come ───▶ sent ─▶ one row per room of its audience
//!                 │ ▲ └──── called off ──────────▶ canceled
//!                 └─┘ └──── too late, or over ───▶ missed
//!               edited
//! ```
//!
//! One without a time is due at once, and goes the same way: whichever node is alive sends it. Its id is the event id of
//! its publish, so `GET /api/v1/events/{id}` tells what became of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use crate::{ActionUrl, BadId, Data, EventId, Kind, Notification, NotificationId, Priority, Room, Timestamp};

mod draft;
mod request;
mod stored;

/// What kind of broadcast it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BroadcastKind {
    /// Something to know.
    Announcement,
    /// Something will be away, from its start to its end.
    Maintenance,
    /// Something to see now, and to acknowledge.
    Emergency,
}

impl BroadcastKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Announcement, Self::Maintenance, Self::Emergency];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announcement => "announcement",
            Self::Maintenance => "maintenance",
            Self::Emergency => "emergency",
        }
    }

    /// The `priority` of its notifications.
    #[must_use]
    pub const fn priority(self) -> Priority {
        match self {
            Self::Announcement => Priority::Medium,
            Self::Maintenance => Priority::High,
            Self::Emergency => Priority::Urgent,
        }
    }

    /// The `type` of its notifications.
    const fn notification_type(self) -> &'static str {
        match self {
            Self::Announcement => "ANNOUNCEMENT",
            Self::Maintenance => "MAINTENANCE",
            Self::Emergency => "EMERGENCY",
        }
    }
}

impl FromStr for BroadcastKind {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, &'static str> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == word);
        known.ok_or("must be one of announcement, maintenance, emergency")
    }
}

/// How far a broadcast has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BroadcastStatus {
    /// It waits for its time, and may be changed or called off.
    Scheduled,
    /// It is in the log.
    Sent,
    /// It was called off, and will never be sent.
    Canceled,
    /// No node could send it in time, and none ever will.
    Missed,
}

impl BroadcastStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Scheduled, Self::Sent, Self::Canceled, Self::Missed];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Sent => "sent",
            Self::Canceled => "canceled",
            Self::Missed => "missed",
        }
    }
}

impl FromStr for BroadcastStatus {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, &'static str> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == word);
        known.ok_or("must be one of scheduled, sent, canceled, missed")
    }
}

/// One broadcast. A UUIDv7, and the id of the publish that sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct BroadcastId(EventId);

impl BroadcastId {
    /// The id with these bits, as a store kept them.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(EventId::from_uuid(uuid))
    }

    /// The bits, for a store.
    #[must_use]
    pub const fn as_uuid(self) -> Uuid {
        self.0.as_uuid()
    }

    /// The id of the publish that sends it.
    #[must_use]
    pub const fn event_id(self) -> EventId {
        self.0
    }
}

impl From<EventId> for BroadcastId {
    fn from(id: EventId) -> Self {
        Self(id)
    }
}

impl FromStr for BroadcastId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        text.parse().map(Self)
    }
}

impl fmt::Display for BroadcastId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is to be said, to whom and when; it has been checked.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BroadcastDraft {
    /// What kind it is.
    pub kind: BroadcastKind,
    /// A line; plain text.
    pub title: String,
    /// A few lines; plain text.
    pub message: String,
    /// The rooms that hear it, no two of which a user has at the same time: `all` alone, or roles.
    pub audience: Vec<Room>,
    /// Where a click leads.
    pub action_url: Option<ActionUrl>,
    /// When to send it; `None` for at once.
    pub publish_at: Option<Timestamp>,
    /// When maintenance begins.
    pub starts_at: Option<Timestamp>,
    /// When maintenance ends.
    pub ends_at: Option<Timestamp>,
    /// From when on it is neither listed, counted nor replayed.
    pub expires_at: Option<Timestamp>,
}

/// Without the content, for the same reason as [`Notification`]'s.
impl fmt::Debug for BroadcastDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("BroadcastDraft");
        shown
            .field("kind", &self.kind)
            .field("audience", &self.audience)
            .field("publish_at", &self.publish_at);
        shown.finish_non_exhaustive()
    }
}

/// A broadcast as it is kept; serialised, it is the API's.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broadcast {
    /// Its id.
    pub id: BroadcastId,
    /// How far it has come.
    pub status: BroadcastStatus,
    /// One more with each change of the draft; 1 at first.
    pub version: u32,
    /// What is said. `publish_at` is always set here.
    #[serde(flatten)]
    pub draft: BroadcastDraft,
    /// Whether it was sent more than [`Broadcast::LATE`] after its time.
    pub late: bool,
    /// When it was sent, by the store's clock.
    pub sent_at: Option<Timestamp>,
    /// Who made it: `user:ID`.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was last changed, sent, called off or missed.
    pub updated_at: Timestamp,
}

impl Broadcast {
    /// From here on a broadcast is called late.
    pub const LATE: Duration = Duration::from_secs(60);
    /// From here on it is not sent any more: after an outage, yesterday's word may be wrong today.
    pub const MISSED: Duration = Duration::from_secs(3_600);

    /// When it is to be sent.
    #[must_use]
    pub fn due_at(&self) -> Timestamp {
        self.draft.publish_at.unwrap_or(self.created_at)
    }

    /// Whether it is too late to send it at `now`, or it would be over as it came.
    #[must_use]
    pub fn is_missed(&self, now: Timestamp) -> bool {
        self.due_at().saturating_add(Self::MISSED) < now
            || self.draft.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether one that is sent at `now` is late.
    #[must_use]
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.due_at().saturating_add(Self::LATE) < now
    }

    /// What it becomes in one of its rooms. `late` and the time for which it was meant are said where they matter.
    pub(crate) fn notification(&self, id: NotificationId, now: Timestamp) -> Option<Notification> {
        let BroadcastDraft { kind, title, message, action_url, starts_at, ends_at, expires_at, .. } =
            &self.draft;
        let is_late = self.is_late(now);
        let instants =
            [("startsAt", *starts_at), ("endsAt", *ends_at), ("publishAt", is_late.then(|| self.due_at()))];
        let data = [("broadcastId", self.id.to_string().into())].into_iter();
        let data = data.chain(is_late.then_some(("late", true.into())));
        let instants = instants.iter().filter_map(|(name, at)| Some((*name, (*at)?.to_string().into())));
        let data = data.chain(instants).map(|(name, value)| (name.to_owned(), value)).collect();
        Some(Notification {
            id,
            event: None,
            kind: kind.notification_type().parse::<Kind>().ok()?,
            title: title.clone(),
            message: message.clone(),
            data: Data::new(&data).ok()?,
            priority: kind.priority(),
            action_url: action_url.clone(),
            created_at: now,
            expires_at: *expires_at,
        })
    }
}

/// Which broadcasts a listing takes, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BroadcastQuery {
    /// At most this many.
    pub limit: u32,
    /// Only those made before this one.
    pub before: Option<BroadcastId>,
    /// Only those of this kind.
    pub kind: Option<BroadcastKind>,
    /// Only those that have come so far.
    pub status: Option<BroadcastStatus>,
}
