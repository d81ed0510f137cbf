//! Connections: both transports, one task each, and the hub in which the log meets them.
//!
//! [`Gateway`] holds what the connections of a node share. A request for `/socket.io/` ([`listen`]) opens a session
//! or is passed to the one task that drives its session (`drive`), around the machine of `carillon-protocol`; the main
//! namespace's affairs (admission, arrival, events) are in `socket`. Rows of the log come by `feed`, which follows it,
//! are encoded once (`frames`) and offered by the `hub` to the mailbox of each connection in the room.
//!
//! Of this workspace it uses `domain` and `protocol` alone. Every queue is bounded: a mailbox by bytes, requests
//! for one session by number, events under way by number; each says what happens when it is full.

mod directory;
mod drive;
mod events;
mod feed;
mod frames;
mod gateway;
mod hub;
mod ids;
mod listen;
mod mailbox;
mod origin;
mod socket;
mod transport;

pub use carillon_protocol::Config as Protocol;
pub use gateway::{Backend, Gateway, GatewaySettings};
pub use listen::listen;
