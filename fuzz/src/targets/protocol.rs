//! The codecs: what is read can be written, and is then read as the same.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use carillon_protocol::engine::handshake::{self, Asked};
use carillon_protocol::engine::{self, Message};
use carillon_protocol::socket::{Event, Kind, Packet, Session};
use carillon_protocol::{Config, EncodeError, Frame};
use serde_json::Value;

/// The text of these bytes, if they are one.
pub(super) fn text(data: &[u8]) -> Option<ByteString> {
    ByteString::try_from(Bytes::copy_from_slice(data)).ok()
}

/// One WebSocket text message.
pub fn engine_packet(data: &[u8]) {
    let Some(Ok(packet)) = text(data).map(|text| engine::Packet::decode(Message::Text(text))) else { return };
    assert_eq!(engine::Packet::decode(packet.encode()).as_ref(), Ok(&packet));
}

/// One polling body.
pub fn payload(data: &[u8]) {
    let Some(body) = text(data) else { return };
    let packets: Vec<_> = engine::payload::decode(&body).map_while(Result::ok).collect();
    if packets.is_empty() {
        return;
    }
    let messages: Vec<_> = packets.iter().map(engine::Packet::encode).collect();
    let again: Result<Vec<_>, _> = engine::payload::decode(&engine::payload::encode(&messages)).collect();
    assert_eq!(again, Ok(packets));
}

/// A request's method (its first line) and query.
pub fn handshake(data: &[u8]) {
    let Some(request) = text(data) else { return };
    let (method, query) = request.split_once('\n').unwrap_or(("GET", &request));
    for wants_websocket in [false, true] {
        match handshake::parse(method, query, wants_websocket) {
            Ok(Asked::Open(transport)) => {
                assert_eq!(wants_websocket, transport == engine::Transport::Websocket);
            }
            Ok(Asked::Poll(sid) | Asked::Post(sid)) => assert!(!wants_websocket && !sid.is_empty()),
            Ok(Asked::Upgrade(sid)) => assert!(wants_websocket && !sid.is_empty()),
            Err(refusal) => {
                assert_eq!(refusal.status(), 400);
                let body: Value = serde_json::from_str(&refusal.body()).expect("a refusal is JSON");
                assert_eq!(body["code"], refusal.code());
            }
        }
    }
}

/// The messages of one client that has joined `/` and `/a`: a line each, binary where it begins with `#`.
pub fn socket(data: &[u8]) {
    let config = Config { max_payload: 64, ..Config::default() };
    let mut session = Session::new(config, Duration::ZERO);
    for nsp in ["/", "/a"] {
        join(&mut session, nsp);
    }
    for line in data.split(|byte| *byte == b'\n') {
        let message = match (line.strip_prefix(b"#"), text(line)) {
            (Some(bytes), _) => Message::Binary(Bytes::copy_from_slice(bytes)),
            (None, Some(text)) => Message::Text(text),
            (None, None) => continue,
        };
        if let Message::Text(text) = &message
            && let Ok(packet) = Packet::decode(text)
            // No JSON begins so; after a `/,` that is left out when written it would read as a namespace.
            && !packet.payload.as_ref().is_some_and(|payload| payload.starts_with('/'))
        {
            assert_eq!(Packet::decode(&packet.encode()).as_ref(), Ok(&packet));
        }
        match session.receive(message, Duration::ZERO) {
            Ok(Some(event)) => check(&config, &event),
            Ok(None) => {}
            Err(_) => break,
        }
    }
    session.close();
    assert_eq!(session.deadline(), None);
}

fn join(session: &mut Session, nsp: &str) {
    let connect = Packet::new(Kind::Connect, nsp.into()).encode();
    session.receive(Message::Text(connect), Duration::ZERO).expect("a CONNECT is no violation");
    session.accept(nsp, "sid", None).expect("it was asked for");
}

/// An event is within bounds, and when sent on it is the same event.
fn check(config: &Config, event: &Event) {
    let Event::Emitted { nsp, name, args, ack: _ } = event else { return };
    assert!(args.attachments().iter().map(Bytes::len).sum::<usize>() <= config.max_payload);
    for index in 0..args.len() {
        // Not every JSON is a value in Rust; none may panic.
        let _ = args.get::<Value>(index);
        let _ = args.bytes(index);
    }
    let frame = match Frame::binary_event(nsp, name, args, args.attachments()) {
        // A separator in the namespace of a client that is on a WebSocket.
        Err(EncodeError::Namespace) => return,
        frame => frame.expect("what was received can be sent"),
    };
    let mut session = Session::new(*config, Duration::ZERO);
    join(&mut session, nsp);
    let mut heard = None;
    for message in frame.messages() {
        let message = match message {
            Message::Text(text) => Message::Text(text.slice_ref(&text[1..])),
            binary @ Message::Binary(_) => binary.clone(),
        };
        heard = session.receive(message, Duration::ZERO).expect("what was received can be received again");
    }
    let again = Event::Emitted { nsp: nsp.clone(), name: name.clone(), args: args.clone(), ack: None };
    assert_eq!(heard, Some(again));
}
