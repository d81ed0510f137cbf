//! What a parser made of a case: ours, and the official ones'.

use std::time::Duration;

use bytestring::ByteString;
use carillon_protocol::engine::{Message, Packet as EnginePacket, payload};
use carillon_protocol::socket::{Args, Event, Kind, Packet, Session};
use carillon_protocol::{Config, Malformed};
use serde::Deserialize;
use serde_json::{Value, json};

use super::generate::{Case, Layer, Part};

/// Packets until the first fault.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verdict {
    pub(super) packets: Vec<Seen>,
    /// What was wrong.
    pub(super) error: Option<String>,
    /// Whether attachments are still to come.
    pub(super) pending: bool,
}

/// One packet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seen {
    /// The type's name on the engine's layer, else its digit; a binary event or ack is an event or ack.
    #[serde(rename = "type")]
    pub(super) kind: Value,
    pub(super) nsp: Option<String>,
    /// Of any size: JavaScript's ids are doubles.
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) data: Data,
}

/// What a packet says.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Data {
    #[default]
    None,
    /// With `{b64}` for bytes. Only ours: an event's name is text even if it was a number.
    Value(Value),
    /// Ours has checked it, and has nobody who would hear it: an acknowledgement of nothing.
    Unheard,
    /// Its JSON was taken, and `serde_json` cannot read it.
    Unreadable,
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let json = String::deserialize(reader)?;
        Ok(serde_json::from_str(&json).map_or(Self::Unreadable, Self::Value))
    }
}

/// Ours.
pub(super) fn ours(case: &Case) -> Verdict {
    let text = ByteString::from(case.head());
    match case.layer {
        Layer::Engine => engine([EnginePacket::decode(Message::Text(text))]),
        Layer::Payload => engine(payload::decode(&text)),
        Layer::Socket => socket(&case.parts),
    }
}

fn engine(packets: impl IntoIterator<Item = Result<EnginePacket, Malformed>>) -> Verdict {
    let mut verdict = Verdict::default();
    for packet in packets {
        match packet {
            Ok(packet) => verdict.packets.push(seen_by_engine(packet)),
            Err(Malformed(fault)) => {
                verdict.error = Some(fault.into());
                break;
            }
        }
    }
    verdict
}

fn seen_by_engine(packet: EnginePacket) -> Seen {
    let text = |text: ByteString| (!text.is_empty()).then(|| json!(&*text));
    let (kind, data) = match packet {
        EnginePacket::Open(data) => ("open", text(data)),
        EnginePacket::Close => ("close", None),
        EnginePacket::Ping(data) => ("ping", text(data)),
        EnginePacket::Pong(data) => ("pong", text(data)),
        EnginePacket::Text(data) => ("message", text(data)),
        EnginePacket::Binary(bytes) => ("message", Some(super::bytes(&bytes))),
        EnginePacket::Upgrade => ("upgrade", None),
        EnginePacket::Noop => ("noop", None),
    };
    Seen { kind: json!(kind), nsp: None, id: None, data: data.map_or(Data::None, Data::Value) }
}

/// Each packet is read by a session of its own, in which its namespace is joined and a few acknowledgements are
/// awaited: what a parser has to say must not depend on the packets before.
fn socket(parts: &[Part]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut waiting: Option<(Packet, Session, usize)> = None;
    for part in parts {
        let message = match part {
            Part::Text(text) => Message::Text(text.as_str().into()),
            Part::Bytes(bytes) => Message::Binary(bytes.clone().into()),
        };
        let (header, mut session, came) = match (waiting.take(), &message) {
            (Some((header, session, came)), _) => (header, session, came + 1),
            (None, Message::Binary(_)) => (Packet::new(Kind::Event, "/".into()), joined("/"), 0),
            (None, Message::Text(text)) => match Packet::decode(text) {
                Ok(packet) => {
                    let session = if packet.kind == Kind::Connect { fresh() } else { joined(&packet.nsp) };
                    (packet, session, 0)
                }
                Err(Malformed(fault)) => {
                    verdict.error = Some(fault.into());
                    break;
                }
            },
        };
        match session.receive(message, Duration::ZERO) {
            Ok(None) if came < header.attachments => waiting = Some((header, session, came)),
            Ok(event) => verdict.packets.push(seen(&header, event)),
            Err(violation) => {
                verdict.error = Some(violation.detail.into());
                break;
            }
        }
    }
    verdict.pending = waiting.is_some();
    verdict
}

