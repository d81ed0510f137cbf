//! Attachments (limit 1000 bytes for a packet with all of them, 250 ms for them to come).

use bytes::Bytes;
use carillon_protocol::engine::{Input, Message};
use carillon_protocol::socket::{AckId, Args, Event, Placeholder};
use carillon_protocol::{Connection, Frame, Output};

use super::talk::Talk;

const HEADER: &str = r#"452-["b",{"_placeholder":true,"num":0},[{"x":{"_placeholder":true,"num":1}}]]"#;

fn closes(talk: &mut Talk, detail: &str) {
    let why = format!("closed: parse error: {detail}");
    talk.then(&["ws closed", "left /: parse error", &why, "finished"]);
}

#[test]
fn an_event_is_complete_with_its_last_attachment() {
    let mut talk = Talk::joined();
    talk.ws(HEADER).ws_bytes(b"one").nothing().ws_bytes(b"two");
    let args = r#"{"_placeholder":true,"num":0} [{"x":{"_placeholder":true,"num":1}}]"#;
    talk.then(&[&format!(r#"/ b {args} b"one" b"two""#)]);
    talk.ws(r#"42["a"]"#).then(&["/ a"]);
}

#[test]
fn pings_may_come_between() {
    let mut talk = Talk::joined();
    talk.at(900).ws(HEADER).ws_bytes(b"1").at(1000).then(&["ws: 2"]);
    talk.ws("3").ws("6").nothing().ws_bytes(b"2");
    talk.then(&[r#"/ b {"_placeholder":true,"num":0} [{"x":{"_placeholder":true,"num":1}}] b"1" b"2""#]);
}

#[test]
fn on_polling_attachments_are_base64() {
    let mut talk = Talk::polling();
    talk.post("40").then(&["connect / -"]).app(|c, _| assert!(c.accept("/", "id", None)));
    talk.post(r#"451-["b",{"_placeholder":true,"num":0}]|bAQID"#);
    talk.then(&[r#"/ b {"_placeholder":true,"num":0} b"\x01\x02\x03""#]);
    let frame = Frame::binary_event("/", "b", &[Placeholder(0)], &[Bytes::from_static(&[1, 2])]).unwrap();
    talk.app(|c, _| c.send(&frame).unwrap()).get();
    talk.then(&[r#"poll: 40{"sid":"id"}|451-["b",{"_placeholder":true,"num":0}]|bAQI="#]);
}

#[test]
fn an_ack_may_carry_attachments_both_ways() {
    let mut talk = Talk::joined();
    talk.ws(r#"451-7["b",{"_placeholder":true,"num":0}]"#).ws_bytes(b"x");
    talk.then(&[r#"/ b {"_placeholder":true,"num":0} b"x" ack 7"#]);
    talk.app(|c, _| c.ack("/", AckId(7), &[Placeholder(0)], &[Bytes::from_static(b"y")]).unwrap());
    talk.then(&[r#"ws: 461-7[{"_placeholder":true,"num":0}]"#, r#"ws: b"y""#]);
    talk.app(|c, _| assert!(c.emit_with_ack("/", "ask", &(), &[]).is_ok())).then(&[r#"ws: 420["ask"]"#]);
    talk.ws(r#"461-0[{"_placeholder":true,"num":0}]"#).ws_bytes(b"z");
    talk.then(&[r#"/ acked 0 {"_placeholder":true,"num":0} b"z""#]);
}

fn taken(connection: &mut Connection, message: Message) -> Option<Args> {
    connection.handle(Input::Socket(message), std::time::Duration::ZERO);
    match connection.poll_output() {
        Some(Output::Event(Event::Emitted { args, .. })) => Some(args),
        _ => None,
    }
}

#[test]
fn arguments_can_be_read_and_sent_on() {
    let mut talk = Talk::joined();
    let connection = &mut talk.connection;
    taken(connection, Message::Text(r#"451-["b", {"a":"é"} ,{"_placeholder":true,"num":0}]"#.into()));
    let args = taken(connection, Message::Binary(Bytes::from_static(b"x"))).unwrap();
    assert_eq!(args.get::<serde_json::Value>(0).unwrap()["a"], "é");
    assert_eq!((args.bytes(0), args.bytes(1)), (None, Some(&Bytes::from_static(b"x"))));
    assert_eq!(args.get::<Option<u8>>(2).unwrap(), None);
    assert!(args.get::<u8>(0).is_err());
    let frame = Frame::binary_event("/", "back", &args, args.attachments()).unwrap();
    talk.app(|c, _| c.send(&frame).unwrap());
    talk.then(&[r#"ws: 451-["back",{"a":"é"},{"_placeholder":true,"num":0}]"#, r#"ws: b"x""#]);
}

#[test]
fn fewer_or_repeated_placeholders_are_tolerated() {
    let mut talk = Talk::joined();
    talk.ws(r#"451-["b"]"#).ws_bytes(b"x").then(&[r#"/ b b"x""#]);
    let twice = r#"{"_placeholder":true,"num":0}"#;
    talk.ws(&format!(r#"451-["b",{twice},{twice}]"#)).ws_bytes(b"x");
    talk.then(&[&format!(r#"/ b {twice} {twice} b"x""#)]);
}

#[test]
fn text_that_looks_like_a_placeholder_is_only_text() {
    let mut talk = Talk::joined();
    talk.ws(r#"42["a",{"_placeholder":true,"num":"splice"}]"#);
    talk.then(&[r#"/ a {"_placeholder":true,"num":"splice"}"#]);
}

#[test]
fn what_does_not_fit_closes() {
    let mut talk = Talk::joined();
    closes(
        talk.ws(HEADER).ws_bytes(b"1").ws(r#"42["a"]"#),
        "got plaintext data when reconstructing a packet",
    );
    let mut talk = Talk::joined();
    closes(talk.ws_bytes(b"1"), "got binary data when not reconstructing a packet");
    for num in ["2", "-1", "0.5", "\"splice\"", "null", "99999999999999999999"] {
        let mut talk = Talk::joined();
        talk.ws(&format!(r#"452-["b",{{"_placeholder":true,"num":{num}}}]"#)).ws_bytes(b"1").ws_bytes(b"2");
        closes(&mut talk, "illegal attachments");
    }
    for count in ["", "0", "11", "-1", "1.5", "1e1", "+1", "99999999999999999999999", "a"] {
        let mut talk = Talk::joined();
        closes(talk.ws(&format!(r#"45{count}-["b"]"#)), "illegal attachments");
    }
    let mut talk = Talk::joined();
    closes(talk.ws(r#"451["b"]"#), "illegal attachments");
    // A bad header, before any attachment has come.
    for (header, fault) in [
        ("451-", "invalid payload"),
        ("451-{}", "invalid payload"),
        ("461-3", "invalid payload"),
        (r#"451-["disconnect",{"_placeholder":true,"num":0}]"#, "invalid event name"),
    ] {
        let mut talk = Talk::joined();
        closes(talk.ws(header), fault);
    }
}

#[test]
fn a_packet_is_bounded_in_bytes_and_time() {
    const HALF: [u8; 500] = [0; 500];
    let mut talk = Talk::joined();
    closes(talk.ws(HEADER).ws_bytes(&HALF).ws_bytes(&HALF), "attachments exceed the payload limit");
    let mut talk = Talk::joined();
    talk.at(100).ws(HEADER).at(200).ws_bytes(b"1").at(349).nothing().at(350);
    closes(&mut talk, "attachments did not arrive in time");
    // Nothing is left behind when the connection goes first.
    let mut talk = Talk::joined();
    talk.at(100).ws(HEADER).ws_closed();
    talk.then(&[
        "ws closed",
        "left /: transport close",
        "closed: transport close: websocket closed",
        "finished",
    ]);
    assert_eq!(talk.connection.deadline(), None);
}

#[test]
fn too_many_attachments_are_not_sent() {
    let parts = vec![Bytes::from_static(b"x"); 11];
    assert!(Frame::binary_event("/", "b", &(), &parts[..10]).is_ok());
    assert!(Frame::binary_event("/", "b", &(), &parts).is_err());
}
