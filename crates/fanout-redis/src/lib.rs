//! Carillon's word from node to node, over Redis: hints that the log has grown, what a user marked, whose session was
//! resumed where, who is on which node. All of it is quick and none of it needed: the log is the truth, and Redis holds nothing that the nodes
//! could not tell again.
//!
//! Beside that, [`emitter`] hears what Node services emit with the official Redis emitter, on its channels.
//!
//! Of this workspace it uses `domain` alone. [`Redis`] is a node's way to the others; [`Redis::fanout`] is its
//! [`Fanout`](carillon_domain::ports::Fanout). A single server, Sentinel and Cluster are all the same to it, with or without
//! TLS ([`RedisUrl`]).
//!
//! Keys and channels, where `NS` follows from the secret that the nodes over one log share, so that several
//! installations may use one Redis:
//!
//! | name | what | written | gone |
//! | --- | --- | --- | --- |
//! | `carillon:{NS}:signals` | channel of all nodes' words (`wire`, sealed) | at each commit, mark and resumption; a beat each 250 ms a node | – |
//! | `carillon:{NS}:nodes` | set of the processes that have a shelf | with each lease | by whoever sees that a lease is gone |
//! | `carillon:{NS}:lease:{process}` | number of what it last told, and its connections | each 5 s, and with each change | after 15 s |
//! | `carillon:{NS}:intake` | process that brings to the log what back ends emit ([`emitter`]) | each half second | after 5 s |
//! | `carillon:{NS}:users:{process}:{00‥3f}` | hashes of its users to role, e-mail address and profile | when a user comes to it or leaves it | with its lease |
//!
//! ```text
//!   publish ─▶ this node's subscribers, at once (Loopback)
//!      └─────▶ outbox, 256 signals ─▶ sender, 16 under way, while beats come back ─▶ PUBLISH
//!   SUBSCRIBE ─▶ receiver: open the seal, read, pass on ─▶ this node's subscribers
//! ```
//!
//! Beats (`pulse`) tell whether words get through: one that comes back to its node proves both ways. While none does,
//! nothing is sent, so that a dead Redis costs publishers nothing, [`Fanout::reaches_all`](
//! carillon_domain::ports::Fanout::reaches_all) is false, and the feeds read the log's head ten times a second. What is lost
//! meanwhile is not sent again.

pub mod emitter;
mod link;
mod presence;
mod pulse;
mod seal;
mod settings;
mod wire;

pub use link::Redis;
pub use settings::{BadUrl, RedisUrl, Settings};
