//! What a user sees of the log: their rooms, each from the place at which they were first entitled to it, and what
//! they have read of it.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::{Notification, NotificationId, Position, Room, Timestamp, UserId};

mod request;

/// Beyond this, unread is not counted further: it is shown as `9+` anyway, and counting must not cost more for a
/// neglected inbox than for a kept one.
pub const UNREAD_BOUND: u32 = 1_000;

/// A room, and since when it is this user's: rows after `since` are theirs to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// The room.
    pub room: Room,
    /// The log's head when the user was first met in a shared room; [`Position::START`] for rooms of their own.
    pub since: Position,
}

/// A user who has entered their inbox ([`ports::Inbox::enter`](crate::ports::Inbox::enter)): the proof that reading
/// asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitled {
    /// Who.
    pub user_id: UserId,
    /// What they may see, in the order of [`Principal::rooms`](crate::Principal::rooms).
    pub rooms: Vec<Entitlement>,
}

/// Which notifications a listing takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadStatus {
    /// All of them.
    #[default]
    All,
    /// Those not read.
    Unread,
    /// Those read.
    Read,
}

/// What to list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListQuery {
    /// At most this many, 1 to 100.
    pub limit: u32,
    /// Only those older than this one.
    pub before: Option<NotificationId>,
    /// Only those in this state.
    pub status: ReadStatus,
}

impl ListQuery {
    /// The most a listing gives at once.
    pub const MAX_LIMIT: u32 = 100;
    /// What it gives unless asked.
    pub const DEFAULT_LIMIT: u32 = 20;
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { limit: Self::DEFAULT_LIMIT, before: None, status: ReadStatus::All }
    }
}

/// A page of an inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Newest first.
    pub items: Vec<InboxItem>,
    /// The `before` that continues this page; `None` at the end.
    pub next: Option<NotificationId>,
}

/// A notification as one reader sees it; serialised, it is the contract's notification object.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxItem {
    /// What was said.
    pub notification: Notification,
    /// When this reader read it, if they have.
    pub read_at: Option<Timestamp>,
}

impl Serialize for InboxItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.notification, self.read_at, serializer)
    }
}

impl Serialize for Notification {
    /// As its readers see it before they have read it: the form that is pushed.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self, None, serializer)
    }
}

/// A notification of a type that is not to be pushed as it is: what it takes to fetch it, and nothing of what it says.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<'a>(pub &'a Notification);

impl Serialize for Sealed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(n) = self;
        let mut object = serializer.serialize_struct("Notification", 7)?;
        object.serialize_field("id", &n.id)?;
        object.serialize_field("event", &n.event)?;
        object.serialize_field("type", &n.kind)?;
        object.serialize_field("priority", &n.priority)?;
        object.serialize_field("isRead", &false)?;
        object.serialize_field("sensitive", &true)?;
        object.serialize_field("createdAt", &n.created_at)?;
        object.end()
    }
}

fn serialize<S: Serializer>(
    n: &Notification,
    read_at: Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_struct("Notification", 14)?;
    object.serialize_field("id", &n.id)?;
    object.serialize_field("event", &n.event)?;
    object.serialize_field("type", &n.kind)?;
    object.serialize_field("title", &n.title)?;
    object.serialize_field("message", &n.message)?;
    object.serialize_field("data", &n.data)?;
    object.serialize_field("priority", &n.priority)?;
    object.serialize_field("actionUrl", &n.action_url)?;
    object.serialize_field("isRead", &read_at.is_some())?;
    object.serialize_field("readAt", &read_at)?;
    object.serialize_field("createdAt", &n.created_at)?;
    object.serialize_field("updatedAt", &read_at.unwrap_or(n.created_at))?;
    object.serialize_field("expiresAt", &n.expires_at)?;
    object.serialize_field("timestamp", &n.created_at)?;
    object.end()
}

/// What a reader says of some notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// These are read.
    Read(Vec<NotificationId>),
    /// These are unread again.
    Unread(Vec<NotificationId>),
    /// This one and all older ones are read; one that came meanwhile stays unread.
    ReadUpTo(NotificationId),
    /// Everything there is at this moment is read.
    ReadAll,
}

/// What a mark led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// What is unread now, at most [`UNREAD_BOUND`].
    pub unread: u32,
    /// For [`Mark::ReadAll`], the newest notification it covered, if there was any.
    pub newest: Option<NotificationId>,
}
