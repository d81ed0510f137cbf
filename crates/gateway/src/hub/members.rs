//! Who is in which room.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use carillon_domain::{Entitled, Entitlement, Room, UserId};

use super::{Member, MemberId, State};
use crate::mailbox::{Mailbox, Over};

/// Those of one room. One for most, which are those of single users: a table for each would be a tenth of what a connection takes.
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

impl State {
    pub(super) fn members(&self, room: &Room) -> impl Iterator<Item = (MemberId, &Member)> + use<'_> {
        self.rooms.get(room).into_iter().flat_map(Members::iter)
    }

    pub(super) fn add(&mut self, who: &Arc<Entitled>, id: MemberId, mailbox: &Arc<Mailbox>) {
        for Entitlement { room, since } in &who.rooms {
            let member = Member { who: Arc::clone(who), mailbox: Arc::clone(mailbox), since: *since };
            match self.rooms.entry(room.clone()) {
                Entry::Occupied(mut members) => members.get_mut().add(id, member),
                Entry::Vacant(room) => drop(room.insert(Members::One(id, member))),
            }
        }
    }

    pub(super) fn remove(&mut self, who: &Entitled, id: MemberId) {
        for entitlement in &who.rooms {
            if let Some(members) = self.rooms.get_mut(&entitlement.room)
                && members.remove(id)
            {
                self.rooms.remove(&entitlement.room);
            }
        }
    }

    /// Ends what has this session by an earlier claim, and names it. Nobody but its user can come by its id.
    pub(super) fn supersede(&self, user: &UserId, socket_id: &str, claim: u64) -> Option<MemberId> {
        let own = Room::user(user);
        let (id, old) = self.members(&own).find(|(_, member)| {
            &**member.mailbox.socket_id() == socket_id && member.mailbox.claim() < claim
        })?;
        old.mailbox.end(Over::Superseded);
        Some(id)
    }
}
