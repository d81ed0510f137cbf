//! The harness: it runs the real `carillon` binary and speaks to it as services, browsers and phones do.
//!
//! A test opens a [`Clinic`]: a fresh [`Node`] on a free port with its own SQLite file, six [`users`], a publisher
//! over [`Http`], and official Socket.IO [`Client`]s in a Node.js process of their own. [`light`] is a small WebSocket
//! client without that process, for raw frames and for many thousands of connections.
//!
//! Fault tests put a [`cluster`] of nodes and a [`faultproxy`] in between, let a [`producer`] and a [`fleet`] of clients
//! write a [`journal`], read the [`store`] past the gateway, and give all of it to the [`checker`]. [`nginx`] is the real
//! one, before two nodes.
//!
//! [`conformance`] is the other way round: servers without the product, for the official suites.
//!
//! The harness panics where a test would have to give up, and says what it waited for; nothing here sleeps to let
//! something happen. That something does *not* happen is shown by a fence: a notification published afterwards,
//! which must be the next thing heard ([`Clinic::hears_nothing`]).
//!
//! Needed beforehand: `cargo build --workspace --bins` (or `CARILLON_BIN`), `npm ci` in `tests/js`, and for what uses
//! [`Postgres`] a server: `tests/with-servers COMMAND`.

pub mod checker;
pub mod client;
pub mod clinic;
pub mod cluster;
pub mod conformance;
pub mod dice;
pub mod driver;
pub mod events;
pub mod faultproxy;
pub mod fleet;
pub mod http;
pub mod journal;
pub mod light;
pub mod names;
pub mod nginx;
pub mod node;
pub mod postgres;
pub mod postmaster;
pub mod producer;
pub mod raw;
pub mod redis;
mod spoken;
pub mod store;
pub mod users;

use std::time::Duration;

pub use client::{Client, Connect};
pub use clinic::{Clinic, Published};
pub use cluster::{Cluster, Meeting};
pub use dice::Dice;
pub use driver::Life;
pub use events::Events;
pub use http::{Answer, Call, Http};
pub use nginx::Nginx;
pub use node::{Node, NodeSettings};
pub use postgres::Postgres;
pub use redis::RedisServer;
pub use users::User;

/// How long the harness waits for what must come: far longer than it takes, so that only a real fault runs into it.
pub const PATIENCE: Duration = Duration::from_secs(30);
