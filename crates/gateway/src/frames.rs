//! Events of the server, each encoded once for all who hear it.

use bytes::Bytes;
use carillon_domain::ports::MarkNews;
use carillon_domain::{
    Counts, DoctorState, Emit, Epoch, KindRules, NotificationId, Offset, Person, Role, Row, Sealed, Tally,
    Timestamp, UserId,
};
use carillon_protocol::Frame;
use serde::Serialize;
use serde_json::value::RawValue;

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

/// Whether an event is Carillon's to tell, or may come to be: nobody else may.
pub(crate) fn is_ours(name: &str) -> bool {
    match name.split_once(':') {
        Some(("user", what)) => matches!(what, "online" | "offline"),
        Some((subject, _)) => OURS.contains(&subject),
        None => name == "notification",
    }
}

/// What our events are about.
const OURS: [&str; 6] = ["inbox", "notification", "presence", "broadcast", "announcement", "auth"];

/// What a back end emitted; `None` where nobody may be told such a thing: an event of ours or of the protocol's. Clients take a
/// string at the end of any event for an offset, even its name where it has no arguments, and would come back with that: so a
/// `null` comes after it.
pub(crate) fn emitted(emit: &Emit) -> Option<Frame> {
    if is_ours(&emit.name) {
        return None;
    }
    let padded = match emit.args.get() {
        "[]" => Some("[null]".to_owned()),
        args => args.strip_suffix("\"]").map(|args| format!("{args}\",null]")),
    };
    let padded = padded.and_then(|args| RawValue::from_string(args).ok());
    let attachments: Vec<_> = emit.attachments.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
    Frame::binary_event(NAMESPACE, &emit.name, padded.as_ref().unwrap_or(&emit.args), &attachments).ok()
}

fn encode(name: &str, args: &impl Serialize) -> Frame {
    #[expect(
        clippy::expect_used,
        reason = "our own names are not reserved, and our own types always serialise"
    )]
    Frame::event(NAMESPACE, name, args).expect("an event of ours encodes")
}

#[cfg(test)]
mod tests {
    use carillon_domain::Audience;

    use super::*;

    fn emit(name: &str, args: &str, attachments: &[&[u8]]) -> Option<Frame> {
        emitted(&Emit {
            name: name.into(),
            args: RawValue::from_string(args.into()).unwrap(),
            attachments: attachments.iter().map(|bytes| bytes.to_vec()).collect(),
            audience: Audience::default(),
            is_volatile: false,
        })
    }

    #[test]
    fn nobody_else_tells_what_we_tell() {
        let said = include_str!("frames.rs").split("fn encode(").next().unwrap();
        let is_event = |text: &&str| {
            text.contains(':') && text.bytes().all(|b| b.is_ascii_lowercase() || b == b':')
                || *text == "notification"
        };
        let ours: Vec<_> = said.split('"').skip(1).step_by(2).filter(is_event).collect();
        assert!(ours.contains(&"inbox:state") && ours.contains(&"presence:doctor"), "{ours:?}");
        for name in ours.into_iter().chain(["notification:gone", "connect", "disconnect"]) {
            assert!(emit(name, "[]", &[]).is_none(), "{name}");
        }
        for name in ["user:updated", "chat", "notifications", "", "a:b:c", "connection"] {
            assert!(emit(name, "[]", &[]).is_some(), "{name}");
        }
    }

    #[test]
    fn nothing_but_an_offset_is_a_string_at_the_end() {
        let text = |args| emit("x", args, &[]).unwrap().text().to_owned();
        assert_eq!(text(r#"["a\\"]"#), r#"42["x","a\\",null]"#);
        assert_eq!(text(r#"[["a"]]"#), r#"42["x",["a"]]"#);
        assert_eq!(text(r#"[{"a":"b"},7]"#), r#"42["x",{"a":"b"},7]"#);
        assert_eq!(text("[]"), r#"42["x",null]"#);
    }

    #[test]
    fn attachments_follow() {
        let frame = emit("x", r#"[{"_placeholder":true,"num":0}]"#, &[b"abc"]).unwrap();
        assert_eq!(frame.text(), r#"451-["x",{"_placeholder":true,"num":0}]"#);
        assert_eq!(frame.messages().len(), 2);
        assert!(emit("x", "[]", &[b"a".as_slice(); 11]).is_none());
    }
}
