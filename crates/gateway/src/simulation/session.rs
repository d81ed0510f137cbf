//! One connection: the real peer over the real machine, driven by hand as `drive` does it with a runtime.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytestring::ByteString;
use carillon_domain::testing::Mutant;
use carillon_protocol::engine::{Input, Message, Transport};
use carillon_protocol::{Config, Connection, Output};

use super::client::last_text;
use super::coverage::{Coverage, Seen};
use super::dice::turn;
use super::node::Shared;
use crate::application::Peer as _;
use crate::gateway::Gateway;
use crate::socket::Socket;

/// The server's end of a WebSocket, and what is under way on it.
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) client: usize,
    peer: Socket,
    machine: Connection,
    /// Messages that the link holds; more, and the driver waits.
    room: usize,
    written: Arc<Mutex<HashMap<usize, String>>>,
    coverage: Arc<Coverage>,
    /// What the driver waits with.
    held: Option<ByteString>,
    pub(super) to_client: VecDeque<ByteString>,
    pub(super) from_client: VecDeque<ByteString>,
    /// The server has closed it: what is under way still arrives.
    pub(super) is_closed: bool,
    pub(super) is_finished: bool,
}

impl Session {
    pub(super) fn open(
        gateway: &Arc<Gateway>,
        (id, client): (u64, usize),
        shared: &Shared,
        now: Duration,
    ) -> Self {
        let machine = Connection::open(Config::default(), "n.sid", Transport::Websocket, now);
        Self {
            id,
            client,
            peer: Socket::new(Arc::clone(gateway), None),
            machine,
            room: shared.figures.link,
            written: Arc::clone(&shared.written),
            coverage: Arc::clone(&shared.store.coverage),
            held: None,
            to_client: VecDeque::new(),
            from_client: VecDeque::new(),
            is_closed: false,
            is_finished: false,
        }
    }

    /// Goes on until it waits for something: the link, the store, or mail.
    pub(super) fn turn(&mut self, now: Duration) {
        if let Some(held) = self.held.take()
            && !self.write(held)
        {
            return self.work();
        }
        if self.machine.deadline().is_some_and(|at| at <= now) {
            self.machine.handle(Input::Timer, now);
        }
        loop {
            self.peer.pump(&mut self.machine);
            if !self.perform(now) {
                return self.work();
            }
            if self.peer.has_room()
                && let Some(text) = self.from_client.pop_front()
            {
                self.machine.handle(Input::Socket(Message::Text(text)), now);
                continue;
            }
            if self.peer.deadline(now).is_some_and(|at| at <= now) {
                self.peer.on_time(&mut self.machine, now);
                continue;
            }
            let Some(step) = turn(&mut poll_fn(|cx| self.peer.poll_next(cx))) else { return };
            self.peer.take(step, &mut self.machine, now);
        }
    }

    /// Lets go on what is under way, while the link is full.
    fn work(&mut self) {
        let mut work = poll_fn(|cx| {
            self.peer.poll_work(cx);
            Poll::Ready(())
        });
        turn(&mut work);
    }

    /// The link is found to be broken.
    pub(super) fn fail(&mut self, now: Duration) {
        self.is_closed = true;
        self.held = None;
        self.machine.handle(Input::SocketFailed, now);
        self.perform(now);
    }

    /// Does what the machine says; `false` when the link is full, or it is all over.
    fn perform(&mut self, now: Duration) -> bool {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Socket(Message::Text(text)) => {
                    if !self.write(text) {
                        return false;
                    }
                }
                Output::CloseSocket(_) => self.is_closed = true,
                Output::Event(event) => self.peer.hear(event, &mut self.machine, now),
                Output::Finished => {
                    self.is_finished = true;
                    return false;
                }
                Output::Closed(_) | Output::Socket(_) | Output::Poll(_) | Output::Upgraded => {}
            }
        }
        true
    }

    fn write(&mut self, text: ByteString) -> bool {
        if self.is_closed {
            return true;
        }
        if self.to_client.len() >= self.room {
            self.coverage.saw(Seen::LinkFull);
            self.held = Some(text);
            return false;
        }
        if Mutant::CursorOnServer.is_on()
            && let Some(offset) = last_text(&text)
        {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            written.insert(self.client, offset.to_owned());
        }
        self.to_client.push_back(text);
        true
    }
}
