//! Several packets in one HTTP body: joined by 0x1e, binary as `b` and base64 (Engine.IO protocol v4,
//! "HTTP long-polling"). The separator has no escape, so no text packet may contain it.

use base64::Engine as _;
use bytestring::ByteString;

use super::packet::BASE64;
use super::{Message, Packet};
use crate::Malformed;

/// What stands between two packets.
pub const SEPARATOR: char = '\x1e';

/// The packets of a body, read one at a time: what follows a bad packet need not be read. An empty body,
/// or a separator at either end, yields an empty packet, which is malformed.
pub fn decode(body: &ByteString) -> impl Iterator<Item = Result<Packet, Malformed>> + '_ {
    body.split(SEPARATOR).map(|packet| Packet::decode(Message::Text(body.slice_ref(packet))))
}

/// How many packets a body holds, good or bad, without reading them.
#[must_use]
pub fn count(body: &str) -> usize {
    1 + body.matches(SEPARATOR).count()
}

/// The body for these encoded packets.
pub fn encode<'a>(packets: impl IntoIterator<Item = &'a Message>) -> ByteString {
    let mut body = String::new();
    for (index, packet) in packets.into_iter().enumerate() {
        if index > 0 {
            body.push(SEPARATOR);
        }
        match packet {
            Message::Text(text) => body.push_str(text),
            Message::Binary(bytes) => {
                body.push('b');
                BASE64.encode_string(bytes, &mut body);
            }
        }
    }
    body.into()
}
