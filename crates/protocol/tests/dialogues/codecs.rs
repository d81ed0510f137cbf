//! Properties of the codecs: what is written is read back, and nothing that is read panics.

use bytes::Bytes;
use bytestring::ByteString;
use carillon_protocol::engine::{self, Input, Message, Packet, Request, Transport, handshake, payload};
use carillon_protocol::socket::{AckId, Args, Event, Kind};
use carillon_protocol::{Config, Connection, Frame, Output, socket};
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

/// Text without the separator, which JSON escapes and nothing else may hold.
fn text() -> impl Strategy<Value = ByteString> {
    "[^\x1e]{0,20}".prop_map(ByteString::from)
}

fn engine_packet() -> impl Strategy<Value = Packet> {
    prop_oneof![
        text().prop_map(Packet::Open),
        Just(Packet::Close),
        text().prop_map(Packet::Ping),
        text().prop_map(Packet::Pong),
        text().prop_map(Packet::Text),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Packet::Binary(bytes.into())),
        Just(Packet::Upgrade),
        Just(Packet::Noop),
    ]
}

fn socket_packet() -> impl Strategy<Value = socket::Packet> {
    let kind = prop_oneof![
        Just(Kind::Connect),
        Just(Kind::Disconnect),
        Just(Kind::Event),
        Just(Kind::Ack),
        Just(Kind::ConnectError),
        Just(Kind::BinaryEvent),
        Just(Kind::BinaryAck),
    ];
    let nsp = prop_oneof![Just("/".to_owned()), "/[^,]{0,12}"];
    let payload = proptest::option::of("[\\[{\"][^\x1e]{0,20}");
    (kind, 1..=10_usize, nsp, any::<Option<u64>>(), payload).prop_map(|(kind, count, nsp, id, payload)| {
        socket::Packet {
            kind,
            attachments: if kind.is_binary() { count } else { 0 },
            nsp: nsp.into(),
            id: id.map(AckId),
            payload: payload.map(ByteString::from),
        }
    })
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// Short packets made of the protocol's own letters reach far more states than random text.
fn noise() -> impl Strategy<Value = String> {
    prop_oneof![r#"[0-7b]{0,2}[0-9]{0,2}-?(/b,)?[0-9]?(\["a"(,[0-9])?\]|\{\})?"#, "\\PC{0,12}"]
}

fn joined(transport: Transport) -> Connection {
    let mut connection = Connection::open(Config::default(), "s", transport, Duration::ZERO);
    match transport {
        Transport::Polling => connection.request(Request::Body("40".into()), Duration::ZERO).unwrap(),
        Transport::Websocket => {
            connection.handle(Input::Socket(Message::Text("40".into())), Duration::ZERO);
        }
    }
    assert!(connection.accept("/", "id", None));
    while connection.poll_output().is_some() {}
    connection
}

/// The arguments that the other side of this frame would see.
fn received(frame: &Frame) -> (ByteString, Args) {
    let mut connection = joined(Transport::Websocket);
    for message in frame.messages() {
        connection.handle(Input::Socket(message.clone()), Duration::ZERO);
    }
    match connection.poll_output() {
        Some(Output::Event(Event::Emitted { name, args, .. })) => (name, args),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn an_engine_packet_is_read_back(packet in engine_packet()) {
        prop_assert_eq!(Packet::decode(packet.encode()), Ok(packet));
    }

    #[test]
    fn a_payload_is_read_back(packets in vec(engine_packet(), 1..6)) {
        let messages: Vec<_> = packets.iter().map(Packet::encode).collect();
        let read: Result<Vec<_>, _> = payload::decode(&payload::encode(&messages)).collect();
        prop_assert_eq!(read, Ok(packets));
    }

    #[test]
    fn a_socket_packet_is_read_back(packet in socket_packet()) {
        prop_assert_eq!(socket::Packet::decode(&packet.encode()), Ok(packet));
    }

    #[test]
    fn an_event_is_read_back(
        name in "\\PC{0,12}",
        args in vec(json(), 0..4),
        parts in vec(vec(any::<u8>(), 0..9), 0..4),
    ) {
        prop_assume!(!socket::is_reserved(&name));
        let parts: Vec<_> = parts.into_iter().map(Bytes::from).collect();
        let frame = Frame::binary_event("/", &name, &args, &parts).unwrap();
        prop_assert!(!frame.text().contains(payload::SEPARATOR));
        let (heard, read) = received(&frame);
        prop_assert_eq!(&*heard, &*name);
        let values: Result<Vec<serde_json::Value>, _> = (0..read.len()).map(|index| read.get(index)).collect();
        prop_assert_eq!(values.unwrap(), args);
        prop_assert_eq!(read.attachments(), &parts[..]);
        // Sent on, it is the same packet.
        let again = Frame::binary_event("/", &name, &read, read.attachments()).unwrap();
        prop_assert_eq!(again.messages(), frame.messages());
    }

    #[test]
    fn a_query_is_read_without_panic(method in "GET|POST|PUT", query in "\\PC{0,40}", ws in any::<bool>()) {
        let _ = handshake::parse(&method, &query, ws);
        let _ = handshake::parse(&method, &format!("transport=polling&EIO=4&sid={query}"), ws);
    }

    /// Whatever comes, the end is said once, nothing follows it, and no timer is left.
    #[test]
    fn any_input_ends_in_order(
        polling in any::<bool>(),
        steps in vec((0..12_u8, 0..700_u64, noise()), 0..40),
    ) {
        let mut connection = joined(if polling { Transport::Polling } else { Transport::Websocket });
        let (mut now, mut said) = (Duration::ZERO, Vec::new());
        for (what, later, text) in steps {
            now += Duration::from_millis(later);
            step(&mut connection, what, text, now);
            said.extend(std::iter::from_fn(|| connection.poll_output()));
        }
        connection.close(carillon_protocol::Reason::ForcedClose, None, now);
        connection.handle(Input::Timer, now + Duration::from_secs(60));
        said.extend(std::iter::from_fn(|| connection.poll_output()));
        let closed = said.iter().filter(|output| matches!(output, Output::Closed(_))).count();
        let finished = said.iter().filter(|output| matches!(output, Output::Finished)).count();
        prop_assert_eq!((closed, finished), (1, 1));
        prop_assert_eq!(said.last(), Some(&Output::Finished));
        prop_assert_eq!(connection.deadline(), None);
    }
}

fn step(connection: &mut Connection, what: u8, text: String, now: Duration) {
    let message = Message::Text(text.clone().into());
    match what {
        0 => drop(connection.request(Request::Poll, now)),
        1 | 2 => drop(connection.request(Request::Body(text.into()), now)),
        3 => drop(connection.request(Request::Probe, now)),
        4 => connection.handle(Input::Socket(Message::Text("2probe".into())), now),
        5 => connection.handle(Input::Socket(Message::Text("5".into())), now),
        6 => connection.handle(Input::Socket(Message::Binary(text.into())), now),
        7 => drop(connection.accept("/b", "b", None)),
        8 => drop(connection.emit_with_ack("/", "ask", &[text], &[])),
        9 => connection.handle(Input::Timer, now),
        _ => connection.handle(Input::Socket(message), now),
    }
}

#[test]
fn names_and_arguments_that_cannot_be_sent() {
    assert!(Frame::event("/", "disconnect", &()).is_err());
    assert!(Frame::event("/", "n", &"text").is_err());
    assert!(Frame::event("/", "n", &serde_json::json!({})).is_err());
    for nsp in ["", "b", "/a,b"] {
        assert!(Frame::event(nsp, "n", &()).is_err(), "{nsp}");
    }
    let frame = Frame::event("/b", "q\"uote", &()).unwrap();
    assert_eq!((frame.text(), frame.len(), frame.nsp()), (r#"42/b,["q\"uote"]"#, 16, "/b"));
    assert!(frame.messages()[0] == Message::Text(frame.text().into()));
    assert_eq!(
        engine::Packet::decode(Message::Text("bAQ".into())),
        Ok(Packet::Binary(Bytes::from_static(&[1])))
    );
}
