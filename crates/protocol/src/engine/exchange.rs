//! What passes between a session and its driver.

use bytes::Bytes;
use bytestring::ByteString;

use super::Message;
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

/// What the driver must do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Answer the pending GET: 200 with this body.
    Poll(ByteString),
    /// Write to the session's WebSocket.
    Socket(Message),
    /// Close the session's WebSocket, with this code or none, and forget it.
    CloseSocket(Option<u16>),
    /// The client sent this: the data of a message packet.
    Message(Message),
    /// The WebSocket has taken over from polling.
    Upgraded,
    /// The session is over for the application. Said once.
    Closed(Violation),
    /// The session has nothing more to say to anyone: forget its id. Said once, last.
    Finished,
}
