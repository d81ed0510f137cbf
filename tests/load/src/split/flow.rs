//! The way of notifications through P logs, in virtual time: what P writers take, and how long publishes are under way.
//!
//! ```text
//!   request ─▶ a core of its node ─▶ appender of (node, log) ─▶ the log's lock ─▶ a core of the store ─▶ flush ─┐
//!                                    gathers while it writes    one at a time                          shared   │
//!   push ◀─ a core of each node ◀─ feed of (node, log), in order ◀─ hint ◀───────────────── answer, when all  ◀─┘
//!                                                                                            parts are kept
//! ```

use std::collections::VecDeque;

use super::agenda::{Agenda, Cores};
use super::costs::{MOST_ROWS, MOST_WAITING, Nanos, SECOND};
use super::setup::{Load, Setup, Stores};
use super::traffic::{ADMINS, ALL, Room, Traffic, log_of, user_of};
use super::witness::{Kept, Witness};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Due,
    Accepted { request: usize },
    Asked { batch: usize },
    Inserted { batch: usize },
    Flushed { store: usize },
    Answered { batch: usize },
    Heard { node: usize, batch: usize },
    Applied { node: usize, log: usize, batch: usize },
    Delivered { node: usize },
}

struct Request {
    node: usize,
    at: Nanos,
    rows: Vec<usize>,
    /// Rows that are not known to be kept yet.
    open: usize,
}

struct Row {
    room: Room,
    request: usize,
}

struct Batch {
    node: usize,
    log: usize,
    rows: Vec<usize>,
    committed: Nanos,
}

#[derive(Default)]
struct Appender {
    waiting: VecDeque<usize>,
    is_writing: bool,
}

#[derive(Default)]
struct Log {
    is_locked: bool,
    waiting: VecDeque<usize>,
    /// When each node heard the last of it.
    heard: Vec<Nanos>,
}

struct Store {
    cores: Cores<Event>,
    flushing: Vec<usize>,
    next: Vec<usize>,
}

#[derive(Default)]
struct Feed {
    waiting: VecDeque<usize>,
    is_busy: bool,
}

/// One run.
pub(crate) struct Flow {
    setup: Setup,
    agenda: Agenda<Event>,
    traffic: Traffic,
    requests: Vec<Request>,
    rows: Vec<Row>,
    batches: Vec<Batch>,
    /// By node, then by log.
    appenders: Vec<Appender>,
    feeds: Vec<Feed>,
    logs: Vec<Log>,
    stores: Vec<Store>,
    nodes: Vec<Cores<Event>>,
    witness: Witness,
}

