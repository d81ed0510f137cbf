//! What back ends say to sockets past the log: told to those of its audience who are here, each once.

use std::collections::HashSet;

use carillon_domain::{Audience, Room};
use carillon_protocol::Frame;

use super::{Hub, Member, MemberId, State};
use crate::mailbox::Over;

impl Hub {
    /// Queues an event for the sockets of its audience; a stream would not tell it. Answers for how many there was no room.
    pub(crate) fn emit(&self, frame: &Frame, audience: &Audience, is_volatile: bool) -> usize {
        let state = self.lock();
        let mut missed = 0;
        state.each_of(audience, |member| {
            if member.mailbox.hears_emits() {
                let is_queued = member.mailbox.emit(frame, is_volatile);
                missed += usize::from(!is_queued && !is_volatile);
            }
        });
        missed
    }

    /// Ends the sockets of an audience, once all that was queued for them is sent.
    pub(crate) fn dismiss(&self, audience: &Audience) {
        let state = self.lock();
        state.each_of(audience, |member| member.mailbox.end_after(state.cursor, Over::Dismissed));
    }
}

impl State {
    fn each_of(&self, audience: &Audience, mut tell: impl FnMut(&Member)) {
        let except: HashSet<MemberId> = self.named(&audience.except).map(|(id, _)| id).collect();
        match &audience.rooms[..] {
            [] => {
                self.members(&Room::all()).filter(|(id, _)| !except.contains(id)).for_each(|(_, m)| tell(m));
            }
            names => {
                let mut told = except;
                self.named(names).filter(|(id, _)| told.insert(*id)).for_each(|(_, member)| tell(member));
            }
        }
    }

    /// Who is in any of these rooms, once for each of them, or is a socket of such an id. A name that is said many times is
    /// looked up once.
    pub(super) fn named<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = (MemberId, &'a Member)> {
        let (mut rooms, mut ids) = (HashSet::new(), HashSet::new());
        for name in names {
            match name.parse::<Room>() {
                Ok(room) => rooms.insert(room),
                Err(_) => ids.insert(name.as_str()),
            };
        }
        // A socket is in the room of its own id. Such a room has no list, so that whoever says its name pays for it.
        let everyone = (!ids.is_empty()).then(|| self.members(&Room::all())).into_iter().flatten();
        let by_id = everyone.filter(move |(_, member)| ids.contains(&**member.mailbox.socket_id()));
        rooms.into_iter().flat_map(|room| self.members(&room)).chain(by_id)
    }
}
