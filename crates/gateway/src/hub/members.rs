//! Who is in one room.

use std::collections::BTreeMap;

use super::{Member, MemberId};

/// One for most rooms, which are those of single users: a table for each would be a tenth of what a connection takes.
pub(super) enum Members {
    One(MemberId, Member),
    /// In the order in which they came.
    Many(BTreeMap<MemberId, Member>),
}

impl Members {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Many(members) => members.len(),
        }
    }

    pub(super) fn has(&self, id: MemberId) -> bool {
        match self {
            Self::One(one, _) => *one == id,
            Self::Many(members) => members.contains_key(&id),
        }
    }

    pub(super) fn add(&mut self, id: MemberId, member: Member) {
        let many = match self {
            Self::Many(members) => return drop(members.insert(id, member)),
            Self::One(..) => Self::Many(BTreeMap::from([(id, member)])),
        };
        if let Self::One(first, member) = std::mem::replace(self, many)
            && !self.has(first)
        {
            self.add(first, member);
        }
    }

    /// Removes a member; `true` if nobody is left.
    pub(super) fn remove(&mut self, id: MemberId) -> bool {
        match self {
            Self::One(one, _) => *one == id,
            Self::Many(members) => {
                members.remove(&id);
                members.is_empty()
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (MemberId, &Member)> {
        let (one, many) = match self {
            Self::One(id, member) => (Some((*id, member)), None),
            Self::Many(members) => (None, Some(members.iter().map(|(id, member)| (*id, member)))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}
