//! Fuzz targets for every parser that a stranger can reach: `just fuzz TARGET SECONDS`.
//!
//! [`targets`] holds one function for each; the workspace's own tests include the same module and run it on mutated
//! seeds (`tests/it/fuzz.rs`), so that a broken promise shows without cargo-fuzz as well. `seeds/TARGET` are inputs to
//! begin with, one a file.

pub mod targets;
