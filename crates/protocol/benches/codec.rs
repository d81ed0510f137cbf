//! The codecs on a 300-byte event, `event.txt`: what one message costs, in time and in allocations.
//!
//! `just bench-codec` runs it, and the official JavaScript parser beside it on the same event.

#![expect(clippy::unwrap_used, reason = "the event is ours")]

use std::time::Duration;

use bytestring::ByteString;
use carillon_protocol::engine::{self, Message};
use carillon_protocol::socket::{Args, Event, Session};
use carillon_protocol::{Config, Frame};
use divan::{AllocProfiler, Bencher};
use serde_json::Value;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const EVENT: &str = include_str!("event.txt");

fn main() {
    assert_eq!(EVENT.len(), 300);
    // As in the JavaScript bench: short samples, of which a busy machine leaves some undisturbed.
    divan::Divan::default().sample_size(100).sample_count(2_000).config_with_args().main();
}

fn session() -> Session {
    let mut session = Session::new(Config::default(), Duration::ZERO);
    session.receive(Message::Text("0".into()), Duration::ZERO).unwrap();
    session.accept("/", "sid", None).unwrap();
    session
}

/// From the WebSocket message to the event with its raw arguments, all of it checked.
fn decode(session: &mut Session, message: Message) -> Args {
    let engine::Packet::Text(text) = engine::Packet::decode(message).unwrap() else { unreachable!() };
    let Some(Event::Emitted { args, .. }) = session.receive(Message::Text(text), Duration::ZERO).unwrap()
    else {
        unreachable!()
    };
    args
}

/// What the gateway does: it reads of the arguments only what it needs.
#[divan::bench]
fn decode_to_raw_arguments(bencher: Bencher) {
    let (mut session, message) = (session(), Message::Text(ByteString::from_static(EVENT)));
    bencher.bench_local(|| decode(&mut session, message.clone()));
}

/// What the JavaScript parser does: a tree of values.
#[divan::bench]
fn decode_to_values(bencher: Bencher) {
    let (mut session, message) = (session(), Message::Text(ByteString::from_static(EVENT)));
    bencher.bench_local(|| {
        let args = decode(&mut session, message.clone());
        (args.get::<Value>(0).unwrap(), args.get::<String>(1).unwrap())
    });
}

/// From values to the text of the WebSocket message; once for all recipients.
#[divan::bench]
fn encode_values(bencher: Bencher) {
    let args = decode(&mut session(), Message::Text(ByteString::from_static(EVENT)));
    let (notification, offset) = (args.get::<Value>(0).unwrap(), args.get::<String>(1).unwrap());
    let frame = || Frame::event("/", "notification", &(&notification, &offset)).unwrap();
    assert_eq!(frame().text().len(), EVENT.len());
    bencher.bench_local(frame);
}
