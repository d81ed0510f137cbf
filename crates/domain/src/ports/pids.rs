//! How pids travel.

use crate::Pid;

/// Seals pids for their way over a client, and opens them when they come back to any node over the same log.
pub trait Pids: Send + Sync {
    /// The text for the client. It may be read there and not changed.
    fn seal(&self, pid: &Pid) -> String;

    /// The pid that a text was sealed from; `None` if it was not sealed by a node over this log.
    fn open(&self, text: &str) -> Option<Pid>;
}
