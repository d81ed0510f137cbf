//! One Socket.IO packet as text (Socket.IO protocol v5, "Packet encoding"):
//! `<type>[<attachments>-][<namespace>,][<ack id>][<json>]`.

use std::fmt::Write as _;

use bytestring::ByteString;

use super::AckId;
use crate::Malformed;

/// The official decoder takes at most this many attachments, so this side sends and takes no more.
pub const MAX_ATTACHMENTS: usize = 10;

/// The names that clients and servers keep for their own listeners.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Whether no event may have this name.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The packet types by their digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `0`
    Connect = b'0',
    /// `1`
    Disconnect = b'1',
    /// `2`
    Event = b'2',
    /// `3`
    Ack = b'3',
    /// `4`
    ConnectError = b'4',
    /// `5`
    BinaryEvent = b'5',
    /// `6`
    BinaryAck = b'6',
}

impl Kind {
    fn of(digit: u8) -> Option<Self> {
        [
            Self::Connect,
            Self::Disconnect,
            Self::Event,
            Self::Ack,
            Self::ConnectError,
            Self::BinaryEvent,
            Self::BinaryAck,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == digit)
    }

    /// Whether an attachment count follows the digit.
    #[must_use]
    pub fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}

/// The parts of a packet. The payload is raw and unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its type.
    pub kind: Kind,
    /// 1 to [`MAX_ATTACHMENTS`] for binary kinds, else 0.
    pub attachments: usize,
    /// Its namespace with the leading `/`.
    pub nsp: ByteString,
    /// The acknowledgement asked for or given.
    pub id: Option<AckId>,
    /// What follows: JSON, if all is well.
    pub payload: Option<ByteString>,
}

impl Packet {
    /// A packet without attachments, id or payload.
    #[must_use]
    pub fn new(kind: Kind, nsp: ByteString) -> Self {
        Self { kind, attachments: 0, nsp, id: None, payload: None }
    }

    /// Cuts a packet into its parts, which are views into the text. The comma after a namespace may be
    /// missing at the end of the text; leading zeros of the id are dropped.
    ///
    /// # Errors
    /// An unknown type, a bad attachment count, or an id beyond 64 bits.
    pub fn decode(text: &ByteString) -> Result<Self, Malformed> {
        let digit = text.as_bytes().first().copied();
        let kind = digit.and_then(Kind::of).ok_or(Malformed("unknown packet type"))?;
        let mut rest = text.get(1..).unwrap_or_default();
        let mut attachments = 0;
        if kind.is_binary() {
            let (count, after) = rest.split_once('-').ok_or(Malformed("illegal attachments"))?;
            attachments = number(count)
                .and_then(|count| usize::try_from(count).ok())
                .filter(|count| (1..=MAX_ATTACHMENTS).contains(count))
                .ok_or(Malformed("illegal attachments"))?;
            rest = after;
        }
        let mut nsp = "/";
        if rest.starts_with('/') {
            (nsp, rest) = rest.split_once(',').unwrap_or((rest, ""));
        }
        let (digits, payload) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let id = match digits {
            "" => None,
            digits => Some(AckId(number(digits).ok_or(Malformed("ack id out of range"))?)),
        };
        let payload = (!payload.is_empty()).then(|| text.slice_ref(payload));
        // `slice_ref` wants a view of the same text; "/" may be our own.
        let nsp = if nsp == "/" { ByteString::from_static("/") } else { text.slice_ref(nsp) };
        Ok(Self { kind, attachments, nsp, id, payload })
    }

    /// The packet as text.
    #[must_use]
    pub fn encode(&self) -> ByteString {
        let mut text = String::new();
        self.write(&mut text);
        text.into()
    }

    /// The packet as the text of an Engine.IO message packet: with `4` before it.
    #[must_use]
    pub fn encode_for_engine(&self) -> ByteString {
        let mut text = String::from("4");
        self.write(&mut text);
        text.into()
    }

    fn write(&self, text: &mut String) {
        let payload = self.payload.as_deref().unwrap_or_default();
        text.reserve(self.nsp.len() + payload.len() + 8);
        text.push(char::from(self.kind as u8));
        // Writing to a String cannot fail.
        if self.kind.is_binary() {
            let _ = write!(text, "{}-", self.attachments);
        }
        if self.nsp != "/" {
            text.push_str(&self.nsp);
            text.push(',');
        }
        if let Some(id) = self.id {
            let _ = write!(text, "{id}");
        }
        text.push_str(payload);
    }
}

/// Digits alone: `str::parse` would take a sign.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
