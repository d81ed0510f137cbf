//! What the hub knows of users beside their rooms: who is blocked, who mutes what, who was erased. All of it follows the log.

use std::sync::Arc;

use carillon_domain::{Blocked, Entitled, Epoch, MuteList, Muting, Room, Row, Timestamp};
use carillon_protocol::Frame;

use super::{Hub, State};
use crate::frames;
use crate::mailbox::Over;

impl Hub {
    /// Whether the block list is of this life of the log.
    pub(crate) fn knows_blocks(&self) -> bool {
        self.blocks.epoch() == Some(self.offset().epoch)
    }

    /// What users mute; exact for every row up to the cursor.
    pub(crate) fn mutes(&self) -> &MuteList {
        &self.mutes
    }

    /// Which rows `who` is not given though they are in their rooms: muted, or of a type that is kept no longer.
    pub(crate) fn passed_over(&self, who: &Entitled, now: Timestamp) -> impl Fn(&Row) -> bool + use<> {
        let (muting, rules) = (self.mutes.of_user(who), Arc::clone(&self.rules));
        move |row| {
            let is_muted = |muting: &Arc<Muting>| muting.covers(row.position, &row.notification);
            muting.as_ref().is_some_and(is_muted) || rules.is_over(&row.notification, now)
        }
    }

    /// A row for a client, encoded.
    pub(crate) fn encode(&self, epoch: Epoch, row: &Row) -> Frame {
        frames::notification(epoch, row, &self.rules)
    }

    /// Whether what users mute is of this life of the log.
    pub(crate) fn knows_mutes(&self) -> bool {
        self.mutes.epoch() == Some(self.offset().epoch)
    }

    /// Takes the block list as the log keeps it, and ends the connections of those who are on it.
    pub(crate) fn load_blocks(&self, blocked: Blocked) {
        let state = self.lock();
        for room in blocked.users.iter().map(Room::user) {
            for (_, member) in state.members(&room) {
                member.mailbox.end(Over::Blocked);
            }
        }
        self.blocks.load(blocked);
    }
}

impl State {
    /// Ends the connections of the one whose own room this is, and forgets what was said in these.
    pub(super) fn erase(&mut self, own: &Room, rooms: &[Room]) {
        for (_, member) in self.members(own) {
            member.mailbox.end(Over::Erased);
        }
        self.recent.erase(rooms);
    }
}
