//! What the worlds have been through. A fault that no longer happens is a test that no longer tests.

use std::sync::atomic::{AtomicU32, Ordering};

/// Something that must happen in the course of some thousand seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    HintLost,
    HintRepeated,
    FanoutAway,
    FanoutLagged,
    StoreAway,
    UnknownOutcome,
    PublishRefused,
    KeyReplayed,
    /// A node died after a commit of which it had told nobody.
    DiedBeforeHint,
    DiedBeforeCommit,
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
    /// With no event of the log received before the break.
    RecoveredWithNothing,
    RecoveredAhead,
    Resumed,
    CaughtUpFromStore,
    RefusedEpoch,
    RefusedTrimmed,
    RefusedLimit,
    RefusedStranger,
    RefusedOld,
    RefusedRooms,
    RefusedHeld,
}

impl Seen {
    pub(super) const ALL: [Self; 32] = [
        Self::HintLost,
        Self::HintRepeated,
        Self::FanoutAway,
        Self::FanoutLagged,
        Self::StoreAway,
        Self::UnknownOutcome,
        Self::PublishRefused,
        Self::KeyReplayed,
        Self::DiedBeforeHint,
        Self::DiedBeforeCommit,
        Self::LinkCut,
        Self::LinkHalfOpen,
        Self::LeftBehind,
        Self::RoleChanged,
        Self::Trimmed,
        Self::TrimPassedSlow,
        Self::TrimPassedAbsent,
        Self::Restored,
        Self::FreshStart,
        Self::Recovered,
        Self::RecoveredElsewhere,
        Self::RecoveredWithNothing,
        Self::RecoveredAhead,
        Self::Resumed,
        Self::CaughtUpFromStore,
        Self::RefusedEpoch,
        Self::RefusedTrimmed,
        Self::RefusedLimit,
        Self::RefusedStranger,
        Self::RefusedOld,
        Self::RefusedRooms,
        Self::RefusedHeld,
    ];
}

/// How often each happened.
#[derive(Default)]
pub(super) struct Coverage([AtomicU32; Seen::ALL.len()]);

impl Coverage {
    pub(super) fn saw(&self, what: Seen) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (Seen, u32)> {
        Seen::ALL.into_iter().map(|what| (what, self.0[what as usize].load(Ordering::Relaxed)))
    }
}
