//! GET to receive, POST to send (Engine.IO protocol v4, "HTTP long-polling").

use std::time::Duration;

use carillon_protocol::engine::{HandshakeError, Input, Request, Transport};
use carillon_protocol::{Config, Frame, Reason, SendError};

use super::talk::{Talk, config};

const UNKNOWN: HandshakeError = HandshakeError::SESSION_UNKNOWN;
const BAD: HandshakeError = HandshakeError::BAD_REQUEST;

fn frame(text: &str) -> Frame {
    Frame::event("/", "n", &[text]).unwrap()
}

fn joined() -> Talk {
    let mut talk = Talk::polling();
    talk.post("40").then(&["connect / -"]);
    talk.app(|c, _| assert!(c.accept("/", "id", None))).nothing();
    talk.get().then(&[r#"poll: 40{"sid":"id"}"#]);
    talk
}

#[test]
fn a_get_waits_for_what_comes() {
    let mut talk = joined();
    talk.at(10).get().nothing();
    talk.at(20).app(|c, _| c.send(&frame("a")).unwrap()).then(&[r#"poll: 42["n","a"]"#]);
}

#[test]
fn what_is_sent_in_one_turn_travels_in_one_body() {
    let mut talk = joined();
    talk.get().nothing();
    talk.app(|c, _| {
        c.send(&frame("a")).unwrap();
        c.send(&frame("b")).unwrap();
    });
    talk.then(&[r#"poll: 42["n","a"]|42["n","b"]"#]);
}

#[test]
fn one_body_may_hold_several_packets() {
    joined().post(r#"42["a"]|3|42["b",1]"#).then(&["/ a", "/ b 1"]);
}

#[test]
fn the_buffer_is_bounded_and_says_so() {
    let mut talk = joined();
    talk.app(|c, _| {
        let long = frame(&"x".repeat(60));
        assert!(!c.is_listening() && c.writable());
        c.send(&long).unwrap();
        assert!(matches!(c.send(&long), Err(SendError::Full)));
        c.send(&frame("fits")).unwrap();
        c.send(&frame("still fit")).unwrap_err();
    });
    talk.get().then(&[&format!(r#"poll: 42["n","{}"]|42["n","fits"]"#, "x".repeat(60))]);
    // A frame larger than the whole buffer leaves when the buffer is empty, or it never would.
    talk.app(|c, _| c.send(&frame(&"y".repeat(300))).unwrap());
    talk.app(|c, _| assert!(!c.writable())).get();
    talk.then(&[&format!(r#"poll: 42["n","{}"]"#, "y".repeat(300))]);
    talk.app(|c, _| assert!(c.writable()));
}

#[test]
fn who_asks_and_never_reads_is_closed() {
    let mut talk = joined();
    talk.post(r#"421["a"]"#).then(&["/ a ack 1"]);
    let id = carillon_protocol::socket::AckId(1);
    talk.app(|c, _| c.ack("/", id, &["x".repeat(150)], &[]).unwrap()).nothing();
    talk.app(|c, _| c.ack("/", id, &["x".repeat(50)], &[]).unwrap());
    talk.then(&["left /: transport error", "closed: transport error: replies pile up unread", "finished"]);
}

#[test]
fn a_second_get_closes_the_session() {
    let mut talk = joined();
    talk.get().nothing();
    talk.refused(Request::Poll, BAD);
    talk.then(&[
        "poll: 1",
        "left /: transport error",
        "closed: transport error: overlapping polls",
        "finished",
    ]);
    talk.refused(Request::Poll, UNKNOWN).refused(Request::Body("3".into()), UNKNOWN).nothing();
    talk.refused(Request::Probe, UNKNOWN).nothing();
}

#[test]
fn an_abandoned_get_closes_the_session() {
    let mut talk = joined();
    talk.get().input(Input::PollAborted);
    talk.then(&["left /: transport error", "closed: transport error: poll abandoned", "finished"]);
}

#[test]
fn a_failed_post_closes_the_session_and_releases_the_get() {
    let mut talk = joined();
    talk.get().input(Input::BodyFailed);
    talk.then(&["poll: 1", "left /: transport error", "closed: transport error: post failed", "finished"]);
}

#[test]
fn a_close_packet_releases_the_get_with_a_noop_and_ends_the_body() {
    let mut talk = joined();
    talk.get().post(r#"42["a"]|1|42["b"]"#);
    talk.then(&[
        "/ a",
        "poll: 6",
        "left /: transport close",
        "closed: transport close: close packet",
        "finished",
    ]);
}

#[test]
fn a_server_close_reaches_the_pending_get() {
    let mut talk = joined();
    talk.get().app(|c, now| {
        c.send(&frame("last")).unwrap();
        c.close(Reason::ServerShuttingDown, Some(1012), now);
    });
    let closed = ["left /: server shutting down", "closed: server shutting down: closed by the application"];
    talk.then(&[r#"poll: 42["n","last"]"#, closed[0], closed[1]]);
    talk.get().then(&["poll: 6|1", "finished"]);

    let mut talk = joined();
    talk.get().app(|c, now| c.close(Reason::ServerShuttingDown, Some(1012), now));
    talk.then(&["poll: 1", closed[0], closed[1], "finished"]);
}

/// `41` and `1` in one body made the official client say "transport close" and come back, since it takes an event up
/// after the whole body.
#[test]
fn a_server_disconnect_is_read_before_the_close() {
    let mut talk = joined();
    talk.get().app(|c, now| c.disconnect_all(now));
    talk.then(&[
        "left /: server namespace disconnect",
        "poll: 41",
        "closed: forced close: closed by the application",
    ]);
    talk.get().then(&["poll: 6|1", "finished"]);
}

#[test]
fn a_server_close_without_a_get_waits_for_the_next() {
    let closed = ["left /: forced close", "closed: forced close: closed by the application"];
    let mut talk = joined();
    talk.at(100).app(|c, now| c.close(Reason::ForcedClose, None, now)).then(&closed);
    talk.post(r#"42["a"]"#).input(Input::PollAborted).nothing();
    talk.refused(Request::Probe, BAD).nothing();
    talk.app(|c, now| c.close(Reason::ForcedClose, None, now)).nothing();
    talk.app(|c, _| assert!(matches!(c.send(&frame("x")), Err(SendError::Closed))));
    talk.at(3099).get().then(&["poll: 6|1", "finished"]);
    talk.refused(Request::Poll, UNKNOWN).nothing();

    let mut talk = joined();
    talk.app(|c, now| {
        c.send(&frame("last")).unwrap();
        c.close(Reason::ForcedClose, None, now);
    });
    talk.then(&closed);
    talk.get().then(&[r#"poll: 42["n","last"]"#]).get().then(&["poll: 6|1", "finished"]);

    let mut talk = joined();
    talk.app(|c, now| c.close(Reason::ForcedClose, None, now)).then(&closed);
    talk.post(r#"42["a"]|1"#).then(&["finished"]);
    talk.refused(Request::Poll, UNKNOWN).nothing();

    let mut talk = joined();
    talk.at(100).app(|c, now| c.close(Reason::ForcedClose, None, now)).then(&closed);
    talk.at(3099).nothing().at(3100).then(&["finished"]);
    talk.refused(Request::Poll, UNKNOWN).nothing();
}

#[test]
fn so_many_packets_in_a_body_and_of_one_more_none_is_read() {
    let mut talk = joined();
    talk.post(r#"3|42["a"]|3|42["b"]"#).then(&["/ a", "/ b"]);
    talk.refused(Request::Body(r#"3|42["a"]|3|42["b"]|3"#.replace('|', "\x1e").into()), BAD);
    talk.then(&["left /: parse error", "closed: parse error: too many packets in a body", "finished"]);
}

#[test]
fn one_who_was_never_let_in_is_not_waited_for() {
    let closed = "closed: forced server close: no namespace joined in time";
    let hasty = Config { connect_timeout: Duration::from_millis(300), ..config() };
    let mut talk = Talk::over(Transport::Polling, hasty);
    talk.at(300).then(&[closed, "finished"]);
    talk.refused(Request::Poll, UNKNOWN).nothing();
    let mut talk = Talk::over(Transport::Polling, hasty);
    talk.get().at(300).then(&["poll: 1", closed, "finished"]);
}

#[test]
fn a_separator_in_text_cannot_be_sent() {
    let mut session = carillon_protocol::engine::Session::open(
        super::talk::config(),
        "s",
        carillon_protocol::engine::Transport::Polling,
        std::time::Duration::ZERO,
    );
    let text = carillon_protocol::engine::Message::Text("4a\x1eb".into());
    assert!(matches!(session.send(&[text]), Err(SendError::Separator)));
    assert!(Frame::event("/a\x1e", "n", &()).is_err());
    assert_eq!(Frame::event("/", "n", &["\x1e"]).unwrap().text(), r#"42["n","\u001e"]"#);
}
