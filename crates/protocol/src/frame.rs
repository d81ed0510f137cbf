//! An event, encoded once for all who receive it.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;

use crate::EncodeError;
use crate::engine::{Message, payload};
use crate::socket::{AckId, Kind, MAX_ATTACHMENTS, Packet, is_reserved};

/// An encoded event. Cloning copies a pointer; the same text serves a WebSocket (a message of its own) and
/// polling (joined with others).
#[derive(Clone, Debug)]
pub struct Frame(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    nsp: ByteString,
    messages: Vec<Message>,
    len: usize,
}

impl Frame {
    /// Encodes an event. `args` must serialise as a sequence: a tuple, an array, a `Vec`, `()` for none.
    /// [`serde_json::value::RawValue`] and [`crate::socket::Args`] pass JSON on as it is.
    ///
    /// ```
    /// # use carillon_protocol::Frame;
    /// let frame = Frame::event("/", "notification", &("hello", 7))?;
    /// assert_eq!(frame.text(), r#"42["notification","hello",7]"#);
    /// # Ok::<(), carillon_protocol::EncodeError>(())
    /// ```
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn event(nsp: &str, name: &str, args: &impl Serialize) -> Result<Self, EncodeError> {
        Self::binary_event(nsp, name, args, &[])
    }

    /// Encodes an event with attachments, for which [`crate::socket::Placeholder`]s stand in `args`.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn binary_event(
        nsp: &str,
        name: &str,
        args: &impl Serialize,
        attachments: &[Bytes],
    ) -> Result<Self, EncodeError> {
        let messages = encode_event(nsp, None, name, args, attachments)?;
        let len = messages.iter().map(Message::len).sum();
        Ok(Self(Arc::new(Inner { nsp: nsp.into(), messages, len })))
    }

    /// The namespace it is for.
    #[must_use]
    pub fn nsp(&self) -> &str {
        &self.0.nsp
    }

    /// The packet and its attachments.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.0.messages
    }

    /// The packet's text, without its attachments.
    #[must_use]
    pub fn text(&self) -> &str {
        match self.0.messages.first() {
            Some(Message::Text(text)) => text,
            _ => "",
        }
    }

    /// Bytes with all attachments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Never: a packet has at least its type.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }
}

/// An event with or without an id for its acknowledgement.
pub(crate) fn encode_event(
    nsp: &str,
    id: Option<AckId>,
    name: &str,
    args: &impl Serialize,
    attachments: &[Bytes],
) -> Result<Vec<Message>, EncodeError> {
    if is_reserved(name) {
        return Err(EncodeError::ReservedName);
    }
    let mut payload = String::from("[");
    payload.push_str(&serde_json::to_string(name)?);
    let args = sequence(args)?;
    if args.len() > "[]".len() {
        payload.push(',');
    }
    payload.push_str(&args[1..]);
    encode((Kind::Event, Kind::BinaryEvent), nsp, id, payload, attachments)
}

/// The acknowledgement of a client's event.
pub(crate) fn encode_ack(
    nsp: &str,
    id: AckId,
    args: &impl Serialize,
    attachments: &[Bytes],
) -> Result<Vec<Message>, EncodeError> {
    encode((Kind::Ack, Kind::BinaryAck), nsp, Some(id), sequence(args)?, attachments)
}

/// JSON that begins with `[`; `()` is the empty sequence.
fn sequence(args: &impl Serialize) -> Result<String, EncodeError> {
    let json = serde_json::to_string(args)?;
    match json.as_bytes().first() {
        Some(b'[') => Ok(json),
        _ if json == "null" => Ok("[]".into()),
        _ => Err(EncodeError::NotASequence),
    }
}

fn encode(
    (plain, binary): (Kind, Kind),
    nsp: &str,
    id: Option<AckId>,
    payload: String,
    attachments: &[Bytes],
) -> Result<Vec<Message>, EncodeError> {
    if !nsp.starts_with('/') || nsp.contains([',', payload::SEPARATOR]) {
        return Err(EncodeError::Namespace);
    }
    if attachments.len() > MAX_ATTACHMENTS {
        return Err(EncodeError::TooManyAttachments);
    }
    let kind = if attachments.is_empty() { plain } else { binary };
    let packet =
        Packet { kind, attachments: attachments.len(), nsp: nsp.into(), id, payload: Some(payload.into()) };
    let mut messages = Vec::with_capacity(1 + attachments.len());
    messages.push(Message::Text(packet.encode_for_engine()));
    messages.extend(attachments.iter().cloned().map(Message::Binary));
    Ok(messages)
}
