//! A WebSocket from the start.

use std::time::Duration;

use carillon_protocol::engine::{HandshakeError, Input, Message, Packet, Request, Session, Transport};
use carillon_protocol::{Frame, Reason, engine};

use super::talk::{Talk, config};

#[test]
fn packets_are_messages() {
    let mut talk = Talk::joined();
    talk.ws(r#"42["a",{"b":[1,"c"]}]"#).then(&[r#"/ a {"b":[1,"c"]}"#]);
    let frame = Frame::event("/", "n", &("x", 1)).unwrap();
    talk.app(|c, _| {
        assert!(c.is_listening());
        c.send(&frame).unwrap();
        c.send(&frame).unwrap();
    });
    talk.then(&[r#"ws: 42["n","x",1]"#, r#"ws: 42["n","x",1]"#]);
}

#[test]
fn the_peer_closes() {
    Talk::joined().ws_closed().then(&[
        "ws closed",
        "left /: transport close",
        "closed: transport close: websocket closed",
        "finished",
    ]);
    Talk::joined().input(Input::SocketFailed).then(&[
        "ws closed",
        "left /: transport error",
        "closed: transport error: websocket failed",
        "finished",
    ]);
    Talk::joined().ws("1").then(&[
        "ws closed",
        "left /: transport close",
        "closed: transport close: close packet",
        "finished",
    ]);
}

#[test]
fn the_server_closes_with_a_code() {
    let mut talk = Talk::joined();
    talk.app(|c, now| c.close(Reason::ServerShuttingDown, Some(1012), now));
    talk.then(&[
        "ws closed 1012",
        "left /: server shutting down",
        "closed: server shutting down: closed by the application",
        "finished",
    ]);
    talk.ws(r#"42["a"]"#).ws_closed().at(100_000).nothing();
    assert_eq!(talk.connection.deadline(), None);
}

#[test]
fn http_requests_for_it_are_refused_and_do_no_harm() {
    let mut talk = Talk::joined();
    for request in [Request::Poll, Request::Body("1".into()), Request::Probe] {
        talk.refused(request, HandshakeError::BAD_REQUEST).nothing();
    }
    talk.input(Input::PollAborted).input(Input::BodyFailed).nothing();
    talk.ws(r#"42["a"]"#).then(&["/ a"]);
}

#[test]
fn closing_drops_events_that_were_not_taken() {
    let mut talk = Talk::joined();
    let now = Duration::from_millis(1);
    talk.connection.handle(Input::Socket(Message::Text(r#"42["a"]"#.into())), now);
    talk.connection.close(Reason::ForcedClose, None, now);
    talk.then(&[
        "ws closed",
        "left /: forced close",
        "closed: forced close: closed by the application",
        "finished",
    ]);
}

#[test]
fn disconnecting_drops_events_of_that_namespace_alone() {
    let mut talk = Talk::joined();
    talk.ws("40/b,").then(&["connect /b -"]).app(|c, _| assert!(c.accept("/b", "b", None)));
    talk.then(&[r#"ws: 40/b,{"sid":"b"}"#]);
    for text in [r#"42["a"]"#, r#"42/b,["a"]"#] {
        talk.connection.handle(Input::Socket(Message::Text(text.into())), Duration::ZERO);
    }
    talk.app(|c, _| assert!(c.disconnect("/b")));
    talk.then(&["/ a", "left /b: server namespace disconnect", "ws: 41/b,"]);
}

#[test]
fn a_connection_may_move_between_threads() {
    fn is_send<T: Send + 'static>() {}
    fn is_shared<T: Send + Sync + 'static>() {}
    is_send::<carillon_protocol::Connection>();
    is_shared::<Frame>();
}

#[test]
fn the_engine_alone_says_nothing_after_its_end() {
    let mut session = Session::open(config(), "s", Transport::Polling, Duration::ZERO);
    session.poll_output();
    session.request(Request::Body("4a\x1e1\x1e4b".into()), Duration::ZERO).unwrap();
    let said: Vec<_> = std::iter::from_fn(|| session.poll_output()).collect();
    assert_eq!(said.len(), 3);
    assert_eq!(said[0], engine::Output::Event(Message::Text("a".into())));
    assert!(matches!(said[1], engine::Output::Closed(_)));
    assert_eq!(said[2], engine::Output::Finished);
}

/// Engine.IO alone, as an echo server.
#[test]
fn the_engine_can_be_driven_alone() {
    let mut session = Session::open(config(), "s", Transport::Websocket, Duration::ZERO);
    session.poll_output();
    for message in
        [Message::Text("4hi".into()), Message::Binary("\x01\x02".into()), Message::Text("bAQI=".into())]
    {
        session.handle(Input::Socket(message), Duration::ZERO);
    }
    let mut written = Vec::new();
    while let Some(output) = session.poll_output() {
        match output {
            engine::Output::Event(Message::Text(text)) => {
                session.send(&[Packet::Text(text).encode()]).unwrap();
            }
            engine::Output::Event(binary @ Message::Binary(_)) => session.send(&[binary]).unwrap(),
            engine::Output::Socket(message) => written.push(message),
            other => panic!("{other:?}"),
        }
    }
    let binary = Message::Binary("\x01\x02".into());
    assert_eq!(written, [Message::Text("4hi".into()), binary.clone(), binary]);
}