impl Flow {
    /// Lives through a setup, and a second longer, so that what was published can come.
    pub(crate) fn run(setup: Setup) -> Witness {
        let pairs = setup.nodes * setup.logs;
        let stores = if setup.stores == Stores::One { 1 } else { setup.logs };
        let store = || Store { cores: Cores::new(setup.cores), flushing: Vec::new(), next: Vec::new() };
        let mut flow = Self {
            agenda: Agenda::new(),
            traffic: Traffic::new(setup.crowd, setup.seed),
            requests: Vec::new(),
            rows: Vec::new(),
            batches: Vec::new(),
            appenders: (0..pairs).map(|_| Appender::default()).collect(),
            feeds: (0..pairs).map(|_| Feed::default()).collect(),
            logs: (0..setup.logs).map(|_| Log { heard: vec![0; setup.nodes], ..Log::default() }).collect(),
            stores: (0..stores).map(|_| store()).collect(),
            nodes: (0..setup.nodes).map(|_| Cores::new(setup.cores)).collect(),
            witness: Witness::new(setup.warm, setup.end, setup.nodes),
            setup,
        };
        match setup.load {
            Load::Open { .. } => flow.agenda.after(0, Event::Due),
            Load::Closed(publishers) => (0..publishers).for_each(|_| flow.publish_one(0)),
        }
        while let Some(event) = flow.agenda.next() {
            if flow.agenda.now > setup.end + SECOND {
                break;
            }
            flow.happens(event);
        }
        flow.witness
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Due => self.due(),
            Event::Accepted { request } => self.accepted(request),
            Event::Asked { batch } => {
                let log = &mut self.logs[self.batches[batch].log];
                log.waiting.push_back(batch);
                self.lock(self.batches[batch].log);
            }
            Event::Inserted { batch } => self.inserted(batch),
            Event::Flushed { store } => self.flushed(store),
            Event::Answered { batch } => self.answered(batch),
            Event::Heard { node, batch } => {
                let log = self.batches[batch].log;
                self.feeds[node * self.setup.logs + log].waiting.push_back(batch);
                self.feed(node, log);
            }
            Event::Applied { node, log, batch } => self.applied(node, log, batch),
            Event::Delivered { node } => self.nodes[node].release(&mut self.agenda),
        }
    }

    /// A request comes to some node, and the next one some time later.
    fn due(&mut self) {
        let Load::Open { rate, batch } = self.setup.load else { return };
        if self.agenda.now >= self.setup.end {
            return;
        }
        let node = self.traffic.dice.below(self.setup.nodes);
        let (mut rooms, mut all) = (Vec::new(), Vec::new());
        for _ in 0..batch {
            self.traffic.next(&mut rooms);
            all.append(&mut rooms);
        }
        let wait = self.traffic.wait(all.len() as f64 * SECOND as f64 / rate);
        self.agenda.after(wait, Event::Due);
        let work = self.setup.costs.accept * all.len() as Nanos;
        let request = self.request(node, &all);
        self.nodes[node].work(&mut self.agenda, work, Event::Accepted { request });
    }

    fn request(&mut self, node: usize, rooms: &[Room]) -> usize {
        let (request, first) = (self.requests.len(), self.rows.len());
        self.rows.extend(rooms.iter().map(|room| Row { room: *room, request }));
        let rows = (first..self.rows.len()).collect();
        self.witness.asked(rooms.len(), self.agenda.now);
        self.requests.push(Request { node, at: self.agenda.now, rows, open: rooms.len() });
        request
    }

    /// One row of a publisher in the appender's own process.
    fn publish_one(&mut self, node: usize) {
        let mut rooms = Vec::new();
        self.traffic.next(&mut rooms);
        let request = self.request(node, &rooms);
        self.enqueue(request);
    }

    fn accepted(&mut self, request: usize) {
        self.nodes[self.requests[request].node].release(&mut self.agenda);
        self.enqueue(request);
    }

    /// Each row goes to the appender of its room's log; where that has too many, it is refused, and its request fails.
    fn enqueue(&mut self, request: usize) {
        let node = self.requests[request].node;
        for row in std::mem::take(&mut self.requests[request].rows) {
            let log = log_of(self.rows[row].room, self.setup.logs);
            let appender = &mut self.appenders[node * self.setup.logs + log];
            if appender.waiting.len() < MOST_WAITING {
                appender.waiting.push_back(row);
            }
        }
        for log in 0..self.setup.logs {
            self.gather(node, log);
        }
    }

    /// An appender that is idle takes what waits.
    fn gather(&mut self, node: usize, log: usize) {
        let appender = &mut self.appenders[node * self.setup.logs + log];
        if appender.is_writing || appender.waiting.is_empty() {
            return;
        }
        appender.is_writing = true;
        let rows = appender.waiting.drain(..appender.waiting.len().min(MOST_ROWS)).collect();
        self.batches.push(Batch { node, log, rows, committed: 0 });
        self.agenda.after(self.setup.costs.away / 2, Event::Asked { batch: self.batches.len() - 1 });
    }

    fn store_of(&self, log: usize) -> usize {
        log.min(self.stores.len() - 1)
    }

    fn lock(&mut self, log: usize) {
        if self.logs[log].is_locked {
            return;
        }
        let Some(batch) = self.logs[log].waiting.pop_front() else { return };
        self.logs[log].is_locked = true;
        let costs = self.setup.costs;
        let work = costs.statement + costs.row * self.batches[batch].rows.len() as Nanos;
        let store = self.store_of(log);
        self.stores[store].cores.work(&mut self.agenda, work, Event::Inserted { batch });
    }

    fn inserted(&mut self, batch: usize) {
        let store = self.store_of(self.batches[batch].log);
        self.stores[store].cores.release(&mut self.agenda);
        self.stores[store].next.push(batch);
        self.flush(store);
    }

    /// All that wait for a flush share the next one.
    fn flush(&mut self, store: usize) {
        let it = &mut self.stores[store];
        if !it.flushing.is_empty() || it.next.is_empty() {
            return;
        }
        it.flushing = std::mem::take(&mut it.next);
        let rows: usize = it.flushing.iter().map(|batch| self.batches[*batch].rows.len()).sum();
        let costs = self.setup.costs;
        self.agenda.after(costs.flush + costs.flushed_row * rows as Nanos, Event::Flushed { store });
    }

    fn flushed(&mut self, store: usize) {
        for batch in std::mem::take(&mut self.stores[store].flushing) {
            let log = self.batches[batch].log;
            self.batches[batch].committed = self.agenda.now;
            self.agenda.after(self.setup.costs.away / 2, Event::Answered { batch });
            self.logs[log].is_locked = false;
            self.lock(log);
        }
        self.flush(store);
    }

    /// The publishers are answered, every node hears of it, and the appender goes on.
    fn answered(&mut self, batch: usize) {
        let Batch { node, log, ref rows, .. } = self.batches[batch];
        self.appenders[node * self.setup.logs + log].is_writing = false;
        let (mut done, now) = (0, self.agenda.now);
        for row in rows {
            let request = &mut self.requests[self.rows[*row].request];
            request.open -= 1;
            if request.open == 0 {
                done += 1;
                self.witness.answered(self.rows[*row].request, request.at, now);
            }
        }
        if let Load::Closed(_) = self.setup.load {
            self.witness.applied(node, rows.len(), now);
            return self.begin_anew(node, log, done);
        }
        for other in 0..self.setup.nodes {
            let mean = self.setup.costs.hop as f64 / std::f64::consts::LN_2;
            let hop = if other == node { 0 } else { self.traffic.wait(mean) };
            // A hint that comes before an earlier one waits for it.
            let at = self.logs[log].heard[other].max(now + hop);
            self.logs[log].heard[other] = at;
            self.agenda.after(at - now, Event::Heard { node: other, batch });
        }
        self.gather(node, log);
    }

    /// Publishers that were answered publish again, before the appender looks or after it: in one process either may run first. That
    /// it is six times in ten is fitted to the table.
    fn begin_anew(&mut self, node: usize, log: usize, publishers: usize) {
        if self.traffic.fraction() < 0.6 {
            self.appenders[node * self.setup.logs + log].is_writing = true;
            (0..publishers).for_each(|_| self.publish_one(node));
            self.appenders[node * self.setup.logs + log].is_writing = false;
            self.gather(node, log);
        } else {
            self.gather(node, log);
            (0..publishers).for_each(|_| self.publish_one(node));
        }
    }

    fn feed(&mut self, node: usize, log: usize) {
        let feed = &mut self.feeds[node * self.setup.logs + log];
        if feed.is_busy {
            return;
        }
        let Some(batch) = feed.waiting.pop_front() else { return };
        feed.is_busy = true;
        let work = self.setup.costs.follow * self.batches[batch].rows.len() as Nanos;
        self.nodes[node].work(&mut self.agenda, work, Event::Applied { node, log, batch });
    }

    /// Its rows went out one after the other until now; further readers of shared rooms are served beside that.
    fn applied(&mut self, node: usize, log: usize, batch: usize) {
        let (now, costs) = (self.agenda.now, self.setup.costs);
        self.nodes[node].release(&mut self.agenda);
        let Batch { ref rows, committed, .. } = self.batches[batch];
        self.witness.applied(node, rows.len(), now);
        let mut readers = 0;
        for (at, row) in rows.iter().enumerate() {
            let Row { room, request } = self.rows[*row];
            let pushed = now - costs.follow * (rows.len() - 1 - at) as Nanos;
            let is_here = user_of(room).is_none_or(|user| user as usize % self.setup.nodes == node);
            if is_here {
                let asked = self.requests[request].at;
                self.witness.pushed(node, room, Kept { pushed, committed, asked, request });
            }
            readers += match room {
                ALL => self.setup.clients,
                ADMINS => self.setup.admins,
                _ => 0,
            };
        }
        while readers > 0 {
            let some = readers.min(250);
            self.nodes[node].work(&mut self.agenda, costs.deliver * some, Event::Delivered { node });
            readers -= some;
        }
        self.feeds[node * self.setup.logs + log].is_busy = false;
        self.feed(node, log);
    }
}
