//! Clients, nodes and publishers over several logs, with what goes wrong: nodes die, links break in a replay, answers
//! are lost, and the number of logs changes in the middle of it. At the end each client must have heard everything in its rooms, once, and each
//! room in the order in which it was committed.

use carillon_tests::Dice;

use super::generations::{Append, Generations, Log, Mutant, Row};
use super::traffic::Room;

/// A place in all logs of a generation: the offset of a client, and the cursor of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    generation: usize,
    logs: Vec<usize>,
}

impl Place {
    /// Whether it is as far as another in each log.
    fn covers(&self, other: &Self) -> bool {
        let is_as_far = || self.logs.iter().zip(&other.logs).all(|(ours, theirs)| ours >= theirs);
        self.generation > other.generation || (self.generation == other.generation && is_as_far())
    }
}

struct Node {
    place: Place,
    /// The generation it appends to, until it is told that it is closed.
    routes: usize,
}

struct Client {
    rooms: Vec<Room>,
    node: Option<usize>,
    offset: Place,
    heard: Vec<Row>,
}

/// A publish in one of its rooms, until it is known to be kept.
struct Part {
    event: usize,
    room: Room,
    /// It may have been kept by an earlier try.
    is_retry: bool,
}

/// What has happened, so that nobody believes a simulation in which nothing did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) rows: usize,
    pub(crate) deaths: usize,
    pub(crate) resplits: usize,
    /// Rows that waited since their log was closed.
    pub(crate) waited: usize,
    /// Repetitions that an earlier generation knew.
    pub(crate) known_before: usize,
    pub(crate) replayed: usize,
    /// Replays that began in an earlier generation.
    pub(crate) across: usize,
    /// Links that broke in a replay.
    pub(crate) cut: usize,
    /// Clients that were ahead of the node they came to.
    pub(crate) ahead: usize,
    /// Changes whose node died between two steps.
    pub(crate) orphaned: usize,
}

impl Happened {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            deaths: self.deaths + other.deaths,
            resplits: self.resplits + other.resplits,
            waited: self.waited + other.waited,
            known_before: self.known_before + other.known_before,
            replayed: self.replayed + other.replayed,
            across: self.across + other.across,
            cut: self.cut + other.cut,
            ahead: self.ahead + other.ahead,
            orphaned: self.orphaned + other.orphaned,
        }
    }
}

/// One seed's life.
pub(crate) struct World {
    dice: Dice,
    mutant: Option<Mutant>,
    store: Generations,
    nodes: Vec<Node>,
    clients: Vec<Client>,
    parts: Vec<Part>,
    events: usize,
    /// The node that changes the number of logs.
    changer: Option<usize>,
    happened: Happened,
}

const ROOMS: [Room; 9] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const STEPS: usize = 600;

impl World {
    /// Lives through a seed; what is wrong at the end, if anything.
    pub(crate) fn live(seed: u64, mutant: Option<Mutant>) -> (Happened, Result<(), String>) {
        let mut dice = Dice::new(seed);
        let logs = 1 + dice.below(5);
        let start = || Place { generation: 0, logs: vec![0; logs] };
        let nodes = (0..3).map(|_| Node { place: start(), routes: 0 }).collect();
        let mut rooms = || ROOMS.into_iter().filter(|_| dice.one_in(2)).collect();
        let client = |rooms| Client { rooms, node: None, offset: start(), heard: Vec::new() };
        let clients = (0..6).map(|_| client(rooms())).collect();
        let (parts, happened, store) = (Vec::new(), Happened::default(), Generations::new(logs, mutant));
        let mut world =
            Self { dice, mutant, store, nodes, clients, parts, events: 0, changer: None, happened };
        for _ in 0..STEPS {
            world.step();
        }
        let judged = world.come_to_rest().and_then(|()| world.judge());
        (world.happened, judged)
    }

    fn step(&mut self) {
        let node = self.dice.below(self.nodes.len());
        match self.dice.below(100) {
            0..20 => self.publish(),
            20..45 => self.append(node),
            45..75 => self.follow(node),
            75..88 => {
                let client = self.dice.below(self.clients.len());
                self.come(client, node);
            }
            88..94 => {
                let client = self.dice.below(self.clients.len());
                self.clients[client].node = None;
            }
            94..96 => self.die(node),
            _ => self.change(node),
        }
    }

    fn publish(&mut self) {
        self.events += 1;
        let mut rooms: Vec<Room> = (0..=self.dice.below(3)).map(|_| self.dice.pick(&ROOMS)).collect();
        rooms.sort_unstable();
        rooms.dedup();
        self.parts.extend(rooms.into_iter().map(|room| Part { event: self.events, room, is_retry: false }));
    }

    /// A node tries to keep one part; it or its answer may be lost on the way.
    fn append(&mut self, node: usize) {
        if self.parts.is_empty() {
            return;
        }
        let at = self.dice.below(self.parts.len());
        let (&Part { event, room, is_retry }, routes) = (&self.parts[at], self.nodes[node].routes);
        if is_retry && self.store.had_before(routes, event, room) {
            self.happened.known_before += 1;
            self.parts.swap_remove(at);
            return;
        }
        self.parts[at].is_retry = true;
        if self.dice.one_in(6) {
            return;
        }
        if self.store.append(routes, event, room) == Append::Closed {
            self.happened.waited += 1;
            self.nodes[node].routes = self.store.open;
        } else if !self.dice.one_in(4) {
            self.parts.swap_remove(at);
        }
    }

