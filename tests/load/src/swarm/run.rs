//! A run: publishing at its pace until all of it has come, or nothing more does.

use std::time::Duration;

use anyhow::{Result, bail};

use super::client::Heard;
use super::link::Link;
use super::poll::Ready;
use super::publisher::{self, Publisher};
use super::tally::{Audience, Tally};
use super::{PUBLISHER, Swarm, Turn, nanos};

/// How long is waited for something to happen before what is due is looked at again.
const LONGEST: Duration = Duration::from_millis(100);

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

impl Swarm {
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
            // What is due already waits for a connection.
            let next = next.filter(|next| *next > now).map(|next| next.saturating_sub(self.now()));
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
    use crate::swarm::client::Transport;
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
        assert_eq!((tally.each.len(), tally.all.len(), tally.lasts.len()), (120, 30, 10));
    }

    #[test]
    fn what_goes_to_the_wrong_client_is_misrouted_and_lost() {
        let tally = run(["load-0", "load-2", "load-1"]);
        let Tally { delivered, doubled, misrouted, .. } = tally;
        assert_eq!((delivered, tally.lost(), misrouted, doubled), (40 + 30, 80, 80, 0));
    }
}
