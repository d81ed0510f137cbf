//! What back ends say to this node's sockets past the log.

use carillon_domain::{Audience, Emit};
use metrics::counter;

use crate::frames;
use crate::gateway::Gateway;
use crate::server::Server;

impl Server<Gateway> {
    /// Tells an event to the sockets of its audience that are here. One of Carillon's own names, or of the protocol's, is told
    /// to nobody.
    pub fn emit(&self, emit: &Emit) {
        let Some(frame) = frames::emitted(emit) else {
            return counter!("carillon_emitter_ignored_total", "reason" => "reserved").increment(1);
        };
        counter!("carillon_emitter_taken_total", "what" => "event").increment(1);
        let missed = self.application.hub.emit(&frame, &emit.audience, emit.is_volatile);
        counter!("carillon_emitter_missed_total").increment(missed as u64);
    }

    /// Disconnects the sockets of an audience that are here, in order with what they are told.
    pub fn dismiss(&self, audience: &Audience) {
        counter!("carillon_emitter_taken_total", "what" => "disconnect").increment(1);
        self.application.hub.dismiss(audience);
    }
}
