//! The tests that drive the real binary, with the official client and over HTTP as its users do, and those of the
//! workspace itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends where it is")]

mod arrows;
mod auth;
mod blocking;
mod broadcasts;
mod browser;
mod clients;
mod cluster_presence;
mod conformance;
mod deploy;
mod draining;
mod durability;
mod emitter;
mod examples;
mod explain;
mod faults;
mod fuzz;
mod history;
mod idempotency;
mod inbox;
mod limits;
mod live_rights;
mod marks;
mod metrics;
mod nginx;
mod origins;
mod outbox;
mod parsers;
mod postgres;
mod preferences;
mod presence;
mod privacy;
mod publishing;
mod readme;
mod recovery;
mod refusals;
mod resuming;
mod rights;
mod rooms;
mod routing;
mod slow_reader;
mod soak;
mod stream;
mod tokens;
mod traces;
mod transports;
mod wire;
