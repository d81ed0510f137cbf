//! What was published, what of it came, and when: nothing is believed to have arrived once because much has.

use hdrhistogram::Histogram;

use super::histogram;

/// For whom a notification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Each client in turn.
    Each,
    /// Every client.
    All,
}

/// Notifications published together.
#[derive(Debug)]
struct Request {
    /// The first of them, and how many they are.
    first: usize,
    batch: usize,
    audience: Audience,
    /// When they were to be sent, in nanoseconds of the run's clock.
    due: u64,
    /// Receipts to come, and whether it was answered.
    missing: usize,
    is_answered: bool,
    /// Where its receipts are noted.
    bits: usize,
}

/// One run.
#[derive(Debug)]
pub(crate) struct Tally {
    clients: usize,
    /// The number of the first notification of the run.
    base: usize,
    next: usize,
    requests: Vec<Request>,
    /// To which request each notification of the run belongs.
    owners: Vec<u32>,
    seen: Vec<u64>,
    pub(crate) under_way: usize,
    pub(crate) not_accepted: u64,
    pub(crate) delivered: u64,
    pub(crate) doubled: u64,
    pub(crate) misrouted: u64,
    pub(crate) bytes: u64,
    /// When the last receipt came.
    pub(crate) last: u64,
    /// From when a notification was due to a receipt, in nanoseconds: of those to each in turn, and to all.
    pub(crate) each: Histogram<u64>,
    pub(crate) all: Histogram<u64>,
    /// Of each notification to all: how long after it was due the last client had it, in nanoseconds.
    pub(crate) lasts: Vec<u64>,
}

impl Tally {
    /// A run over so many clients, whose notifications are numbered from `base`.
    pub(crate) fn new(clients: usize, base: usize) -> Self {
        let [each, all] = [(); 2].map(|()| histogram());
        let (requests, owners, seen, lasts) = Default::default();
        let (delivered, doubled, misrouted, bytes, not_accepted, last) = Default::default();
        let (next, under_way) = (base, 0);
        Self {
            clients,
            base,
            next,
            requests,
            owners,
            seen,
            under_way,
            not_accepted,
            delivered,
            doubled,
            misrouted,
            bytes,
            last,
            each,
            all,
            lasts,
        }
    }

    /// Who hears the notification of this number, where each is for one client.
    pub(crate) const fn reader(&self, seq: usize) -> usize {
        seq % self.clients
    }

    /// The number that the next notification gets.
    pub(crate) const fn next(&self) -> usize {
        self.next
    }

    /// Notes that so many were due then: the number of the request.
    pub(crate) fn publish(&mut self, audience: Audience, batch: usize, due: u64) -> usize {
        let readers = if audience == Audience::All { self.clients } else { 1 };
        let (first, bits, missing) = (self.next, self.seen.len() * 64, batch * readers);
        let owner = self.requests.len();
        self.requests.push(Request { first, batch, audience, due, missing, is_answered: false, bits });
        // More requests than that are not made in a run.
        self.owners.resize(self.owners.len() + batch, u32::try_from(owner).unwrap_or(u32::MAX));
        self.seen.resize(self.seen.len() + missing.div_ceil(64), 0);
        self.next += batch;
        self.under_way += 1;
        owner
    }

    /// Notes that a request was answered, and whether everything in it was accepted.
    pub(crate) fn answered(&mut self, request: usize, accepted: usize) {
        let request = &mut self.requests[request];
        self.not_accepted += (request.batch - accepted) as u64;
        request.is_answered = true;
        self.under_way -= usize::from(request.missing == 0);
    }

    /// Notes a receipt.
    pub(crate) fn heard(&mut self, client: usize, seq: usize, bytes: usize, now: u64) {
        let owner = seq.checked_sub(self.base).and_then(|at| self.owners.get(at));
        let Some(request) = owner.map(|owner| &mut self.requests[*owner as usize]) else {
            self.misrouted += 1;
            return;
        };
        let place = match request.audience {
            Audience::All => (seq - request.first) * self.clients + client,
            Audience::Each if seq % self.clients == client => seq - request.first,
            Audience::Each => {
                self.misrouted += 1;
                return;
            }
        };
        let place = request.bits + place;
        let (word, bit) = (&mut self.seen[place / 64], 1 << (place % 64));
        if *word & bit != 0 {
            self.doubled += 1;
            return;
        }
        *word |= bit;
        self.delivered += 1;
        self.bytes += bytes as u64;
        self.last = now;
        request.missing -= 1;
        let took = now.saturating_sub(request.due);
        match request.audience {
            Audience::Each => self.each.saturating_record(took),
            Audience::All => self.all.saturating_record(took),
        }
        if request.missing == 0 {
            self.under_way -= usize::from(request.is_answered);
            if request.audience == Audience::All {
                self.lasts.push(took);
            }
        }
    }

    /// How many receipts have not come.
    pub(crate) fn lost(&self) -> u64 {
        self.requests.iter().map(|request| request.missing as u64).sum()
    }

    /// How many notifications were published.
    pub(crate) const fn published(&self) -> u64 {
        (self.next - self.base) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_doubled_and_misrouted_are_told_apart() {
        let mut tally = Tally::new(3, 6);
        let (to_each, to_all) = (tally.publish(Audience::Each, 3, 10), tally.publish(Audience::All, 1, 10));
        tally.answered(to_each, 3);
        tally.answered(to_all, 0);
        // 6, 7, 8 are for the clients 0, 1, 2, and 9 for everyone.
        for (client, seq) in [(0, 6), (0, 6), (0, 7), (2, 9), (2, 9), (1, 9), (1, 5), (1, 10)] {
            tally.heard(client, seq, 1, 30);
        }
        assert_eq!((tally.delivered, tally.doubled, tally.misrouted, tally.lost()), (3, 2, 3, 3));
        assert_eq!((tally.not_accepted, tally.under_way, tally.lasts.len()), (1, 2, 0));
        tally.heard(0, 9, 1, 31);
        assert_eq!((tally.under_way, tally.lasts[0]), (1, 21));
    }
}
