//! Waiting for many sockets at once: epoll, edge-triggered.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};

/// Events taken from the kernel in one call.
const AT_ONCE: usize = 1024;

/// What waits.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

/// Something happened to what was added under this name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) name: u64,
    /// The peer has closed, or the connection broke. What it had sent before is still to be read.
    pub(crate) is_over: bool,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(AT_ONCE) })
    }

    /// Reports under this name whenever the descriptor becomes readable or writable. It ends with the descriptor.
    pub(crate) fn add(&self, what: impl AsFd, name: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, what, EventData::new_u64(name), flags)?)
    }

    /// Waits, at most so long, and replaces what is in `ready` by what happened.
    pub(crate) fn wait(&mut self, ready: &mut Vec<Ready>, at_most: Duration) -> io::Result<()> {
        ready.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timespec(at_most)))?;
        let over = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        ready.extend(self.events.drain(..).map(|event| {
            let (flags, data) = (event.flags, event.data);
            Ready { name: data.u64(), is_over: flags.intersects(over) }
        }));
        Ok(())
    }
}

fn timespec(duration: Duration) -> Timespec {
    // Nothing here lasts longer than a run.
    Timespec { tv_sec: duration.as_secs().cast_signed(), tv_nsec: duration.subsec_nanos().into() }
}
