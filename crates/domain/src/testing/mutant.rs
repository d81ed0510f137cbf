//! Wrong designs, each one thought away from the right one. They are compiled in for tests alone, and the simulation must
//! catch every one of them: an oracle that has never been seen to say no proves nothing.

use std::cell::Cell;

thread_local! {
    static CHOSEN: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// One wrong design. Where a wrong port makes it, the simulation wraps the port; the others are a condition in the code
/// they concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// Positions are handed out before the commit, so that a lower one may become visible after a higher one.
    IdsFromSequence,
    /// A hint is applied although rows before it are missing.
    NoGapCheck,
    /// Nodes trust hints alone.
    NoHeadPoll,
    /// What was missed is read before the connection is registered, and not looked at again.
    RegisterAfterRead,
    /// The server remembers what it sent, instead of being told what arrived.
    CursorOnServer,
    /// A client is not told that rows it missed have been deleted.
    SilentTrim,
    /// A publish is answered before it is kept.
    AckBeforeCommit,
    /// What does not fit into a mailbox is dropped.
    DropOnOverflow,
    /// The nodes hear of rows that are not yet kept.
    HintBeforeCommit,
    /// Each node remembers the idempotency keys it has seen.
    KeysInMemory,
    /// Positions are compared across two lives of the log.
    EpochIgnored,
    /// A row is queued again although it was queued before.
    NoSentGuard,
    /// A connection hears what comes while it reads what it missed.
    LiveDuringCatchUp,
    /// Whoever is in a room now may see all of it.
    EntitledAsOfNow,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::IdsFromSequence,
        Self::NoGapCheck,
        Self::NoHeadPoll,
        Self::RegisterAfterRead,
        Self::CursorOnServer,
        Self::SilentTrim,
        Self::AckBeforeCommit,
        Self::DropOnOverflow,
        Self::HintBeforeCommit,
        Self::KeysInMemory,
        Self::EpochIgnored,
        Self::NoSentGuard,
        Self::LiveDuringCatchUp,
        Self::EntitledAsOfNow,
    ];

    /// Whether this thread runs with this mutant.
    #[must_use]
    pub fn is_on(self) -> bool {
        CHOSEN.get() == Some(self)
    }

    /// Runs with this mutant, or with none, on this thread.
    pub fn run<T>(chosen: Option<Self>, run: impl FnOnce() -> T) -> T {
        /// Puts back what was there, however `run` ends.
        struct Before(Option<Mutant>);
        impl Drop for Before {
            fn drop(&mut self) {
                CHOSEN.set(self.0);
            }
        }
        let _before = Before(CHOSEN.replace(chosen));
        run()
    }
}
