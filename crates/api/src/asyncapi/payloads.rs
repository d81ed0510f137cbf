//! What is said on sockets and nowhere else, as it is serialised.
#![expect(dead_code, reason = "these are described, never made")]

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::openapi::schemas::{Id, Instant, Role, UserId, object};

/// Where a client is in the log; the last argument of what it comes with.
pub(super) struct Offset;

impl PartialSchema for Offset {
    fn schema() -> RefOr<Schema> {
        object(json!({"type": "string", "pattern": r"^[0-9a-z]+\.[0-9a-z]+$",
            "description": "Where in the log this is. To be sent back as it is, and compared with nothing."}))
    }
}

impl ToSchema for Offset {
    fn name() -> Cow<'static, str> {
        "Offset".into()
    }
}

/// Where a client stands, once after every accepted CONNECT.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct InboxState {
    /// 1,000 means that or more.
    unread: u32,
    server_time: Instant,
    /// Whether the client has everything, with what came just before this; or else it loads its inbox.
    recovered: bool,
}

/// What the user marked on another socket.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Marked {
    /// These.
    #[serde(default)]
    ids: Vec<Id>,
    /// This one and all older ones.
    #[serde(default)]
    up_to: Id,
    /// 1,000 means that or more.
    unread: u32,
}

/// A token's end.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Expiring {
    expires_at: Instant,
}

/// A user who is here, or no more.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserNews {
    user_id: UserId,
    #[schema(required)]
    email: Option<String>,
    role: Role,
    timestamp: Instant,
    /// With `user:offline`: why the last connection ended.
    #[serde(default)]
    reason: String,
}

/// A fresh token counts.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refreshed {
    expires_at: Instant,
    /// True when the rooms are others now: what was said in them earlier is in the inbox.
    #[serde(default)]
    reload: bool,
}

/// An event that had no effect.
#[derive(ToSchema)]
pub(super) struct Refused {
    ok: bool,
    #[schema(inline)]
    error: Reason,
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
struct Reason {
    code: Code,
    /// For a person.
    message: String,
    /// With `rate_limited`.
    #[serde(default)]
    retry_after_ms: u64,
}

/// Why an event had no effect. Stable: for a program.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RefusedCode)]
enum Code {
    BadRequest,
    UnknownEvent,
    RateLimited,
    NotFound,
    Forbidden,
    Unavailable,
    TokenMissing,
    TokenInvalid,
    TokenExpired,
    UserBlocked,
}
