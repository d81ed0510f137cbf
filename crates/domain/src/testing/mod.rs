//! For tests, of this crate and of all that depend on it: memory adapters, a clock and ids that do as they are told,
//! builders, the contract suite that every adapter of a port passes, and the wrong designs that the simulation must catch.
//!
//! ```
//! use carillon_domain::ports::Log as _;
//! use carillon_domain::testing::{Drafts, MemoryLog, block_on};
//!
//! let (log, drafts) = (MemoryLog::new(), Drafts::new());
//! let appended = block_on(log.append(&[drafts.publish(&["role:admin", "user:42"])])).unwrap();
//! assert_eq!(appended.rows.len(), 2);
//! ```

pub mod contract;
mod cuttable;
mod drafts;
mod fixed;
mod memory;
mod memory_audit;
mod memory_broadcasts;
mod memory_inbox;
mod memory_outbox;
mod memory_seen;
mod mutant;

pub use cuttable::Cuttable;
pub use drafts::{Drafts, instant, principal, room};
pub use fixed::{CountingIds, FixedClock, block_on};
pub use memory::MemoryLog;
pub use memory_audit::MemoryAudit;
pub use memory_broadcasts::MemoryBroadcasts;
pub use memory_inbox::MemoryInbox;
pub use memory_outbox::MemoryOutbox;
pub use memory_seen::MemorySeen;
pub use mutant::Mutant;
