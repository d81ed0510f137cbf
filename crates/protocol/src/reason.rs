//! Why a socket or a session ended, in the words of the official server.

use std::fmt;

/// Why a session closed or a socket left its namespace. The text ([`Reason::as_str`]) is the one that the
/// official server hands to its `disconnect` listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The link broke, a poll was abandoned, requests overlapped, or a ping came from the wrong side.
    TransportError,
    /// The peer closed its link, or sent the Engine.IO close packet.
    TransportClose,
    /// This side closed the session.
    ForcedClose,
    /// No pong, and nothing else either, within the ping timeout.
    PingTimeout,
    /// A packet that cannot be read.
    ParseError,
    /// The client left the namespace (`41`).
    ClientNamespaceDisconnect,
    /// This side removed the socket from the namespace (`41`).
    ServerNamespaceDisconnect,
    /// The process is draining.
    ServerShuttingDown,
    /// A readable packet that the state forbids, or no accepted CONNECT in time.
    ForcedServerClose,
}

impl Reason {
    /// The official text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransportError => "transport error",
            Self::TransportClose => "transport close",
            Self::ForcedClose => "forced close",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::ServerShuttingDown => "server shutting down",
            Self::ForcedServerClose => "forced server close",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
