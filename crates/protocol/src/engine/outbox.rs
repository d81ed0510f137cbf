//! Encoded packets that wait for the next GET, bounded in bytes.

use std::collections::VecDeque;

use bytestring::ByteString;

use super::{Message, payload};

#[derive(Debug, Default)]
pub(super) struct Outbox {
    packets: VecDeque<Message>,
    bytes: usize,
}

impl Outbox {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Room for `bytes` more under `bound`; an empty box takes anything, or a large packet would never leave.
    pub(super) fn has_room(&self, bytes: usize, bound: usize) -> bool {
        self.packets.is_empty() || self.bytes.saturating_add(bytes) <= bound
    }

    pub(super) fn push(&mut self, packet: Message) {
        self.bytes += packet.len();
        self.packets.push_back(packet);
    }

    /// For pings, which must not wait behind data. The box is only ever emptied whole, so this never
    /// falls between a packet and its attachments.
    pub(super) fn push_first(&mut self, packet: Message) {
        self.bytes += packet.len();
        self.packets.push_front(packet);
    }

    /// Everything, as messages.
    pub(super) fn take(&mut self) -> VecDeque<Message> {
        self.bytes = 0;
        std::mem::take(&mut self.packets)
    }

    /// Everything, as one polling body.
    pub(super) fn take_body(&mut self) -> ByteString {
        payload::encode(&self.take())
    }
}
