//! What a notification is and what must hold of it: the inner floor of Carillon.
//!
//! No IO, no runtime and no clock live here, so that another Rust service can depend on this crate for its types
//! alone (`default-features = false`, fewer than 40 crates), and so that the parts that must never be wrong can be
//! simulated. Time, ids and the outside world arrive through [`ports`].
//!
//! The walk of one notification: a [`Draft`] is parsed from what a service posted and names its [`Room`]s; the
//! [`Publisher`] gathers drafts and appends them to the [`ports::Log`], which gives each row its [`Position`]; a
//! node's [`Follower`] puts the rows it hears of in order; the [`Reader`] lists, counts and marks them for the
//! [`Principal`] whom [`Admission`] let in.
//!
//! ```
//! use carillon_domain::{Draft, Room};
//!
//! let body = serde_json::json!({
//!     "event": "prescription:created",
//!     "data": {"prescriptionId": "rx-7", "patientId": "42"},
//! });
//! let draft = Draft::parse_event(body).unwrap();
//! assert_eq!(draft.rooms(), [Room::patient(&"42".parse().unwrap())]);
//!
//! // All faults at once, each with a JSON pointer.
//! let faults = Draft::parse_event(serde_json::json!({"event": "review:created", "data": {}})).unwrap_err();
//! assert_eq!(faults.iter().map(|f| f.pointer.as_str()).collect::<Vec<_>>(), ["/data/reviewId", "/data/doctorId"]);
//! ```

/// Whether a wrong design is being tried ([`testing::Mutant`]); outside tests it never is.
#[cfg(any(test, feature = "testing"))]
macro_rules! mutated {
    ($mutant:ident) => {
        crate::testing::Mutant::$mutant.is_on()
    };
}
#[cfg(not(any(test, feature = "testing")))]
macro_rules! mutated {
    ($mutant:ident) => {
        false
    };
}

mod acks;
mod admission;
mod audit;
mod blocking;
mod broadcast;
mod broadcaster;
mod draft;
mod drain;
mod emit;
mod eraser;
mod event;
mod explain;
mod fault;
mod follower;
mod id;
mod inbox;
mod intake;
mod kind_rules;
mod log;
mod memo;
mod muting;
mod notification;
pub mod ports;
mod preferences;
mod presence;
mod principal;
mod publisher;
mod reader;
mod reception;
mod recovery;
mod room;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;

pub use acks::{Recipient, RecipientCursor, RecipientQuery, RoleName, Share, Tally};
pub use admission::{Admission, Refusal, bearer};
pub use audit::{AuditAction, AuditEntry, AuditNote, AuditQuery, AuditSince};
pub use blocking::{BlockList, Blocked, status_change};
pub use broadcast::{Broadcast, BroadcastDraft, BroadcastId, BroadcastKind, BroadcastQuery, BroadcastStatus};
pub use broadcaster::{BroadcastError, Broadcaster, Stepped};
pub use draft::{ActionUrl, Draft, MAX_MESSAGE, MAX_ROOMS, MAX_TITLE, MAX_URL};
pub use drain::{Drain, Drained};
pub use emit::{Audience, Emit};
pub use eraser::{EraseError, Eraser};
pub use event::{
    AppointmentCanceled, AppointmentCreated, AppointmentUpdated, EventName, Payload, PaymentCompleted,
    PrescriptionCreated, ROUTES, ReviewCreated, RoomRule, Route, ScheduleUpdated, Status, UserStatusChanged,
};
pub use explain::{Explained, Readers, Trace};
pub use fault::{Fault, Faults};
pub use follower::{Follower, Step};
pub use id::{BadId, EventId, NotificationId, UserId};
pub use inbox::{
    Entitled, Entitlement, InboxItem, ListQuery, Listing, Mark, Marked, ReadStatus, Sealed, UNREAD_BOUND,
};
pub use intake::{Intake, Intaken, Posting};
pub use kind_rules::KindRules;
pub use log::{BadOffset, Epoch, Head, Hint, Offset, Page, Position, Row};
pub use memo::Memo;
pub use muting::{MuteList, Muters, Muting, Mutings, Span, is_mutable};
pub use notification::{Data, Kind, Notification, Priority};
pub use preferences::{Preferences, PreferencesError};
pub use presence::{Counts, News, Offline, Person, Presence, Roster};
pub use principal::{Principal, Role, UnknownRole};
pub use publisher::{AppendLimits, Appender, IdempotencyKey, PublishError, Published, Publisher};
pub use reader::{ReadError, Reader};
pub use reception::{DoctorState, Reception, UserPage, UserState};
pub use recovery::{Loss, Pid, Plan, Returning};
pub use room::{BadRoom, Room};
pub use time::Timestamp;
