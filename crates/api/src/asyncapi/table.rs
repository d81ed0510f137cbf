//! The table of all that is said, with examples.

use serde_json::{Value, json};

use super::{Talk, payloads};
use crate::openapi::{bodies, schemas};

const ID: &str = "0198c1de-7d5a-7c3e-9d5f-2a6b0c1d2e3f";
const AT: &str = "2026-11-22T19:27:00.123Z";

/// Doctors that one socket may watch.
const MOST_WATCHED: usize = 100;

pub(super) fn fill(talk: &mut Talk) {
    connecting(talk);
    inbox(talk);
    presence(talk);
    emergencies(talk);
    tokens(talk);
}

/// The packets before any event: they are no events, and their payload is no list.
fn connecting(talk: &mut Talk) {
    let auth = json!({"type": "object", "properties": {
        "token": {"type": "string", "description": "A JWT; or else it is in the `Authorization` header of the handshake."},
        "since": {"type": "string", "description": "The last offset that a page noted before it was loaded again."},
    }});
    let accepted = json!({"type": "object", "required": ["sid", "pid"], "properties": {
        "sid": {"type": "string", "description": "`socket.id`"},
        "pid": {"type": "string", "description": "Sent back by the client when it returns, for its session."},
    }});
    let codes = [
        "token_missing",
        "token_invalid",
        "token_expired",
        "user_blocked",
        "too_many_connections",
        "draining",
    ];
    let refused = json!({"type": "object", "required": ["message"], "properties": {
        "message": {"type": "string"},
        "data": {"type": "object", "required": ["code"], "properties": {"code": {"enum": codes}},
            "description": "Missing where the namespace is not `/`."},
    }});
    talk.connects(
        (auth, json!({"token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl", "since": "1x4k.2c"})),
        (accepted, json!({"sid": "Cq3yZb0Wb7G0aJ1xAAAB", "pid": "v1.c2VhbGVk"})),
        (refused, json!({"message": "Authentication token expired", "data": {"code": "token_expired"}})),
    );
}

fn inbox(talk: &mut Talk) {
    let (offset, notification) =
        (talk.schemas.schema::<payloads::Offset>(), talk.schemas.schema::<schemas::Notification>());
    let sealed = talk.schemas.schema::<schemas::SealedNotification>();
    let state = talk.schemas.schema::<payloads::InboxState>();
    let example = json!([{"unread": 3, "serverTime": AT, "recovered": true}, "1x4k.2d"]);
    talk.tells(
        "inbox:state",
        "Once after every accepted CONNECT, after what was missed",
        &[state, offset.clone()],
        example,
    );
    talk.tells(
        "notification",
        "To those in its room",
        &[json!({"anyOf": [notification, sealed]}), offset],
        json!([notified(), "1x4k.2c"]),
    );
    let marked = talk.schemas.schema::<payloads::Marked>();
    let marks = [marked];
    talk.tells(
        "notification:read",
        "You read something elsewhere",
        &marks,
        json!([{"upTo": ID, "unread": 0}]),
    );
    talk.tells(
        "notification:unread",
        "You marked something unread elsewhere",
        &marks,
        json!([{"ids": [ID], "unread": 1}]),
    );
    for event in ["inbox:state", "notification", "notification:read", "notification:unread"] {
        talk.streams(event);
    }

    let page = crate::inbox::page_schema(&mut talk.schemas);
    let list = json!({"items": [notified()], "page": {"next": null}, "unread": 3, "ok": true});
    let asked = json!({"limit": 20, "status": "unread"});
    talk.hears("notification:list", "Your inbox, newest first", (bodies::list(), 0), (asked, page), list);
    let unread = || json!({"type": "object", "required": ["unread"], "properties": {"unread": {"type": "integer", "minimum": 0}}});
    talk.hears(
        "notification:read",
        "Mark read",
        (bodies::read(), 1),
        (json!({"all": true}), unread()),
        json!({"ok": true, "unread": 0}),
    );
    let ids = (bodies::unread(), 1);
    talk.hears(
        "notification:unread",
        "Mark unread",
        ids,
        (json!({"ids": [ID]}), unread()),
        json!({"ok": true, "unread": 1}),
    );
}

