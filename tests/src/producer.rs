//! A publisher that retries until it is acknowledged, under one idempotency key per publish, and writes down what it was
//! answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::clinic::{Published, note};
use crate::journal::{Entry, Journal, now};
use crate::{Dice, Http};

/// Publishes under way at once; beyond, the next one waits.
const UNDER_WAY: usize = 512;
/// Nobody waits longer for an answer; the checker allows half of it.
const GIVEN_UP: Duration = Duration::from_secs(10);
/// Between two tries.
const RETRY: Duration = Duration::from_millis(50);

/// What is published, where, and how often.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The number of the first publish: one that follows another goes on counting, since numbers make keys.
    pub first: u64,
    /// Publishes a second.
    pub rate: u32,
    /// The nodes' addresses; a try that fails goes to the next one.
    pub urls: Vec<String>,
    /// Where to: a room each, in turn.
    pub rooms: Vec<String>,
    /// Every how many publishes go to `shared` instead; 0 for none.
    pub shared_every: u64,
    /// The shared rooms, in turn.
    pub shared: Vec<String>,
}

/// A running producer.
#[derive(Debug)]
pub struct Producer {
    desk: Arc<Desk>,
    pace: JoinHandle<JoinSet<()>>,
    enough: Arc<Semaphore>,
}

/// What all publishes share.
#[derive(Debug)]
struct Desk {
    journal: Arc<Journal>,
    nodes: Vec<Http>,
    begun: watch::Sender<u64>,
}

impl Producer {
    /// Begins to publish.
    #[must_use]
    pub fn start(journal: &Arc<Journal>, plan: Plan) -> Self {
        let desk = Arc::new(Desk {
            journal: Arc::clone(journal),
            nodes: plan.urls.iter().map(|url| Http::new(url)).collect(),
            begun: watch::channel(plan.first).0,
        });
        let enough = Arc::new(Semaphore::new(0));
        let pace = tokio::spawn(Arc::clone(&desk).pace(plan, Arc::clone(&enough)));
        Self { desk, pace, enough }
    }

    /// Waits until so many more publishes have begun.
    pub async fn begins(&self, more: u64) {
        let mut begun = self.desk.begun.subscribe();
        let goal = *begun.borrow() + more;
        // It ends with the producer alone.
        drop(begun.wait_for(|begun| *begun >= goal).await);
    }

    /// Begins no more, and waits until every one is acknowledged: the number of the next.
    ///
    /// # Panics
    /// When a publish was refused for good.
    pub async fn finish(self) -> u64 {
        self.enough.add_permits(1);
        let under_way = match self.pace.await {
            Ok(under_way) => under_way,
            Err(error) => panic!("the producer: {error}"),
        };
        under_way.join_all().await;
        *self.desk.begun.borrow()
    }
}

/// Publishes one notification until it is acknowledged: its id.
pub async fn publish(journal: &Arc<Journal>, urls: &[String], room: &str, key: &str) -> String {
    let nodes = urls.iter().map(|url| Http::new(url)).collect();
    let desk = Desk { journal: Arc::clone(journal), nodes, begun: watch::channel(0).0 };
    desk.publish(0, room, key).await
}

impl Desk {
    async fn pace(self: Arc<Self>, plan: Plan, enough: Arc<Semaphore>) -> JoinSet<()> {
        let mut publishes = JoinSet::new();
        let mut ticks = interval(Duration::from_secs(1) / plan.rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                _ = enough.acquire() => return publishes,
                _ = ticks.tick() => {}
            }
            let number = *self.begun.borrow();
            self.begun.send_replace(number + 1);
            let is_shared = plan.shared_every > 0 && number % plan.shared_every == plan.shared_every - 1;
            let (rooms, turn) =
                if is_shared { (&plan.shared, number / plan.shared_every) } else { (&plan.rooms, number) };
            let room = rooms[usize::try_from(turn).unwrap_or(0) % rooms.len()].clone();
            let desk = Arc::clone(&self);
            publishes.spawn(async move { drop(desk.publish(number, &room, &format!("p-{number}")).await) });
            while let Some(done) = publishes.try_join_next() {
                settle(done);
            }
            if publishes.len() >= UNDER_WAY
                && let Some(done) = publishes.join_next().await
            {
                settle(done);
            }
        }
    }

    async fn publish(&self, number: u64, room: &str, key: &str) -> String {
        let body = note(&[room], key);
        let mut dice = Dice::new(number);
        for attempt in 0.. {
            let turn = usize::try_from(number + attempt).unwrap_or(0);
            let node = &self.nodes[turn % self.nodes.len()];
            if let Some(id) = self.attempt(node, key, &body).await {
                return id;
            }
            sleep(RETRY + RETRY * u32::try_from(dice.below(3)).unwrap_or(0)).await;
        }
        unreachable!("it never gives up")
    }

    /// One try: the id, if it was acknowledged.
    async fn attempt(&self, node: &Http, key: &str, body: &Value) -> Option<String> {
        let begin = Instant::now();
        let call = node.post("/api/v1/notifications", body).with_key().header("Idempotency-Key", key);
        let answer = timeout(GIVEN_UP, call.try_send()).await.ok().and_then(Result::ok);
        let took = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = answer.as_ref().map(|answer| answer.status);
        self.journal.write(Entry::Tried { key: key.to_owned(), status, took, at: now() });
        let answer = answer.filter(|answer| ![408, 429, 503].contains(&answer.status))?;
        // What is refused for good will not be accepted another time. A 500 breaks a promise, which the journal tells.
        if answer.status >= 500 {
            return None;
        }
        let rows: Vec<_> =
            Published::read(&answer).notifications.into_iter().map(|one| (one.id, one.room)).collect();
        let id = rows.first().map(|(id, _)| id.clone());
        self.journal.write(Entry::Acknowledged { key: key.to_owned(), rows });
        id
    }
}

fn settle(done: Result<(), JoinError>) {
    if let Err(error) = done {
        panic!("a publish: {error}");
    }
}
