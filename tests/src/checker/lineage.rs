//! One client's way through its journal: I2 to I8.

use std::collections::{HashMap, HashSet};

use carillon_domain::{Epoch, Offset, Position};

use super::{Case, Index, LIMIT, Lineage, LogRow, Verdict};
use crate::journal::Told;

struct Walk<'a> {
    case: &'a Case,
    log: &'a Index<'a>,
    client: &'a Lineage,
    /// What is its to see, of each life of the log.
    expected: HashMap<Epoch, Vec<&'a LogRow>>,
    /// The session's life of the log, and how far into `expected` it is.
    session: Option<(Epoch, usize)>,
    highest: Option<Offset>,
    got: HashSet<&'a str>,
    /// Rows that were passed over, and not received so far.
    missing: HashMap<&'a str, &'a LogRow>,
    /// What the client says of the CONNECT whose state is still to come.
    connected: Option<bool>,
    gone: Option<u64>,
}

pub(super) fn walk<'a>(case: &'a Case, log: &'a Index<'a>, client: &'a Lineage, verdict: &mut Verdict) {
    let expected = log.epochs.iter().map(|epoch| (*epoch, log.expected(client, *epoch))).collect();
    let mut walk = Walk {
        case,
        log,
        client,
        expected,
        session: None,
        highest: client.since,
        got: HashSet::new(),
        missing: HashMap::new(),
        connected: None,
        gone: None,
    };
    if let Some(since) = client.since {
        walk.begin(since);
    }
    for &(what, at) in log.told.get(&client.client).into_iter().flatten() {
        match what {
            Told::Connected { recovered } => walk.connected = Some(*recovered),
            Told::State { recovered, offset } => walk.state(*recovered, *offset, at, verdict),
            Told::Received { id, offset } => walk.received(id, *offset, at, verdict),
            Told::Disconnected => walk.gone = Some(at),
            Told::Refused { .. } => {}
        }
    }
    walk.end(verdict);
}

impl<'a> Walk<'a> {
    fn begin(&mut self, offset: Offset) {
        let rows = self.expected.get(&offset.epoch).map_or(&[][..], Vec::as_slice);
        let next = rows.partition_point(|row| row.offset.position <= offset.position);
        self.session = Some((offset.epoch, next));
    }

    /// Moves on to a place: what lies before it and has not been received is missing.
    fn pass(&mut self, epoch: Epoch, to: Position) {
        let Some((current, next)) = &mut self.session else { return };
        let rows = self.expected.get(&epoch).map_or(&[][..], Vec::as_slice);
        let end = rows.partition_point(|row| row.offset.position <= to);
        if *current == epoch && *next < end {
            let passed = rows[*next..end].iter().map(|row| (row.id.as_str(), *row));
            self.missing.extend(passed.filter(|(id, _)| !self.got.contains(id)));
            *next = end;
        }
    }

    fn state(&mut self, recovered: bool, offset: Offset, at: u64, verdict: &mut Verdict) {
        let Self { case: Case { fault, .. }, client: Lineage { client, since, .. }, .. } = *self;
        let figures = &mut verdict.figures;
        // A client that never heard its state was not there yet.
        if let Some(gone) = self.gone.take().filter(|_| self.session.is_some()) {
            figures.returned += 1;
            figures.recovered += u64::from(recovered);
            let from = if at > fault.1 { gone.max(fault.1) } else { gone };
            figures.back_after.push(at.saturating_sub(from));
            figures.returned_at.push(at);
        }
        let connected = self.connected.take();
        // A client that was resumed before it ever heard its state must load its inbox all the same.
        let is_first = self.session.is_none();
        if connected.is_some_and(|connected| connected != recovered) && since.is_none() && !is_first {
            verdict
                .add("I7", || format!("client {client} calls recovered {connected:?} what is {recovered}"));
        }
        if !recovered {
            return self.begin(offset);
        }
        self.pass(offset.epoch, offset.position);
        if !self.missing.is_empty() {
            let missing = self.missing.len();
            verdict.add("I7", || format!("client {client} was recovered without {missing} rows at {at}"));
        }
        if self.session.is_none_or(|(epoch, _)| epoch != offset.epoch) {
            verdict.add("I7", || format!("client {client} was recovered from another log, or from nothing"));
        }
    }

    fn received(&mut self, id: &'a str, offset: Offset, at: u64, verdict: &mut Verdict) {
        let client = self.client.client;
        if !self.got.insert(id) {
            verdict.figures.duplicates += 1;
            return verdict.add("I3", || format!("client {client} received {id} again"));
        }
        verdict.figures.delivered += 1;
        self.missing.remove(id);
        let follows = self
            .highest
            .is_none_or(|highest| highest.epoch != offset.epoch || highest.position < offset.position);
        if follows {
            self.highest = Some(offset);
        } else {
            verdict.figures.out_of_order += 1;
            verdict.add("I4", || format!("client {client} received {id} after a later one"));
        }
        self.pass(offset.epoch, offset.position);
        let Some(row) = self.log.rows.get(&(offset.epoch, id)).filter(|row| row.offset == offset) else {
            return verdict
                .add("I6", || format!("client {client} received {id} at {offset}, not in the log"));
        };
        if !self.client.rooms.iter().any(|(room, since)| *room == row.room && offset.position > *since) {
            verdict.add("I5", || format!("client {client} received {id} of {} at {offset}", row.room));
        }
        self.time(row, at, verdict);
    }

    fn time(&self, row: &LogRow, at: u64, verdict: &mut Verdict) {
        if self.client.asleep {
            return;
        }
        let (from, over) = self.case.fault;
        let begun = self.log.begun.get(row.key.as_str()).copied();
        if let Some(begun) = begun {
            let figures = &mut verdict.figures;
            let times = if (from..over).contains(&begun) { &mut figures.troubled } else { &mut figures.calm };
            times.push(at.saturating_sub(begun));
        }
        if at <= over {
            return;
        }
        let begun = begun.unwrap_or(over);
        let late = at.saturating_sub(begun.max(over));
        verdict.figures.latest = verdict.figures.latest.max(late);
        if late > LIMIT {
            let client = self.client.client;
            verdict.add("I8", || format!("client {client} received {} {late} ms late", row.key));
        }
    }

    fn end(mut self, verdict: &mut Verdict) {
        if let Some((epoch, _)) = self.session.filter(|_| !self.client.left) {
            self.pass(epoch, Position::END);
        }
        verdict.figures.lost += self.missing.len() as u64;
        for row in self.missing.values() {
            let (client, LogRow { key, offset, .. }) = (self.client.client, row);
            verdict.add("I2", || format!("client {client} never received {key} at {offset}"));
        }
        if self.session.is_none() {
            verdict.add("I2", || format!("client {} was never told of its inbox", self.client.client));
        }
    }
}
