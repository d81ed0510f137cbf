//! Scripted dialogues with the whole machine, in virtual time.

#![expect(clippy::unwrap_used, reason = "a step that fails fails its test")]

mod acks;
mod bad_packets;
mod binary;
mod codecs;
mod heartbeat;
mod namespaces;
mod polling;
mod talk;
mod upgrade;
mod websocket;
