//! Events of the server, each encoded once for all who hear it.

use carillon_domain::ports::MarkNews;
use carillon_domain::{Epoch, NotificationId, Offset, Row, Timestamp};
use carillon_protocol::Frame;
use serde::Serialize;

/// The one namespace.
pub(crate) const NAMESPACE: &str = "/";

/// `notification`: the notification, and its offset as the last argument, which is where the official client looks for
/// it (connection state recovery, Socket.IO v5). No other event but `inbox:state` may end in a string.
pub(crate) fn notification(epoch: Epoch, row: &Row) -> Frame {
    encode("notification", &(&row.notification, Offset { epoch, position: row.position }))
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

fn encode(name: &str, args: &impl Serialize) -> Frame {
    #[expect(
        clippy::expect_used,
        reason = "our own names are not reserved, and our own types always serialise"
    )]
    Frame::event(NAMESPACE, name, args).expect("an event of ours encodes")
}
