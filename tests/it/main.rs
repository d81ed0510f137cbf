//! The tests that drive the real binary, and those of the workspace itself.

mod arrows;
