//! The domain's types as they are serialised, for the document: the domain itself knows nothing of documents. That each is
//! what is really sent, field by field, is held by the tests, which check every answer.
#![expect(dead_code, reason = "these are described, never made")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use carillon_domain::{AuditAction, Readers as Limits};
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::bodies;

/// Types whose schema is built, not derived.
macro_rules! built {
    ($($name:ident = $schema:expr;)*) => {$(
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                object($schema)
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

built! {
    Id = json!({"type": "string", "format": "uuid", "description": "A UUIDv7: it sorts by time."});
    Instant = json!({"type": "string", "format": "date-time", "description": "In UTC, to the millisecond.",
        "examples": ["2026-11-22T19:27:00.123Z"]});
    UserId = bodies::user_id();
    Room = bodies::room();
    Kind = bodies::kind();
    Priority = bodies::priority();
    EventName = bodies::event_name();
    Data = bodies::data();
    Role = json!({"type": "string", "enum": carillon_domain::Role::ALL.map(carillon_domain::Role::as_str)});
    BroadcastKind = bodies::broadcast_kind();
    BroadcastStatus = bodies::broadcast_status();
    RoleName = bodies::role_name();
    Action = json!({"type": "string", "enum": AuditAction::ALL.map(AuditAction::as_str)});
}

/// Our own words are plain objects. What one would lose on the way, the test that compares it with its source would find.
pub(crate) fn object(schema: Value) -> RefOr<Schema> {
    serde_json::from_value::<Object>(schema).unwrap_or_default().into()
}

/// A notification as one reader sees it.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    id: Id,
    /// The domain event it came from; null for one that was addressed to rooms directly.
    #[schema(required)]
    event: Option<EventName>,
    r#type: Kind,
    /// A line. Plain text, never HTML.
    title: String,
    /// A few lines. Plain text, never HTML.
    message: String,
    data: Data,
    priority: Priority,
    /// Where a click leads: a path, or an `https://` URL.
    #[schema(required)]
    action_url: Option<String>,
    is_read: bool,
    #[schema(required)]
    read_at: Option<Instant>,
    created_at: Instant,
    /// When it was read, or else created.
    updated_at: Instant,
    /// From when on it is neither listed, counted nor replayed.
    #[schema(required)]
    expires_at: Option<Instant>,
    /// The same as `createdAt`.
    timestamp: Instant,
}

/// What is pushed of a notification whose type the operator calls sensitive; the rest is fetched by its id.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealedNotification {
    id: Id,
    #[schema(required)]
    event: Option<EventName>,
    r#type: Kind,
    priority: Priority,
    is_read: bool,
    /// Always true.
    sensitive: bool,
    created_at: Instant,
}

/// What became of one publish.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explained {
    event_id: Id,
    /// The domain event; null for a plain notification.
    #[schema(required)]
    event: Option<EventName>,
    /// When it was accepted to be stored.
    created_at: Instant,
    /// What it became, in the log's order.
    notifications: Vec<Trace>,
}

/// What became of one notification.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    id: Id,
    room: Room,
    read_by: Readers,
    /// For how many sockets and streams each node, by its name, has queued it.
    reached: BTreeMap<String, u64>,
}

/// Who has read a notification.
#[derive(ToSchema)]
pub(crate) struct Readers {
    /// Counted no further than 1,000.
    #[schema(maximum = 1000)]
    count: u32,
    /// Some of them, at most 100, in the order of their ids.
    #[schema(max_items = 100)]
    users: Vec<UserId>,
}

const _: () = assert!(Limits::BOUND == 1_000 && Limits::NAMED == 100, "as Readers is described");

/// Something that was done by those in charge.
#[derive(ToSchema)]
pub(crate) struct AuditEntry {
    /// Its number: 1 is the first, and there are no holes.
    id: u64,
    /// When, by the store's clock.
    at: Instant,
    /// Who: `user:ID`, the name of a publish key, or `sql`.
    actor: String,
    action: Action,
    /// To which broadcast or user.
    subject: String,
    /// What is to be known besides; never a title or a message.
    #[schema(value_type = Object)]
    detail: Data,
}

/// What admins say to everyone or to roles.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Broadcast {
    /// Also the event id of its publish.
    id: Id,
    status: BroadcastStatus,
    /// One more with each change; 1 at first.
    version: u32,
    kind: BroadcastKind,
    title: String,
    message: String,
    audience: Vec<Room>,
    #[schema(required)]
    action_url: Option<String>,
    publish_at: Instant,
    /// For maintenance.
    #[schema(required)]
    starts_at: Option<Instant>,
    /// For maintenance.
    #[schema(required)]
    ends_at: Option<Instant>,
    #[schema(required)]
    expires_at: Option<Instant>,
    /// Whether it was sent more than a minute after its time.
    late: bool,
    #[schema(required)]
    sent_at: Option<Instant>,
    /// `user:ID`
    created_by: String,
    created_at: Instant,
    /// When it was last changed, sent, called off or missed.
    updated_at: Instant,
}

/// A page of broadcasts.
#[derive(ToSchema)]
pub(crate) struct BroadcastPage {
    /// Newest first.
    items: Vec<Broadcast>,
    /// The `before` that continues; null at the end.
    page: Next,
}

/// How many have acknowledged, of how many.
#[derive(ToSchema)]
pub(crate) struct Share {
    acked: u64,
    /// Users of the room who had been here before it was sent.
    of: u64,
}

/// How an emergency is taken.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tally {
    broadcast_id: Id,
    /// Of its whole audience.
    acked: u64,
    of: u64,
    /// Of each role in its audience. A user who has changed roles may be in two of them.
    by_role: BTreeMap<RoleName, Share>,
}

/// How an emergency is taken, and a page of those whom it is for.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Acks {
    broadcast_id: Id,
    /// Of its whole audience.
    acked: u64,
    of: u64,
    /// Of each role in its audience.
    by_role: BTreeMap<RoleName, Share>,
    /// By role, and in each by id.
    items: Vec<Recipient>,
    /// The `after` that continues; null at the end.
    page: Next,
}

/// One of those whom an emergency is for.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recipient {
    user_id: UserId,
    role: RoleName,
    /// When they acknowledged it, if they have.
    #[schema(required)]
    acked_at: Option<Instant>,
}

/// How many are here. Users count once, whatever they have open; SUPER_ADMIN counts as admin.
#[derive(ToSchema)]
pub(crate) struct Counts {
    admin: u64,
    doctor: u64,
    patient: u64,
    /// Sockets, of all nodes.
    connections: u64,
}

/// Whether a doctor is here.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DoctorState {
    /// The id that was asked for: the user's or the profile's.
    doctor_id: UserId,
    online: bool,
    /// When they last were here, if they are not and ever were.
    #[schema(required)]
    last_seen: Option<Instant>,
}

/// Whether a user is here.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserState {
    user_id: UserId,
    /// It is known of those alone who are here.
    #[schema(required)]
    email: Option<String>,
    role: Role,
    online: bool,
    /// When they last were here, if they are not.
    #[schema(required)]
    last_seen: Option<Instant>,
}

/// Where the next page begins.
#[derive(ToSchema)]
pub(crate) struct Next {
    /// Null at the end.
    #[schema(required)]
    next: Option<String>,
}

/// One thing wrong with a body or a query.
#[derive(ToSchema)]
pub(crate) struct Fault {
    /// Where, as a JSON pointer (RFC 6901); empty for the whole.
    pointer: String,
    /// What, for a person; it never repeats the value.
    detail: String,
}