    /// A node reads on in one log, and hands on what is there; behind the last row of all logs, the next generation begins.
    fn follow(&mut self, node: usize) {
        let Place { generation, ref logs } = self.nodes[node].place;
        if self.store.is_through(generation, logs) {
            let logs = vec![0; self.store.logs[generation + 1].len()];
            self.nodes[node].place = Place { generation: generation + 1, logs };
            return;
        }
        let log = self.dice.below(logs.len());
        let from = logs[log];
        let rows = self.store.logs[generation][log].rows[from..].iter().take(3).copied();
        for row in rows.collect::<Vec<_>>() {
            self.nodes[node].place.logs[log] += 1;
            let place = &self.nodes[node].place;
            for client in self.clients.iter_mut().filter(|client| client.node == Some(node)) {
                if client.rooms.contains(&row.room) {
                    // One frame for all: it says the node's place.
                    client.heard.push(row);
                    client.offset.clone_from(place);
                }
            }
        }
    }

    /// A client comes to a node with its offset, and is told what it missed, unless its link breaks meanwhile.
    fn come(&mut self, client: usize, node: usize) {
        let (place, it) = (self.nodes[node].place.clone(), &mut self.clients[client]);
        it.node = None;
        if !place.covers(&it.offset) {
            self.happened.ahead += 1;
            if self.mutant != Some(Mutant::LetInAhead) {
                return;
            }
        }
        self.happened.across += usize::from(place.generation > it.offset.generation);
        let (mut told, most) = (0, if self.dice.one_in(3) { self.dice.below(4) } else { usize::MAX });
        while it.offset.generation <= place.generation {
            let is_last = it.offset.generation == place.generation;
            let logs = &self.store.logs[it.offset.generation];
            for (log, Log { rows, .. }) in logs.iter().enumerate() {
                let end = if is_last { place.logs[log] } else { rows.len() };
                while it.offset.logs[log] < end {
                    let row = rows[it.offset.logs[log]];
                    let is_theirs = it.rooms.contains(&row.room);
                    if is_theirs && told == most {
                        self.happened.cut += 1;
                        if self.mutant == Some(Mutant::ReplayAhead) && told > 0 {
                            it.offset = place;
                        }
                        return;
                    }
                    it.offset.logs[log] += 1;
                    if is_theirs {
                        told += 1;
                        it.heard.push(row);
                    }
                }
            }
            if is_last {
                break;
            }
            let generation = it.offset.generation + 1;
            it.offset = Place { generation, logs: vec![0; self.store.logs[generation].len()] };
        }
        self.happened.replayed += told;
        // `inbox:state` says the node's place too.
        it.offset = place;
        it.node = Some(node);
    }

    /// Its clients lose it; it comes back at the end of what there is, as far as the generations let it.
    fn die(&mut self, node: usize) {
        self.happened.deaths += 1;
        for client in &mut self.clients {
            client.node.take_if(|at| *at == node);
        }
        if self.changer.take_if(|changer| *changer == node).is_some() {
            self.happened.orphaned += usize::from(self.store.is_changing());
        }
        let generation = self.store.open;
        let logs = self.store.logs[generation].iter().map(|log| log.rows.len()).collect();
        self.nodes[node] = Node { place: Place { generation, logs }, routes: generation };
    }

    /// The next step towards another number of logs, by whoever does it; several may believe to be the one.
    fn change(&mut self, node: usize) {
        let changer = *self.changer.get_or_insert(node);
        if changer != node && !self.dice.one_in(4) {
            return;
        }
        if !self.store.is_changing() {
            if self.dice.one_in(4) {
                self.store.prepare(1 + self.dice.below(5));
                self.happened.resplits += 1;
            }
        } else if self.dice.one_in(3) || !self.store.close_one() {
            self.store.open_next();
            self.changer = None;
        }
    }

    /// Nothing goes wrong any more, and all that was begun is ended.
    fn come_to_rest(&mut self) -> Result<(), String> {
        while self.store.is_changing() {
            while self.store.close_one() {}
            self.store.open_next();
        }
        for _ in 0..20_000 {
            for node in 0..self.nodes.len() {
                self.follow(node);
                self.append(node);
            }
            if self.parts.is_empty() && self.nodes.iter().all(|node| self.is_at_the_end(node)) {
                break;
            }
        }
        if !self.parts.is_empty() {
            return Err(format!("{} parts are never kept", self.parts.len()));
        }
        for client in 0..self.clients.len() {
            (0..100).for_each(|_| {
                let node = self.dice.below(self.nodes.len());
                if self.clients[client].node.is_none() {
                    self.come(client, node);
                }
            });
        }
        Ok(())
    }

    fn is_at_the_end(&self, node: &Node) -> bool {
        let logs = self.store.logs[node.place.generation].iter();
        node.place.generation == self.store.open
            && logs.zip(&node.place.logs).all(|(log, place)| log.rows.len() == *place)
    }

    /// Each row is kept once, and each client has heard the rows of its rooms, each once and each room's in their order.
    fn judge(&mut self) -> Result<(), String> {
        let mut all: Vec<Row> =
            self.store.logs.iter().flatten().flat_map(|log| log.rows.iter().copied()).collect();
        self.happened.rows = all.len();
        all.sort_by_key(|row| (row.room, row.at));
        let mut names: Vec<_> = all.iter().map(|row| (row.event, row.room)).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("kept twice: {:?}", twice[0]));
        }
        for (n, client) in self.clients.iter().enumerate() {
            // Stable: each room's rows stay in the order in which they were heard.
            let mut heard = client.heard.clone();
            heard.sort_by_key(|row| row.room);
            let theirs = all.iter().filter(|row| client.rooms.contains(&row.room));
            if !heard.iter().eq(theirs.clone()) {
                return Err(format!(
                    "client {n} heard {} of {}, or in another order",
                    heard.len(),
                    theirs.count()
                ));
            }
        }
        Ok(())
    }
}
