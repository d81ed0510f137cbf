//! The errors, shaped by what the caller can do about them.

use crate::Reason;

/// Bytes that are no packet. The session they came over must end; the text is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// A peer broke the protocol: close the session for this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Violation {
    /// What the application and the client's own listeners are told.
    pub reason: Reason,
    /// What exactly was wrong, for the log.
    pub detail: &'static str,
}

impl From<Malformed> for Violation {
    fn from(Malformed(detail): Malformed) -> Self {
        Self { reason: Reason::ParseError, detail }
    }
}

/// Arguments that cannot be put on the wire: a fault of the sender's own code.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The arguments do not serialise as a sequence (a tuple, array, slice, `Vec` or `()`).
    #[error("event arguments must serialise as a sequence")]
    NotASequence,
    /// The name is one that clients keep for themselves, such as `connect`.
    #[error("reserved event name")]
    ReservedName,
    /// The namespace is not one: no leading `/`, or it holds `,` or the polling separator.
    #[error("not a namespace")]
    Namespace,
    /// More attachments than the official decoder takes.
    #[error("more than 10 attachments")]
    TooManyAttachments,
    /// The arguments' own serialisation failed.
    #[error("arguments do not serialise")]
    Json(#[from] serde_json::Error),
}

/// Why a packet was not taken for sending. Nothing of it was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The session is closed or closing.
    #[error("the session is closed")]
    Closed,
    /// The buffer for the next GET is full: try again when [`crate::Connection::writable`] says so.
    #[error("the send buffer is full")]
    Full,
    /// The namespace is not joined.
    #[error("the namespace is not joined")]
    NotJoined,
    /// The client owes too many acknowledgements.
    #[error("too many acknowledgements are pending")]
    TooManyAcks,
    /// Text that holds 0x1e cannot travel in a polling payload, which has no escape for it.
    #[error("text holds the payload separator")]
    Separator,
    /// See [`EncodeError`].
    #[error(transparent)]
    Encode(#[from] EncodeError),
}
