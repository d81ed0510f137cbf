//! The generator: thousands of Socket.IO clients and the publishers, in one thread over epoll, so that it costs less than
//! any server that it measures.
//!
//! [`client`] is one client without its socket, [`publisher`] what is published, [`tally`] what should come and what came;
//! [`link`], [`poll`], [`frames`] and [`http`] are what they stand on. Latency counts from when a notification was due, and
//! a run ends when all has come, or nothing has for [`QUIET`].

pub(crate) mod client;
pub(crate) mod frames;
pub(crate) mod http;
pub(crate) mod link;
pub(crate) mod poll;
mod publisher;
pub(crate) mod tally;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;

use client::{Client, Heard, Transport};
use link::Link;
use poll::{Poll, Ready};
use publisher::Publisher;
use tally::{Audience, Tally};

/// How long nothing may arrive before what is missing counts as lost.
const QUIET: Duration = Duration::from_secs(10);
/// What the kernel calls a publisher is its number and this.
const PUBLISHER: u64 = 1 << 32;
/// How long is waited for something to happen before what is due is looked at again.
const LONGEST: Duration = Duration::from_millis(100);
/// Connections begun before what came is looked at.
const AT_ONCE: usize = 32;

/// What is published in a run, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) audience: Audience,
    /// Notifications in a request.
    pub(crate) batch: usize,
    pub(crate) pace: Pace,
}

