//! The generator: thousands of Socket.IO clients and the publishers, in one thread over epoll, so that it costs less than
//! any server that it measures.
//!
//! [`client`] is one client without its socket, [`publisher`] what is published, [`run`] how fast, [`tally`] what should come and
//! what came; [`link`], [`poll`], [`frames`] and [`http`] are what they stand on. Latency counts from when a notification was due, and
//! a run ends when all has come, or nothing has for [`QUIET`].

pub(crate) mod client;
pub(crate) mod frames;
pub(crate) mod http;
pub(crate) mod link;
pub(crate) mod poll;
mod publisher;
pub(crate) mod run;
pub(crate) mod tally;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;

use client::{Client, Heard, Transport};
use link::Link;
use poll::{Poll, Ready};
use publisher::Publisher;

/// How long nothing may arrive before what is missing counts as lost.
const QUIET: Duration = Duration::from_secs(10);
/// What the kernel calls a publisher is its number and this.
const PUBLISHER: u64 = 1 << 32;
/// Connections begun before what came is looked at.
const AT_ONCE: usize = 32;
/// Handshakes under way at most: beyond what a server's backlog holds, the kernel resets connections.
const CONNECTING: usize = 1_000;

/// Latencies are nanoseconds here, to three digits.
fn histogram() -> Histogram<u64> {
    // The bounds are good ones.
    Histogram::new_with_bounds(1, 600_000_000_000, 3).unwrap_or_else(|error| panic!("{error}"))
}

/// Half a millennium fits.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How connecting went.
#[derive(Debug)]
pub(crate) struct Connected {
    /// From the first one's begin to the last one's end.
    pub(crate) took: Duration,
    /// From the common begin to each client's end, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

/// What one event came to.
enum Turn {
    Nothing,
    /// This client has read what is in [`Swarm::heard`].
    Client(usize),
    /// So many notifications of a request were accepted.
    Answered {
        request: usize,
        accepted: usize,
    },
}

/// The clients of one server, and its publishers.
pub(crate) struct Swarm {
    server: SocketAddr,
    key: &'static str,
    poll: Poll,
    clients: Vec<(Client, Link)>,
    publishers: Vec<Publisher>,
    idle: VecDeque<usize>,
    clock: Instant,
    /// The number of the next notification.
    next: usize,
    quiet: Duration,
    scratch: Vec<u8>,
    out: Vec<u8>,
    heard: Vec<Heard>,
}

impl Swarm {
    /// No clients yet, for the server at this address of this machine.
    pub(crate) fn new(server: SocketAddr, key: &'static str) -> Result<Self> {
        ensure!(server.ip().is_loopback(), "{server} is not on the loopback interface");
        let (clients, publishers, idle, out, heard) = Default::default();
        let (poll, clock, scratch) = (Poll::new()?, Instant::now(), vec![0; 256 * 1024]);
        Ok(Self {
            server,
            key,
            poll,
            clients,
            publishers,
            idle,
            clock,
            next: 0,
            quiet: QUIET,
            scratch,
            out,
            heard,
        })
    }

    /// How many clients there are.
    pub(crate) const fn clients(&self) -> usize {
        self.clients.len()
    }

    fn now(&self) -> u64 {
        nanos(self.clock.elapsed())
    }

    /// Connects one more client for each token, all of them due at once and [`CONNECTING`] under way at a time.
    pub(crate) fn connect(
        &mut self,
        transport: Transport,
        has_inbox: bool,
        tokens: Vec<String>,
    ) -> Result<Connected> {
        let (begun, mut latency, mut ready) = (self.now(), histogram(), Vec::new());
        let (mut missing, mut last) = (tokens.len(), begun);
        let mut tokens = tokens.into_iter();
        while missing > 0 {
            let room = CONNECTING - (missing - tokens.len());
            for token in tokens.by_ref().take(room.min(AT_ONCE)) {
                let (client, first) = Client::new(transport, has_inbox, token);
                let mut link = Link::connect(self.server)?;
                link.send(first.as_bytes())?;
                self.poll.add(&link.socket, self.clients.len() as u64)?;
                self.clients.push((client, link));
            }
            let has_more = room > AT_ONCE && tokens.len() > 0;
            self.poll.wait(&mut ready, if has_more { Duration::ZERO } else { Duration::from_millis(100) })?;
            for &ready in &ready {
                self.turn(ready)?;
                if self.heard.contains(&Heard::Joined) {
                    missing -= 1;
                    last = self.now();
                    latency.saturating_record(last - begun);
                }
            }
            ensure!(self.now() - last < 3 * nanos(QUIET), "{missing} clients were not connected");
        }
        Ok(Connected { took: Duration::from_nanos(last - begun), latency })
    }

    /// Listens for so long to whatever comes, and answers pings.
    pub(crate) fn idle(&mut self, duration: Duration) -> Result<()> {
        let (until, mut ready) = (Instant::now() + duration, Vec::new());
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.poll.wait(&mut ready, left)?;
            for &ready in &ready {
                self.turn(ready)?;
                ensure!(
                    self.heard.is_empty(),
                    "something came while nothing was published: {:?}",
                    self.heard
                );
            }
        }
    }

    /// Reads and writes what can be.
    fn turn(&mut self, ready: Ready) -> Result<Turn> {
        self.heard.clear();
        let index = usize::try_from(ready.name % PUBLISHER)?;
        if ready.name >= PUBLISHER {
            return self.answer(index).with_context(|| format!("publisher {index}"));
        }
        let (client, link) = &mut self.clients[index];
        let (out, heard) = (&mut self.out, &mut self.heard);
        out.clear();
        let turn = link.flush().map_err(anyhow::Error::from).and_then(|()| {
            link.receive(&mut self.scratch, |bytes| client.take(bytes, out, heard))?;
            ensure!(!ready.is_over, "the connection broke");
            if !out.is_empty() {
                link.send(out)?;
            }
            Ok(())
        });
        turn.with_context(|| format!("client {index}"))?;
        Ok(Turn::Client(index))
    }

    fn answer(&mut self, index: usize) -> Result<Turn> {
        let Some(publisher) = self.publishers.get_mut(index) else { return Ok(Turn::Nothing) };
        publisher.link.flush()?;
        let (mut turn, scratch) = (Turn::Nothing, &mut self.scratch);
        let request = &mut publisher.request;
        publisher.link.receive(scratch, |bytes| {
            let Some(answer) = http::next(bytes)? else { return Ok(0) };
            let request = request.take().context("an answer to nothing")?;
            turn = Turn::Answered { request, accepted: publisher::accepted(&answer) };
            Ok(answer.end)
        })?;
        if matches!(turn, Turn::Answered { .. }) {
            self.idle.push_back(index);
        }
        Ok(turn)
    }
}
