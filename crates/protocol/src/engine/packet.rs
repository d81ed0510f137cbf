//! One packet, and the WebSocket message that carries it (Engine.IO protocol v4, "Packet encoding").

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use bytestring::ByteString;

use crate::Malformed;

/// Writes padding, and does not insist on it when reading. Characters outside the alphabet are an error,
/// where Node would skip them.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A WebSocket message: the form in which every encoded packet is kept until it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
}

impl Message {
    /// Bytes of content.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether there is no content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An Engine.IO packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// `0`: the session's parameters, JSON.
    Open(ByteString),
    /// `1`
    Close,
    /// `2`, empty or `probe`.
    Ping(ByteString),
    /// `3`, empty or `probe`.
    Pong(ByteString),
    /// `4`: a text message.
    Text(ByteString),
    /// A binary message: no type digit on a WebSocket, `b` and base64 elsewhere.
    Binary(Bytes),
    /// `5`
    Upgrade,
    /// `6`
    Noop,
}

impl Packet {
    /// Reads one packet; the data is a view into the message. Data after `1`, `5` or `6` is dropped, as
    /// the official decoder's callers do. A text message that begins with `b` is base64 on any transport.
    ///
    /// # Errors
    /// An empty text, an unknown type, or broken base64.
    pub fn decode(message: Message) -> Result<Self, Malformed> {
        let text = match message {
            Message::Binary(bytes) => return Ok(Self::Binary(bytes)),
            Message::Text(text) => text,
        };
        let data = || text.slice_ref(text.get(1..).unwrap_or_default());
        match text.as_bytes().first() {
            Some(b'0') => Ok(Self::Open(data())),
            Some(b'1') => Ok(Self::Close),
            Some(b'2') => Ok(Self::Ping(data())),
            Some(b'3') => Ok(Self::Pong(data())),
            Some(b'4') => Ok(Self::Text(data())),
            Some(b'5') => Ok(Self::Upgrade),
            Some(b'6') => Ok(Self::Noop),
            Some(b'b') => match BASE64.decode(data()) {
                Ok(bytes) => Ok(Self::Binary(bytes.into())),
                Err(_) => Err(Malformed("bad base64")),
            },
            Some(_) => Err(Malformed("unknown packet type")),
            None => Err(Malformed("empty packet")),
        }
    }

    /// The WebSocket message for this packet.
    #[must_use]
    pub fn encode(&self) -> Message {
        let text = |digit: char, data: &str| {
            let mut text = String::with_capacity(1 + data.len());
            text.push(digit);
            text.push_str(data);
            Message::Text(text.into())
        };
        match self {
            Self::Open(data) => text('0', data),
            Self::Close => Message::Text(ByteString::from_static("1")),
            Self::Ping(data) if data.is_empty() => Message::Text(ByteString::from_static("2")),
            Self::Ping(data) => text('2', data),
            Self::Pong(data) => text('3', data),
            Self::Text(data) => text('4', data),
            Self::Binary(bytes) => Message::Binary(bytes.clone()),
            Self::Upgrade => Message::Text(ByteString::from_static("5")),
            Self::Noop => Message::Text(ByteString::from_static("6")),
        }
    }
}
