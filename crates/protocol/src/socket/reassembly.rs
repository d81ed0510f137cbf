//! A binary packet comes as its header and then its attachments, one message each (Socket.IO protocol v5,
//! "Binary event"). This holds what has come, bounded in number, bytes and time.
//!
//! ```text
//!   Idle --- header ---> Waiting --- last attachment ---> Idle, packet complete
//!                         |   ^
//!                         +---+ attachment     text, too many bytes, too late: malformed
//! ```

use std::time::Duration;

use bytes::Bytes;

use super::Packet;
use crate::{Config, Malformed};

#[derive(Debug, Default)]
pub(super) struct Reassembly(Option<Box<Waiting>>);

#[derive(Debug)]
struct Waiting {
    header: Packet,
    parts: Vec<Bytes>,
    bytes: usize,
    until: Duration,
}

impl Reassembly {
    pub(super) fn is_waiting(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.0.as_ref().map(|waiting| waiting.until)
    }

    pub(super) fn begin(&mut self, header: Packet, config: &Config, now: Duration) {
        let bytes = header.payload.as_ref().map_or(0, |payload| payload.len());
        let (parts, until) = (Vec::new(), now + config.attachment_timeout);
        self.0 = Some(Box::new(Waiting { header, parts, bytes, until }));
    }

    /// Takes the next attachment; the packet, if it was the last.
    pub(super) fn add(
        &mut self,
        part: Bytes,
        config: &Config,
    ) -> Result<Option<(Packet, Vec<Bytes>)>, Malformed> {
        let Some(mut waiting) = self.0.take() else {
            return Err(Malformed("got binary data when not reconstructing a packet"));
        };
        waiting.bytes = waiting.bytes.saturating_add(part.len());
        if waiting.bytes > config.max_payload {
            return Err(Malformed("attachments exceed the payload limit"));
        }
        waiting.parts.push(part);
        if waiting.parts.len() == waiting.header.attachments {
            return Ok(Some((waiting.header, waiting.parts)));
        }
        self.0 = Some(waiting);
        Ok(None)
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}
