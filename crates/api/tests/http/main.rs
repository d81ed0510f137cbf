//! The API as its callers meet it, over memory adapters that can be told to fail.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod audit;
mod batch;
mod broadcasts;
mod credentials;
mod desk;
mod document;
mod documents;
mod explain;
mod health;
mod inbox;
mod preferences;
mod presence;
mod publish;
mod shape;
mod stream;
mod users;
