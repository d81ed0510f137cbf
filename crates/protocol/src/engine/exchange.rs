//! What passes between a machine and its driver.

use bytes::Bytes;
use bytestring::ByteString;

use super::Message;
#[cfg(doc)]
use crate::Config;
use crate::Violation;

/// An HTTP request that names this session. Its first GET is part of the opening and is not passed here.
#[derive(Clone, Debug)]
pub enum Request {
    /// A GET. Accepted: keep it, the answer comes as [`Output::Poll`].
    Poll,
    /// A POST whose body is complete. Accepted: answer it `ok`.
    Body(Bytes),
    /// A WebSocket. Accepted: it is the session's one WebSocket until [`Output::CloseSocket`].
    Probe,
}

/// Anything else that happens to this session.
#[derive(Clone, Debug)]
pub enum Input {
    /// The client abandoned its pending GET, or its answer could not be written.
    PollAborted,
    /// A POST was abandoned, has binary content, or came while another was still being read.
    BodyFailed,
    /// A message came over the session's WebSocket.
    Socket(Message),
    /// The session's WebSocket was closed by the peer.
    SocketClosed,
    /// The session's WebSocket broke.
    SocketFailed,
    /// [`super::Session::deadline`] has come. Early or spurious calls are harmless.
    Timer,
}

/// What the driver of a machine must do, in this order. `T` is what the machine tells the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<T> {
    /// Answer the pending GET: 200 with this body.
    Poll(ByteString),
    /// Write to the session's WebSocket. A packet and its attachments follow each other directly.
    Socket(Message),
    /// Close the session's WebSocket, with this code or none, and forget it.
    CloseSocket(Option<u16>),
    /// Tell the application: a [`Message`] of the client, or what it amounts to in Socket.IO.
    Event(T),
    /// The WebSocket has taken over from polling.
    Upgraded,
    /// The session is over for the application; each joined namespace has been told. Said once.
    Closed(Violation),
    /// Nothing will follow: forget the session's id. Said once. After [`Output::Closed`] on polling this may
    /// take up to [`Config::close_timeout`], for the client's next GET.
    Finished,
}
