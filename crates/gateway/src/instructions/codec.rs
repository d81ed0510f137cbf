//! From messages to events, and back.

use std::hint::black_box;
use std::time::Duration;

use carillon_protocol::engine::{Input, Message};
use carillon_protocol::socket::Event;
use carillon_protocol::{Connection, Output};
use serde_json::{Value, json};

use super::{EPOCH, count, open, rows};
use crate::frames;

const NOW: Duration = Duration::ZERO;

/// What is said next, and whether it is to the client.
fn next(machine: &mut Connection) -> Output<Event> {
    machine.poll_output().unwrap()
}

fn said(machine: &mut Connection, prefix: &str) {
    let Output::Socket(Message::Text(text)) = next(machine) else { panic!("nothing is said") };
    assert!(text.starts_with(prefix));
}

/// Lets in who asks for it with a token of 300 bytes.
fn let_in(machine: &mut Connection, connect: Message) {
    said(machine, "0{");
    machine.handle(Input::Socket(connect), NOW);
    let Output::Event(Event::Connect { auth: Some(auth), .. }) = next(machine) else { panic!("no CONNECT") };
    black_box(auth);
    assert!(machine.accept("/", "0123456789abcdefghij", Some("0123456789abcdefghij0123456789abcdefghij")));
    said(machine, "40{");
    assert!(machine.poll_output().is_none());
}

fn connect() -> Message {
    Message::Text(format!("40{}", json!({"token": "x".repeat(300)})).into())
}

#[test]
fn a_notification_is_encoded() {
    let rules = carillon_domain::KindRules::default();
    count(rows(0, (0..200).map(|n| format!("user:p{n}"))), |row| {
        let frame = black_box(frames::notification(EPOCH, &row, &rules));
        assert!(frame.len() > 400);
    });
}

#[test]
fn an_event_is_decoded_and_acknowledged() {
    let mut machine = open();
    let_in(&mut machine, connect());
    let events = (0..200).map(|n| {
        let mark = json!(["notification:read", {"id": format!("0198f1c2-7b1e-7d55-9a53-3f1f3c0d{n:04}")}]);
        Message::Text(format!("42{n}{mark}").into())
    });
    count(events, |event| {
        machine.handle(Input::Socket(event), NOW);
        let Output::Event(Event::Emitted { args, ack: Some(ack), .. }) = next(&mut machine) else {
            panic!("no event")
        };
        black_box(args.get::<Value>(0).unwrap());
        machine.ack("/", ack, &({ json!({"ok": true, "unread": 3}) },), &[]).unwrap();
        said(&mut machine, "43");
        assert!(machine.poll_output().is_none());
    });
}

#[test]
fn a_machine_shakes_hands() {
    count((0..200).map(|_| connect()), |connect| {
        let mut machine = open();
        let_in(&mut machine, connect);
        black_box(machine);
    });
}
