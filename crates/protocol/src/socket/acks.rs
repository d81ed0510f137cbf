//! Acknowledgements that the client owes this side.

use std::collections::BTreeMap;
use std::fmt;

use bytestring::ByteString;

/// The number that ties an acknowledgement to its event. Each side counts its own events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AckId(pub u64);

impl fmt::Display for AckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The open ones of one connection, bounded.
#[derive(Debug, Default)]
pub(super) struct Acks {
    next: u64,
    open: BTreeMap<u64, ByteString>,
}

impl Acks {
    /// A fresh id for an event of this namespace; `None` if the client owes this many already.
    pub(super) fn issue(&mut self, nsp: ByteString, most: usize) -> Option<AckId> {
        if self.open.len() >= most {
            return None;
        }
        let id = self.next;
        self.next += 1;
        self.open.insert(id, nsp);
        Some(AckId(id))
    }

    /// Whether this one was open in this namespace. It is not, afterwards.
    pub(super) fn settle(&mut self, nsp: &str, AckId(id): AckId) -> bool {
        let known = self.open.get(&id).is_some_and(|owed| owed == nsp);
        if known {
            self.open.remove(&id);
        }
        known
    }

    /// Drops one that is no longer waited for.
    pub(super) fn forget(&mut self, AckId(id): AckId) {
        self.open.remove(&id);
    }

    /// Drops all of a namespace.
    pub(super) fn leave(&mut self, nsp: &str) {
        self.open.retain(|_, owed| owed != nsp);
    }

    /// Drops all.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}
