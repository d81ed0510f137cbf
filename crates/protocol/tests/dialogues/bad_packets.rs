//! What no client should send (rows S1 to S19, P6 and P7 of the project's table of bad inputs).

use carillon_protocol::engine::{HandshakeError, Request};

use super::talk::Talk;

fn closed_by(packet: &str) -> Vec<String> {
    let mut talk = Talk::joined();
    talk.ws(packet);
    let said = talk.said();
    assert_eq!(said.len(), 4, "{packet}: {said:?}");
    assert_eq!(
        (&*said[0], &*said[1], &*said[3]),
        ("ws closed", "left /: parse error", "finished"),
        "{packet}"
    );
    said
}

fn closes(packet: &str, detail: &str) {
    assert_eq!(closed_by(packet)[2], format!("closed: parse error: {detail}"), "{packet}");
}

#[test]
fn engine_packets_that_are_none() {
    for packet in ["7", "9", "x", "\u{e9}", "{}", "\0"] {
        closes(packet, "unknown packet type");
    }
    closes("", "empty packet");
    closes("b!!!", "bad base64");
    closes("bA", "bad base64");
}

#[test]
fn socket_packets_that_are_none() {
    for packet in ["4", "47", "49", "4x", "4\u{e9}", "4-1"] {
        closes(packet, "unknown packet type");
    }
    closes(r#"44{"message":"x"}"#, "connect error from a client");
}

#[test]
fn payloads_of_the_wrong_kind() {
    for packet in [
        "42{}",
        "42[]",
        r#"42"a""#,
        "42null",
        "42[",
        r#"42["a""#,
        r#"42["a"]x"#,
        r#"42["a",]"#,
        "42[\"a\nb\"]",
        r#"42["a","\ux"]"#,
        "41{}",
        "41[]",
        "43{}",
        "430x",
        "43null",
        "40/x,[]",
        "40/x,\"a\"",
        "40/x,null",
        "40/x,-1",
        "40/x,{",
        "40/x,{}}",
    ] {
        closes(packet, "invalid payload");
    }
    for packet in [r#"42[{"toString":"foo"}]"#, "42[null]", "42[true]", "42[[]]", r#"42["\ud800"]"#] {
        closes(packet, "invalid event name");
    }
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        closes(&format!(r#"42["{name}"]"#), "invalid event name");
    }
    closes(r#"42["conn\u0065ct"]"#, "invalid event name");
}

#[test]
fn nesting_beyond_what_can_be_read() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    closes(&format!(r#"42["a",{}]"#, nested(127)), "nested too deep");
    closes(&format!("42{}", nested(400)), "nested too deep");
    closes(&format!(r#"40/x,{{"a":{}}}"#, nested(127)), "invalid payload");
    let deepest = nested(126);
    Talk::joined().ws(&format!(r#"42["a",{deepest}]"#)).then(&[&format!("/ a {deepest}")]);
}

#[test]
fn ids_that_are_none() {
    closes(r#"4299999999999999999999["a"]"#, "ack id out of range");
    for id in ["-1", "1e3", "1.5", "+1", "0x1"] {
        closes(&format!(r#"42{id}["a"]"#), "invalid payload");
    }
}

#[test]
fn what_is_odd_but_allowed() {
    let mut talk = Talk::joined();
    talk.ws("42").ws("421").ws("6").ws("0{}").ws("5").ws("3").ws("3probe").ws("4399[1]").nothing();
    for name in ["error", "connection", "__proto__", "toString", "hasOwnProperty", ""] {
        talk.ws(&format!(r#"42["{name}"]"#)).then(&[&format!("/ {name}")]);
    }
    talk.ws("42[5,1]").then(&["/ 5 1"]).ws("42[-1.5]").then(&["/ -1.5"]);
    talk.ws(r#"42["tab\t\u00e9"]"#).then(&["/ tab\té"]);
    talk.ws(r#"42[ "a" , 1 ]"#).then(&["/ a 1"]);
    talk.ws(r#"42["a","\ud800"]"#).then(&[r#"/ a "\ud800""#]);
    talk.ws("41/").then(&["left /: client namespace disconnect"]);
}

#[test]
fn bodies_that_are_none() {
    let cases: [(&'static [u8], &str); 9] = [
        (b"", "empty packet"),
        (b"\x1e", "empty packet"),
        (b"3\x1e", "empty packet"),
        (b"\x1e3", "empty packet"),
        (b"abc", "unknown packet type"),
        (b"b!", "bad base64"),
        (b"3\x1eb=\x1e3", "bad base64"),
        (b"4\xff", "a body that is no UTF-8"),
        (b"3\x1e8", "unknown packet type"),
    ];
    for (body, detail) in cases {
        let mut talk = Talk::polling();
        talk.refused(Request::Body(body.into()), HandshakeError::BAD_REQUEST);
        talk.then(&[&format!("closed: parse error: {detail}"), "finished"]);
        talk.refused(Request::Poll, HandshakeError::SESSION_UNKNOWN).nothing();

        let mut talk = Talk::polling();
        talk.get().refused(Request::Body(body.into()), HandshakeError::BAD_REQUEST);
        talk.then(&["poll: 1", &format!("closed: parse error: {detail}"), "finished"]);
    }
}

#[test]
fn what_came_before_the_bad_packet_counts() {
    let mut talk = Talk::polling();
    talk.refused(Request::Body("40\x1ex\x1e40/b,".into()), HandshakeError::BAD_REQUEST);
    talk.then(&["connect / -", "closed: parse error: unknown packet type", "finished"]);
}

#[test]
fn a_bad_socket_packet_on_polling_is_told_by_the_next_get() {
    let mut talk = Talk::polling();
    talk.post("4x").then(&["closed: parse error: unknown packet type"]);
    talk.get().then(&["poll: 6|1", "finished"]);
}

#[test]
fn long_input_is_read_in_linear_time() {
    let digits = "9".repeat(500_000);
    let long = "n".repeat(500_000);
    closed_by(&format!("42{digits}"));
    closed_by(&format!("45{digits}-[]"));
    closed_by(&format!(r#"42["{long}"#));
    let mut talk = Talk::joined();
    talk.ws(&format!(r#"42["a",{}1]"#, "1,".repeat(200_000)));
    assert_eq!(talk.said()[0].len(), "/ a".len() + 2 * 200_001);
}
