//! What must hold whatever the bytes are. Each function panics where it does not.

mod connection;
mod domain;
mod emitter;
mod protocol;

pub use connection::connection;
pub use domain::{action_url, draft, offset, token};
pub use emitter::emitter;
pub use protocol::{engine_packet, handshake, payload, socket};

/// Takes any bytes; panics if a promise is broken.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const ALL: [(&str, Target); 10] = [
    ("engine_packet", engine_packet),
    ("payload", payload),
    ("handshake", handshake),
    ("socket", socket),
    ("connection", connection),
    ("offset", offset),
    ("draft", draft),
    ("action_url", action_url),
    ("token", token),
    ("emitter", emitter),
];
