//! What the worlds have been through. A fault that no longer happens is a test that no longer tests.

use std::sync::atomic::{AtomicU32, Ordering};

macro_rules! seen {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Something that must happen in the course of some thousand seeds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Seen {
            $($(#[$doc])* $name,)*
        }

        impl Seen {
            const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

seen! {
    HintLost,
    HintRepeated,
    FanoutAway,
    FanoutLagged,
    StoreAway,
    NodeStalled,
    UnknownOutcome,
    PublishRefused,
    KeyReplayed,
    DiedBeforeCommit,
    /// A node died after a commit of which it had told nobody.
    DiedBeforeHint,
    /// A driver waits for a link that its client does not read.
    LinkFull,
    LinkCut,
    LinkHalfOpen,
    /// A client came back to a node that still held its last link.
    LeftBehind,
    RoleChanged,
    Trimmed,
    TrimPassedSlow,
    TrimPassedAbsent,
    Restored,
    FreshStart,
    Recovered,
    RecoveredElsewhere,
    /// With no notification received before the break.
    RecoveredWithNothing,
    /// By a node that had yet to come as far as the client.
    RecoveredAhead,
    /// A page that was loaded again went on from the offset that it had noted.
    Resumed,
    CaughtUpFromRing,
    CaughtUpFromStore,
    RefusedEpoch,
    RefusedTrimmed,
    RefusedLimit,
    RefusedStranger,
    RefusedOld,
    RefusedRooms,
    /// Told to reload again, since its offset was the one it had before its session.
    RefusedHeld,
}

/// How often each happened.
pub(super) struct Coverage(Vec<AtomicU32>);

impl Default for Coverage {
    fn default() -> Self {
        Self(Seen::ALL.iter().map(|_| AtomicU32::new(0)).collect())
    }
}

impl Coverage {
    pub(super) fn saw(&self, what: Seen) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (Seen, u32)> {
        Seen::ALL.iter().map(|what| (*what, self.0[*what as usize].load(Ordering::Relaxed)))
    }
}
