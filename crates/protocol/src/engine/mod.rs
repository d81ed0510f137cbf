//! Engine.IO v4: one session over HTTP polling, a WebSocket, or the first and then the second.
//!
//! Names: [`Packet`] is what the wire carries, [`payload`] joins packets for polling, [`handshake`] reads
//! requests and words refusals, [`Heartbeat`] is the ping clock, [`Session`] is the whole.

mod exchange;
pub mod handshake;
mod heartbeat;
mod outbox;
mod outputs;
mod packet;
pub mod payload;
mod session;

pub use exchange::{Input, Output, Request};
pub use handshake::{HandshakeError, Transport};
pub use heartbeat::{Beat, Heartbeat};
pub use packet::{Message, Packet};
pub use session::Session;