/// How fast.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// One request each interval, whatever became of those before.
    Each(Duration),
    /// As many requests at a time, each under way until it is answered and all its receipts have come.
    UnderWay(usize),
}

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

    /// Connects one more client for each token, all at once.
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
            for token in tokens.by_ref().take(AT_ONCE) {
                let (client, first) = Client::new(transport, has_inbox, token);
                let mut link = Link::connect(self.server)?;
                link.send(first.as_bytes())?;
                self.poll.add(&link.socket, self.clients.len() as u64)?;
                self.clients.push((client, link));
            }
            let patience = if tokens.len() > 0 { Duration::ZERO } else { Duration::from_millis(100) };
            self.poll.wait(&mut ready, patience)?;
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

    /// Publishes for so long and waits for all of it. `tick` is called about each second with what there is so far.
    pub(crate) fn run(
        &mut self,
        streams: &[Stream],
        duration: Duration,
        connections: usize,
        mut tick: impl FnMut(&Tally) -> Result<()>,
    ) -> Result<(Tally, Duration)> {
        self.open(connections)?;
        let mut tally = Tally::new(self.clients.len(), self.next);
        let begun = self.now();
        let end = begun + nanos(duration);
        let mut due = vec![begun; streams.len()];
        let (mut ready, mut ticked, mut moved, mut before) = (Vec::new(), begun, begun, 0);
        loop {
            let now = self.now();
            for (stream, due) in streams.iter().zip(&mut due) {
                self.publish(&mut tally, *stream, due, now, end)?;
            }
            let is_sent = now >= end
                && streams.iter().zip(&due).all(|(stream, due)| stream.waits_for(*due, end).is_none());
            if is_sent && tally.under_way == 0 {
                break;
            }
            let progress = tally.delivered + tally.published();
            if progress > before {
                (before, moved) = (progress, now);
            } else if now - moved > nanos(self.quiet) && tally.under_way > 0 {
                break;
            }
            if now - ticked > 1_000_000_000 {
                ticked = now;
                tick(&tally)?;
            }
            let next = streams.iter().zip(&due).filter_map(|(stream, due)| stream.waits_for(*due, end)).min();
            // A publish that is due already waits for a connection.
            let next = next
                .filter(|next| *next > now && !self.idle.is_empty())
                .map(|next| next - self.now().min(next));
            self.poll.wait(&mut ready, next.map_or(LONGEST, Duration::from_nanos).min(LONGEST))?;
            for &ready in &ready {
                self.note(ready, &mut tally)?;
            }
        }
        self.next = tally.next();
        self.publishers.clear();
        let last = tally.last.max(begun);
        Ok((tally, Duration::from_nanos(last - begun)))
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

    /// So many connections to publish on.
    fn open(&mut self, connections: usize) -> Result<()> {
        self.publishers.clear();
        for index in 0..connections {
            let link = Link::connect(self.server)?;
            self.poll.add(&link.socket, PUBLISHER + index as u64)?;
            self.publishers.push(Publisher { link, request: None });
        }
        self.idle = (0..connections).collect();
        Ok(())
    }

    /// Sends what is due of one stream, as far as there are connections for it.
    fn publish(
        &mut self,
        tally: &mut Tally,
        stream: Stream,
        due: &mut u64,
        now: u64,
        end: u64,
    ) -> Result<()> {
        loop {
            let may = match stream.pace {
                Pace::Each(_) => *due <= now && *due < end,
                Pace::UnderWay(most) => now < end && tally.under_way < most,
            };
            let Some(index) = may.then(|| self.idle.pop_front()).flatten() else { return Ok(()) };
            let when = match stream.pace {
                Pace::Each(interval) => {
                    let when = *due;
                    *due += nanos(interval);
                    when
                }
                Pace::UnderWay(_) => self.now(),
            };
            self.out.clear();
            publisher::request(tally, stream.audience, stream.batch, self.key, &mut self.out)?;
            let publisher = &mut self.publishers[index];
            publisher.request = Some(tally.publish(stream.audience, stream.batch, when));
            publisher.link.send(&self.out)?;
        }
    }

    /// Does what is to be done, and notes it.
    fn note(&mut self, ready: Ready, tally: &mut Tally) -> Result<()> {
        match self.turn(ready)? {
            Turn::Nothing => {}
            Turn::Answered { request, accepted } => tally.answered(request, accepted),
            Turn::Client(client) => {
                let now = self.now();
                for heard in &self.heard {
                    match *heard {
                        Heard::Notification { seq, bytes } => tally.heard(client, seq, bytes, now),
                        Heard::Joined => bail!("client {client} joined twice"),
                    }
                }
            }
        }
        Ok(())
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

impl Stream {
    /// When the next of it is to be sent; `None` where that is no matter of time, or nothing more is.
    fn waits_for(&self, due: u64, end: u64) -> Option<u64> {
        match self.pace {
            Pace::Each(_) => (due < end).then_some(due),
            Pace::UnderWay(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::floor;
    use carillon_tests::User;
    use carillon_tests::node::PUBLISH_KEY;

    const BOTH: [Stream; 2] = [
        Stream { audience: Audience::Each, batch: 3, pace: Pace::Each(Duration::from_millis(5)) },
        Stream { audience: Audience::All, batch: 1, pace: Pace::Each(Duration::from_millis(20)) },
    ];

    /// What comes of a run over a server to which the clients say that they are these.
    fn run(users: [&str; 3]) -> Tally {
        let address = floor::start_for_tests();
        let mut swarm = Swarm::new(address, PUBLISH_KEY).unwrap();
        swarm.quiet = Duration::from_secs(3);
        let tokens = users.map(|user| User::new(user, "PATIENT").token());
        swarm.connect(Transport::WebSocket, false, tokens.to_vec()).unwrap();
        swarm.run(&BOTH, Duration::from_millis(200), 4, |_| Ok(())).unwrap().0
    }

    #[test]
    fn all_that_comes_is_counted_once() {
        let tally = run(["load-0", "load-1", "load-2"]);
        assert_eq!((tally.delivered, tally.lost(), tally.not_accepted), (40 * 3 + 10 * 3, 0, 0));
        assert_eq!((tally.doubled, tally.misrouted), (0, 0));
        assert_eq!((tally.each.len(), tally.all.len(), tally.last_of_all.len()), (120, 30, 10));
    }

    #[test]
    fn what_goes_to_the_wrong_client_is_misrouted_and_lost() {
        let tally = run(["load-0", "load-2", "load-1"]);
        let Tally { delivered, doubled, misrouted, .. } = tally;
        assert_eq!((delivered, tally.lost(), misrouted, doubled), (40 + 30, 80, 80, 0));
    }
}
