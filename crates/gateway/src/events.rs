//! What clients may say (contract §4), and what they are answered.

use std::sync::Arc;

use carillon_domain::ports::PortError;
use carillon_domain::{
    BroadcastError, Broadcaster, DoctorState, Entitled, Faults, InboxItem, ListQuery, Mark, NotificationId,
    Principal, ReadError, Reader, Timestamp, UserId,
};
use carillon_protocol::socket::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attendance::{Attendance, MOST_WATCHED};
use crate::gateway::Gateway;

/// The event that brings a fresh token: the one that changes its socket.
pub(crate) const REFRESH: &str = "auth:refresh";

/// The one argument of an acknowledgement: `{ok:true, …}` or `{ok:false, error:{code, message}}`.
#[derive(Serialize)]
pub(crate) struct Answer {
    ok: bool,
    #[serde(flatten)]
    body: Body,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Listed { items: Vec<InboxItem>, page: Next, unread: u32 },
    Marked { unread: u32 },
    Refreshed(Refreshed),
    Acknowledged(Acknowledged),
    Watching { doctors: Vec<DoctorState> },
    Unwatched {},
    Refused { error: Refused },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refreshed {
    expires_at: Timestamp,
    /// Said when the rooms are others now: what was said in the new ones earlier is in the inbox.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reload: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Acknowledged {
    acked_at: Timestamp,
}

#[derive(Serialize)]
struct Next {
    next: Option<NotificationId>,
}

/// Why an event had no effect.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refused {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Answer {
    fn good(body: Body) -> Self {
        Self { ok: true, body }
    }

    fn refused(code: &'static str, message: impl Into<String>) -> Self {
        let error = Refused { code, message: message.into(), retry_after_ms: None };
        Self { ok: false, body: Body::Refused { error } }
    }

    /// A fresh token counts; `reload` if the rooms are others by it.
    pub(crate) fn refreshed(expires_at: Timestamp, reload: bool) -> Self {
        Self::good(Body::Refreshed(Refreshed { expires_at, reload }))
    }

    /// Too many events; in this many milliseconds the next one is taken.
    pub(crate) fn rate_limited(retry_after_ms: u64) -> Self {
        let message = "too many events".into();
        let error = Refused { code: "rate_limited", message, retry_after_ms: Some(retry_after_ms) };
        Self { ok: false, body: Body::Refused { error } }
    }
}

/// Does what a client asked for, on behalf of the user it authenticated as.
pub(crate) async fn answer(
    reader: Reader,
    who: Arc<Entitled>,
    socket_id: String,
    name: String,
    args: Args,
) -> Answer {
    let Ok(argument) = args.get::<Value>(0) else {
        return Answer::refused("bad_request", "the argument cannot be read");
    };
    let outcome = match name.as_str() {
        "notification:list" => match ListQuery::parse(or_empty(argument)) {
            Ok(query) => list(&reader, &who, query).await,
            Err(faults) => return bad_request(&faults),
        },
        "notification:read" => match Mark::parse_read(argument) {
            Ok(mark) => set(&reader, &who, mark, &socket_id).await,
            Err(faults) => return bad_request(&faults),
        },
        "notification:unread" => match Mark::parse_unread(argument) {
            Ok(mark) => set(&reader, &who, mark, &socket_id).await,
            Err(faults) => return bad_request(&faults),
        },
        _ => return Answer::refused("unknown_event", "no such event"),
    };
    outcome.map_or_else(|fault| read_error(&fault), Answer::good)
}

/// The event by which someone says that they have seen an emergency.
pub(crate) const ACK: &str = "announcement:ack";

/// `announcement:ack {id}`
pub(crate) async fn acknowledge(broadcaster: &Broadcaster, who: &Entitled, args: &Args) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Emergency {
        id: String,
    }
    let id = args.get(0).ok().and_then(|Emergency { id }| id.parse().ok());
    let Some(id) = id else { return Answer::refused("bad_request", "the argument is {id}") };
    match broadcaster.acknowledge(who, id).await {
        Ok(acked_at) => Answer::good(Body::Acknowledged(Acknowledged { acked_at })),
        Err(BroadcastError::Store(fault)) => unavailable(&fault),
        Err(_) => Answer::refused("not_found", "no such emergency"),
    }
}

/// The events by which a socket watches doctors, and no longer.
pub(crate) const WATCH: &str = "presence:watch";
pub(crate) const UNWATCH: &str = "presence:unwatch";

/// Begins or ends watching doctors. Whoever begins is told how things stand, and from then on what changes.
pub(crate) async fn watch(attendance: &Attendance, socket_id: &str, name: &str, args: &Args) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Doctors {
        doctor_ids: Vec<UserId>,
    }
    let Ok(Doctors { doctor_ids: ids }) = args.get(0) else {
        return Answer::refused("bad_request", "the argument is {doctorIds: [ids]}");
    };
    let is_over = name == UNWATCH;
    if attendance.watch(socket_id, &ids, is_over).is_err() {
        return Answer::refused("bad_request", format!("a socket may watch {MOST_WATCHED} doctors"));
    }
    if is_over {
        return Answer::good(Body::Unwatched {});
    }
    match attendance.reception().doctors(&ids).await {
        Ok(doctors) => Answer::good(Body::Watching { doctors }),
        Err(fault) => unavailable(&fault),
    }
}

/// What `auth:refresh` leads to.
pub(crate) struct Fresh {
    pub(crate) principal: Principal,
    /// What they are entitled to, if their rooms are others now.
    pub(crate) who: Option<Entitled>,
}

/// `auth:refresh {token}`: a fresh token for the user that a socket has authenticated as.
pub(crate) async fn refresh(gateway: &Gateway, who: &Entitled, args: &Args) -> Result<Fresh, Answer> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Token {
        token: String,
    }
    let Ok(Token { token }) = args.get(0) else {
        return Err(Answer::refused("bad_request", "the argument is {token}"));
    };
    let principal = gateway.admission.renew(&who.user_id, &token).map_err(|refusal| {
        tracing::debug!(?refusal, "a fresh token was refused");
        Answer::refused(refusal.code(), refusal.to_string())
    })?;
    let is_same = who.rooms.iter().map(|entitlement| &entitlement.room).eq(principal.rooms());
    let who = if is_same {
        None
    } else {
        Some(gateway.reader.enter(&principal).await.map_err(|fault| unavailable(&fault))?)
    };
    Ok(Fresh { principal, who })
}

/// A listing may be asked for without an argument.
fn or_empty(argument: Value) -> Value {
    if argument.is_null() { Value::Object(serde_json::Map::new()) } else { argument }
}

async fn list(reader: &Reader, who: &Entitled, query: ListQuery) -> Result<Body, ReadError> {
    let (listing, unread) = reader.list(who, query).await?;
    Ok(Body::Listed { items: listing.items, page: Next { next: listing.next }, unread })
}

async fn set(reader: &Reader, who: &Entitled, mark: Mark, socket_id: &str) -> Result<Body, ReadError> {
    let unread = reader.mark(who, mark, Some(socket_id)).await?;
    Ok(Body::Marked { unread })
}

fn bad_request(faults: &Faults) -> Answer {
    Answer::refused("bad_request", faults.to_string())
}

/// The one place where a reader's errors become what a socket is told.
fn read_error(fault: &ReadError) -> Answer {
    match fault {
        ReadError::NotFound => Answer::refused("not_found", "no such notification"),
        ReadError::Store(cause) => unavailable(cause),
    }
}

fn unavailable(cause: &PortError) -> Answer {
    tracing::warn!(error = %cause, "an event could not be served");
    Answer::refused("unavailable", "try again")
}
