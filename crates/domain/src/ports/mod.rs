//! What the domain asks of the outside. A method is one atomic step; its promise is on the trait, and every adapter
//! is held to it by the same contract suite (`testing`, under that feature).

mod acks;
mod ambient;
mod audit;
mod authenticate;
mod broadcasts;
mod explain;
mod fanout;
mod inbox;
mod log;
mod outbox;
mod pids;
mod presence;

pub use acks::Acks;
pub use ambient::{Clock, MintIds};
pub use audit::Audit;
pub use authenticate::{AuthError, Authenticate};
pub use broadcasts::{Broadcasts, Change, Creation, Due, Fired, Firing, NewBroadcast};
pub use explain::{Explain, MOST_REACHED};
pub use fanout::{Fanout, Loopback, MarkNews, Resumed, Signal, Subscription};
pub use inbox::{Erasing, Inbox};
pub use log::{Appended, Log, Missed, Outcome, Publish, Secret, Stored, Trim};
pub use outbox::{Outbox, Posted};
pub use pids::Pids;
pub use presence::{Connected, Connections, LastSeen, Seen};

/// Why a port could not do its step, told apart by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Not reachable, too busy, or gone in the middle: the step may or may not have happened. Try again.
    #[error("the {port} is unavailable")]
    Unavailable {
        /// Which port, for the log line.
        port: &'static str,
        /// What happened below.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The other side understood and refused: our mistake. Trying again will not help.
    #[error("the {port} refused a step")]
    Rejected {
        /// Which port.
        port: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was kept cannot be read back. Someone must look.
    #[error("row {row} of {table} cannot be read back")]
    Corrupt {
        /// Where.
        table: &'static str,
        /// Which one: a position or an id, never content.
        row: String,
    },
}