fn presence(talk: &mut Talk) {
    let user = talk.schemas.schema::<payloads::UserNews>();
    let users = [user];
    let online = json!({"userId": "42", "email": "ann@clinic.example", "role": "PATIENT", "timestamp": AT});
    let mut offline = online.clone();
    offline["reason"] = "transport close".into();
    talk.tells("user:online", "To admins, once for each user", &users, json!([online]));
    talk.tells("user:offline", "To admins, once for each user", &users, json!([offline]));
    let counts = talk.schemas.schema::<schemas::Counts>();
    let example = json!([{"admin": 1, "doctor": 4, "patient": 20, "connections": 31}]);
    talk.tells("presence:counts", "To admins on change, at most once a second", &[counts], example);
    let doctor = talk.schemas.schema::<schemas::DoctorState>();
    let state = json!({"doctorId": "7", "online": false, "lastSeen": AT});
    talk.tells(
        "presence:doctor",
        "To those who watch that doctor",
        std::slice::from_ref(&doctor),
        json!([state]),
    );

    let ids = bodies::object(
        &[("doctorIds", json!({"type": "array", "maxItems": MOST_WATCHED, "items": bodies::user_id()}))],
        &[],
    );
    for event in ["user:online", "user:offline", "presence:counts"] {
        talk.streams(event);
    }
    let asked = json!({"doctorIds": ["7"]});
    let doctors = json!({"type": "object", "required": ["doctors"], "properties": {"doctors": {"type": "array", "items": doctor}}});
    let told = json!({"ok": true, "doctors": [state]});
    talk.hears(
        "presence:watch",
        "Watch doctors, until the connection ends",
        (ids.clone(), 1),
        (asked.clone(), doctors),
        told,
    );
    let nothing = json!({"type": "object", "required": []});
    talk.hears("presence:unwatch", "Watch them no longer", (ids, 1), (asked, nothing), json!({"ok": true}));
}

fn emergencies(talk: &mut Talk) {
    let tally = talk.schemas.schema::<schemas::Tally>();
    let example =
        json!([{"broadcastId": ID, "acked": 2, "of": 9, "byRole": {"patient": {"acked": 2, "of": 9}}}]);
    talk.tells(
        "broadcast:acks",
        "To admins while an emergency is acknowledged, at most once a second",
        &[tally],
        example,
    );
    let id = bodies::object(&[("id", bodies::uuid())], &[]);
    let acked = talk.schemas.plain::<crate::broadcasts::Acked>();
    let told = json!({"ok": true, "ackedAt": AT});
    talk.hears("announcement:ack", "You have seen this emergency", (id, 1), (json!({"id": ID}), acked), told);
}

fn tokens(talk: &mut Talk) {
    let expiring = talk.schemas.schema::<payloads::Expiring>();
    let at = json!({"expiresAt": AT});
    talk.tells("auth:expiring", "A minute before your token ends", &[expiring], json!([at]));
    let token = bodies::object(
        &[("token", json!({"type": "string", "description": "A fresh one of the same user."}))],
        &[],
    );
    let refreshed = talk.schemas.plain::<payloads::Refreshed>();
    let asked = json!({"token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"});
    talk.hears(
        "auth:refresh",
        "Stay, by a fresh token",
        (token, 1),
        (asked, refreshed),
        json!({"ok": true, "expiresAt": AT}),
    );
}

fn notified() -> Value {
    json!({
        "id": ID, "event": "payment:completed", "type": "PAYMENT_COMPLETED", "title": "Payment completed",
        "message": "A payment was completed.", "data": {"paymentId": "p-1", "patientId": "42"}, "priority": "high",
        "actionUrl": "/dashboard/payments", "isRead": false, "readAt": null, "createdAt": AT, "updatedAt": AT, "expiresAt": null,
        "timestamp": AT,
    })
}
