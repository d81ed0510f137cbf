//! An event or acknowledgement as far as its text tells; a bad header ends the connection before any
//! attachment is waited for.

use bytestring::ByteString;

use super::{AckId, Kind, Packet, args, is_reserved};
use crate::Malformed;

/// What a packet says, but for its attachments.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) nsp: ByteString,
    pub(super) id: Option<AckId>,
    pub(super) said: Said,
}

#[derive(Debug)]
pub(super) enum Said {
    /// An event with no payload at all: ignored by the official server, so it is here.
    Nothing,
    /// A name, and the raw arguments.
    Event(ByteString, Vec<ByteString>),
    /// The raw arguments.
    Ack(Vec<ByteString>),
}

impl Content {
    /// Reads an event's or acknowledgement's packet.
    pub(super) fn read(packet: Packet) -> Result<Self, Malformed> {
        let Packet { kind, nsp, id, payload, .. } = packet;
        let items = payload.as_ref().map(args::items).transpose()?;
        let said = match items {
            None if kind.is_binary() => return Err(Malformed("invalid payload")),
            _ if matches!(kind, Kind::Ack | Kind::BinaryAck) => Said::Ack(items.unwrap_or_default()),
            None => Said::Nothing,
            Some(items) if items.is_empty() => return Err(Malformed("invalid payload")),
            Some(mut items) => Said::Event(event_name(&items.remove(0))?, items),
        };
        Ok(Self { nsp, id, said })
    }
}

/// A string, or a number, which the official server takes as well; not a reserved one.
fn event_name(item: &ByteString) -> Result<ByteString, Malformed> {
    let bad = Malformed("invalid event name");
    let name = match item.as_bytes().first() {
        Some(b'"') if !item.contains('\\') => item.slice_ref(item.trim_matches('"')),
        Some(b'"') => serde_json::from_str::<String>(item).map_err(|_| bad)?.into(),
        Some(b'-' | b'0'..=b'9') => item.clone(),
        _ => return Err(bad),
    };
    if is_reserved(&name) { Err(bad) } else { Ok(name) }
}
