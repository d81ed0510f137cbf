//! The ping clock (Engine.IO protocol v4, "Heartbeat"): the server pings, the client answers.
//!
//! ```text
//!              ping_interval is over: Ping
//!   Resting ------------------------------> Waiting --- ping_timeout of silence: Dead
//!      ^                                     |   ^ |
//!      +------------- pong ------------------+   +-+ any other packet: silence starts anew
//! ```

use std::time::Duration;

use crate::Config;

/// What the clock asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Send a ping.
    Ping,
    /// The peer is gone: close with "ping timeout".
    Dead,
}

/// Decides when to ping and when to give up. Times are since the caller's origin.
#[derive(Debug)]
pub struct Heartbeat {
    state: State,
}

#[derive(Debug)]
enum State {
    Resting { ping_at: Duration },
    Waiting { dead_at: Duration },
}

impl Heartbeat {
    /// The first ping is due one interval after the opening.
    #[must_use]
    pub fn new(config: &Config, now: Duration) -> Self {
        Self { state: State::Resting { ping_at: now + config.ping_interval } }
    }

    /// When [`Heartbeat::on_deadline`] is next due.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        match self.state {
            State::Resting { ping_at } => ping_at,
            State::Waiting { dead_at } => dead_at,
        }
    }

    /// Call at the deadline; earlier does nothing.
    pub fn on_deadline(&mut self, config: &Config, now: Duration) -> Option<Beat> {
        if now < self.deadline() {
            return None;
        }
        match self.state {
            State::Resting { .. } => {
                self.state = State::Waiting { dead_at: now + config.ping_timeout };
                Some(Beat::Ping)
            }
            State::Waiting { .. } => Some(Beat::Dead),
        }
    }

    /// A pong came. One that nobody asked for changes nothing: it must not push the next ping away.
    pub fn on_pong(&mut self, config: &Config, now: Duration) {
        if let State::Waiting { .. } = self.state {
            self.state = State::Resting { ping_at: now + config.ping_interval };
        }
    }

    /// Any other packet came: a sign of life, but not the answer.
    pub fn on_packet(&mut self, config: &Config, now: Duration) {
        if let State::Waiting { dead_at } = &mut self.state {
            *dead_at = now + config.ping_timeout;
        }
    }
}
