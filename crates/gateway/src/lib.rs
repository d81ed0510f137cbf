//! Connections: both transports, one task each, and the hub in which the log meets them.
//!
//! Two halves, one upon the other. The lower serves connections for any [`Application`]: [`Server`] holds what those of a
//! node share; a request ([`listen()`]) opens a session or is passed to the one task that drives its session (`drive`),
//! around a machine of `carillon-protocol`, and what that machine tells goes to the application's [`Peer`].
//!
//! The upper is Carillon's own application, [`Gateway`]: the main namespace's affairs (admission, arrival, events) are in
//! `socket`, its peer, how it comes to hear the log in `reading`; `stream` is the same log without a socket. Rows of the log come by `feed`, which follows it, are
//! encoded once (`frames`) and offered by the `hub` to the mailbox of each connection in the room.
//!
//! Of this workspace it uses `domain` and `protocol` alone. Every queue is bounded: a mailbox by bytes, requests
//! for one session by number, events under way by number; each says what happens when it is full.

/// Whether the simulation tries a wrong design (`carillon_domain::testing::Mutant`); outside it, it never does.
#[cfg(test)]
macro_rules! mutated {
    ($mutant:ident) => {
        carillon_domain::testing::Mutant::$mutant.is_on()
    };
}
#[cfg(not(test))]
macro_rules! mutated {
    ($mutant:ident) => {
        false
    };
}

mod acks;
mod alarm;
mod application;
mod asking;
mod attendance;
mod bell;
mod counted;
mod directory;
mod doorstep;
mod drive;
mod emits;
mod events;
mod feed;
mod frames;
mod gateway;
mod gathering;
mod hub;
mod ids;
#[cfg(test)]
mod instructions;
mod limiter;
mod listen;
mod mailbox;
mod origin;
mod reached;
mod reading;
mod recent;
mod recovery;
mod server;
#[cfg(test)]
mod simulation;
mod socket;
mod stream;
mod term;
mod transport;

pub use application::{Application, Handshake, Peer};
pub use carillon_protocol::Config as Protocol;
pub use counted::connection_tasks;
pub use gateway::{Backend, Gateway, GatewaySettings};
pub use listen::listen;
pub use origin::AllowedOrigins;
pub use server::{Server, ServerSettings};
pub use stream::TooManyConnections;
