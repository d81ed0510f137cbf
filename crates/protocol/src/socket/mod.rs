//! Socket.IO v5: namespaces, events and acknowledgements inside Engine.IO messages.
//!
//! Names: [`Packet`] is what a message says, [`Args`] are the raw arguments of an event, [`Session`] is one
//! client's namespaces. JSON stays text: it is checked once and cut into views, never built into a tree.

mod acks;
mod args;
mod content;
mod packet;
mod reassembly;
mod session;

pub use acks::AckId;
pub use args::{Args, Placeholder};
pub use packet::{Kind, MAX_ATTACHMENTS, Packet, is_reserved};
pub use session::{Event, Session};
