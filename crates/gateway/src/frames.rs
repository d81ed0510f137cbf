//! Events of the server, each encoded once for all who hear it.

use carillon_domain::ports::MarkNews;
use carillon_domain::{
    Counts, DoctorState, Epoch, KindRules, NotificationId, Offset, Person, Role, Row, Sealed, Tally,
    Timestamp, UserId,
};
use carillon_protocol::Frame;
use serde::Serialize;

/// The one namespace.
pub(crate) const NAMESPACE: &str = "/";

/// `notification`: the notification, and its offset as the last argument, which is where the official client looks for
/// it (connection state recovery, Socket.IO v5). No other event but `inbox:state` may end in a string.
pub(crate) fn notification(epoch: Epoch, row: &Row, rules: &KindRules) -> Frame {
    let (notification, offset) = (&row.notification, Offset { epoch, position: row.position });
    if rules.is_sensitive(notification) {
        encode("notification", &(Sealed(notification), offset))
    } else {
        encode("notification", &(notification, offset))
    }
}

/// `inbox:state`: sent once after every accepted CONNECT, so that the client has an offset even if it hears nothing
/// else before its link breaks.
pub(crate) fn inbox_state(unread: u32, server_time: Timestamp, recovered: bool, offset: Offset) -> Frame {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct State {
        unread: u32,
        server_time: Timestamp,
        recovered: bool,
    }
    encode("inbox:state", &(State { unread, server_time, recovered }, offset))
}

/// `auth:expiring`: a minute is left to send a fresh token.
pub(crate) fn expiring(expires_at: Timestamp) -> Frame {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Expiring {
        expires_at: Timestamp,
    }
    encode("auth:expiring", &(Expiring { expires_at },))
}

/// `notification:read`, or `notification:unread` when items were marked unread again.
pub(crate) fn marked(news: &MarkNews) -> Frame {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Marked<'a> {
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        ids: &'a [NotificationId],
        #[serde(skip_serializing_if = "Option::is_none")]
        up_to: Option<NotificationId>,
        unread: u32,
    }
    let name = if news.read { "notification:read" } else { "notification:unread" };
    encode(name, &(Marked { ids: &news.ids, up_to: news.up_to, unread: news.unread },))
}

/// `user:online`: one who was not here is.
pub(crate) fn user_online(person: &Person, timestamp: Timestamp) -> Frame {
    user("user:online", person, timestamp, None)
}

/// `user:offline`: one who was here is no more.
pub(crate) fn user_offline(person: &Person, timestamp: Timestamp, reason: &str) -> Frame {
    user("user:offline", person, timestamp, Some(reason))
}

fn user(name: &str, person: &Person, timestamp: Timestamp, reason: Option<&str>) -> Frame {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct User<'a> {
        user_id: &'a UserId,
        email: Option<&'a str>,
        role: Role,
        timestamp: Timestamp,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    }
    let Person { user_id, email, role, .. } = person;
    encode(name, &(User { user_id, email: email.as_deref(), role: *role, timestamp, reason },))
}

/// `presence:counts`: how many are here.
pub(crate) fn counts(counts: &Counts) -> Frame {
    encode("presence:counts", &(counts,))
}

/// `presence:doctor`: whether one is here, for those who watch them.
pub(crate) fn doctor(state: &DoctorState) -> Frame {
    encode("presence:doctor", &(state,))
}

/// `broadcast:acks`: how an emergency is taken.
pub(crate) fn acks(tally: &Tally) -> Frame {
    encode("broadcast:acks", &(tally,))
}

fn encode(name: &str, args: &impl Serialize) -> Frame {
    #[expect(
        clippy::expect_used,
        reason = "our own names are not reserved, and our own types always serialise"
    )]
    Frame::event(NAMESPACE, name, args).expect("an event of ours encodes")
}