fn fresh() -> Session {
    Session::new(Config::default(), Duration::ZERO)
}

fn joined(nsp: &str) -> Session {
    let mut session = fresh();
    let connect = Packet::new(Kind::Connect, nsp.into()).encode();
    session.receive(Message::Text(connect), Duration::ZERO).unwrap();
    session.accept(nsp, "sid", None).unwrap();
    for _ in 0..10 {
        session.issue_ack(nsp).unwrap();
    }
    session
}

fn seen(header: &Packet, event: Option<Event>) -> Seen {
    let kind = match header.kind {
        Kind::BinaryEvent => Kind::Event,
        Kind::BinaryAck => Kind::Ack,
        kind => kind,
    };
    let data = match event {
        Some(Event::Connect { auth: None, .. } | Event::Disconnected { .. }) => Data::None,
        Some(Event::Connect { auth: Some(auth), .. }) => {
            serde_json::from_str(&auth).map_or(Data::Unreadable, Data::Value)
        }
        Some(Event::Emitted { name, args, .. }) => read(Some(&name), &args),
        // Both call the listener with no argument then.
        _ if header.payload.is_none() => Data::None,
        Some(Event::Acked { args, .. }) => read(None, &args),
        None => Data::Unheard,
    };
    let id = header.id.map(|id| id.to_string());
    Seen { kind: json!(kind as u8 - b'0'), nsp: Some(header.nsp.to_string()), id, data }
}

fn read(name: Option<&str>, args: &Args) -> Data {
    let mut items: Vec<Value> = name.map(|name| json!(name)).into_iter().collect();
    for index in 0..args.len() {
        match args.get(index) {
            Ok(item) => items.push(item),
            Err(_) => return Data::Unreadable,
        }
    }
    let mut items = Value::Array(items);
    if !args.attachments().is_empty() {
        fill(&mut items, args);
    }
    Data::Value(items)
}

/// Puts the attachments where their placeholders are.
fn fill(value: &mut Value, args: &Args) {
    if value["_placeholder"] == true {
        let part = value["num"].as_u64().and_then(|num| args.attachments().get(usize::try_from(num).ok()?));
        *value = super::bytes(part.unwrap());
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, args)),
        Value::Object(fields) => fields.values_mut().for_each(|item| fill(item, args)),
        _ => {}
    }
}

/// Whether both saw the same: same verdict, same packets, same values.
pub(super) fn agree(ours: &Verdict, theirs: &Verdict) -> bool {
    ours.error.is_some() == theirs.error.is_some()
        && ours.pending == theirs.pending
        && ours.packets.len() == theirs.packets.len()
        && ours.packets.iter().zip(&theirs.packets).all(|(ours, theirs)| same(ours, theirs))
}

fn same(ours: &Seen, theirs: &Seen) -> bool {
    let id = |seen: &Seen| seen.id.as_ref().map(|id| id.parse::<f64>().unwrap());
    (&ours.kind, &ours.nsp, id(ours)) == (&theirs.kind, &theirs.nsp, id(theirs)) && same_data(ours, theirs)
}

fn same_data(ours: &Seen, theirs: &Seen) -> bool {
    match (&ours.data, &theirs.data) {
        (Data::Unheard, _) | (Data::None, Data::None) => true,
        (Data::Value(Value::Array(ours)), Data::Value(Value::Array(theirs))) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).enumerate().all(|(index, pair)| match pair {
                    (Value::String(name), Value::Number(number)) if index == 0 => {
                        name.parse::<f64>().is_ok_and(|name| near(name, number.as_f64().unwrap()))
                    }
                    (ours, theirs) => same_value(ours, theirs),
                })
        }
        (Data::Value(ours), Data::Value(theirs)) => same_value(ours, theirs),
        _ => false,
    }
}

fn same_value(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            near(ours.as_f64().unwrap(), theirs.as_f64().unwrap())
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| same_value(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .all(|(key, ours)| theirs.get(key).is_some_and(|theirs| same_value(ours, theirs)))
        }
        _ => ours == theirs,
    }
}

/// `serde_json` reads a double to within its last place, JavaScript exactly.
fn near(ours: f64, theirs: f64) -> bool {
    ours == theirs || (ours - theirs).abs() <= f64::EPSILON * ours.abs()
}
