//! The memory adapter against the suite, and the suite against an adapter that is wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;

use super::Stores;
use super::fanout::Nodes;
use super::presence as presence_cases;
use crate::ports::{
    Appended, LastSeen, Log, Loopback, Missed, Outcome, PortError, Publish, Secret, Stored, Trim,
};
use crate::testing::{MemoryAudit, MemoryBroadcasts, MemoryLog, MemoryOutbox, MemorySeen, block_on};
use crate::{Blocked, Entitlement, Epoch, Head, Kind, Page, Position, Presence, Row, Timestamp};

fn run<F: Future<Output = ()>>(case: impl FnOnce(Stores) -> F) {
    let log = MemoryLog::new();
    block_on(async {
        let stores = Stores::open(move || {
            let log = log.clone();
            async move { (Arc::new(log.clone()) as _, Arc::new(log.inbox()) as _, Arc::new(log) as _) }
        });
        case(stores.await).await;
    });
}

crate::store_contract!(run);

fn run_nodes<F: Future<Output = ()>>(case: impl FnOnce(Nodes) -> F) {
    let here = Arc::new(Loopback::new());
    block_on(case(Nodes { there: Arc::clone(&here) as _, here }));
}

crate::fanout_contract!(run_nodes);

fn run_seen<F: Future<Output = ()>>(case: impl FnOnce(Arc<dyn LastSeen>) -> F) {
    block_on(case(Arc::new(MemorySeen::default())));
}

crate::seen_contract!(run_seen);

fn run_presence<F: Future<Output = ()>>(case: impl FnOnce(presence_cases::Nodes) -> F) {
    let here = Presence::new(presence_cases::GRACE);
    let time = AtomicU64::new(0);
    block_on(case(presence_cases::Nodes {
        here,
        there: None,
        pass: Box::new(move || {
            let now = Duration::from_millis(10 * time.fetch_add(1, Ordering::SeqCst));
            Box::pin(async move { now })
        }),
    }));
}

crate::presence_contract!(run_presence);

fn run_outbox<F: Future<Output = ()>>(case: impl FnOnce(super::outbox::UnderTest) -> F) {
    let outbox = MemoryOutbox::new();
    let (posting, asked) = (outbox.clone(), outbox.clone());
    block_on(case(super::outbox::UnderTest {
        outbox: Arc::new(outbox),
        post: Arc::new(move |event| std::future::ready(posting.post(&event)).boxed()),
        refused: Arc::new(move || std::future::ready(asked.refused()).boxed()),
    }));
}

crate::outbox_contract!(run_outbox);

fn run_audit<F: Future<Output = ()>>(case: impl FnOnce(Arc<dyn crate::ports::Audit>) -> F) {
    block_on(case(Arc::new(MemoryAudit::new())));
}

crate::audit_contract!(run_audit);

fn run_broadcasts<F: Future<Output = ()>>(case: impl FnOnce(super::broadcasts::Stage) -> F) {
    let (log, audit) = (MemoryLog::new(), MemoryAudit::new());
    let broadcasts = Arc::new(MemoryBroadcasts::new(log.clone(), audit.clone()));
    block_on(case(super::broadcasts::Stage {
        broadcasts: Arc::clone(&broadcasts) as _,
        acks: broadcasts,
        log: Arc::new(log.clone()),
        inbox: Arc::new(log.inbox()),
        audit: Arc::new(audit),
    }));
}

crate::broadcasts_contract!(run_broadcasts);

/// Every case that is written is also run.
#[test]
fn no_case_is_forgotten() {
    let list = include_str!("mod.rs");
    let groups = [
        include_str!("explain.rs"),
        include_str!("order.rs"),
        include_str!("log.rs"),
        include_str!("inbox.rs"),
        include_str!("marks.rs"),
        include_str!("muting.rs"),
        include_str!("erasing.rs"),
        include_str!("unread.rs"),
        include_str!("walk.rs"),
        include_str!("fanout.rs"),
        include_str!("seen.rs"),
        include_str!("presence.rs"),
        include_str!("outbox.rs"),
        include_str!("audit.rs"),
        include_str!("broadcasts.rs"),
        include_str!("acks.rs"),
    ];
    let cases = groups.iter().flat_map(|group| group.split("\npub async fn ").skip(1));
    let names: Vec<_> = cases.filter_map(|case| case.split('(').next()).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(list.contains(name), "{name} is in no list");
    }
}

/// How a sequence works: positions are taken first and committed later, in whatever order that comes out.
#[derive(Default)]
struct SequenceLog {
    sequence: AtomicUsize,
    rows: Mutex<BTreeMap<Position, Arc<Row>>>,
}

#[async_trait]
impl Log for SequenceLog {
    async fn append(&self, batch: &[Publish]) -> Result<Appended, PortError> {
        let count = batch.iter().map(|publish| publish.rows.len()).sum();
        let from = Position::START.plus(self.sequence.fetch_add(count, Ordering::SeqCst));
        // The time between taking and committing: a little longer for every other batch.
        for _ in 0..batch.len() {
            super::order::yield_now().await;
        }
        let all = batch.iter().flat_map(|p| p.rows.iter().map(move |(room, n)| (p.event_id, room, n)));
        let rows: Vec<_> = (1..)
            .zip(all)
            .map(|(n, (event_id, room, notification))| {
                let (room, notification) = (room.clone(), notification.clone());
                Arc::new(Row { position: from.plus(n), room, event_id, notification })
            })
            .collect();
        self.rows.lock().unwrap().extend(rows.iter().map(|row| (row.position, Arc::clone(row))));
        let stored =
            |p: &Publish| Outcome::Stored(Stored { event_id: p.event_id, notifications: Vec::new() });
        let outcomes = batch.iter().map(stored).collect();
        Ok(Appended { epoch: Epoch::new(1), from, rows, outcomes })
    }

    async fn head(&self) -> Result<Head, PortError> {
        let position = self.rows.lock().unwrap().keys().next_back().copied().unwrap_or_default();
        Ok(Head { epoch: Epoch::new(1), position, trimmed: Position::START })
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Page, PortError> {
        let head = self.head().await?;
        let rows = self.rows.lock().unwrap();
        let rows: Vec<_> =
            rows.range(after.plus(1)..).map(|(_, row)| Arc::clone(row)).take(limit as usize).collect();
        let cut = rows.len() == limit as usize;
        let through = rows.last().filter(|_| cut).map_or(head.position, |row| row.position);
        Ok(Page { head, rows, through })
    }

    async fn replay(
        &self,
        _: &[Entitlement],
        _: Position,
        _: Position,
        _: u32,
        _: Timestamp,
    ) -> Result<Page, PortError> {
        self.read(Position::END, 0).await
    }

    async fn missed(
        &self,
        _: &[Entitlement],
        _: Position,
        _: u32,
        _: Timestamp,
    ) -> Result<Missed, PortError> {
        panic!("not asked for here")
    }

    async fn secret(&self) -> Result<Secret, PortError> {
        panic!("not asked for here")
    }

    async fn blocked(&self) -> Result<Blocked, PortError> {
        panic!("not asked for here")
    }

    async fn trim_kind(&self, _: &Kind, _: Timestamp) -> Result<bool, PortError> {
        Ok(false)
    }

    async fn trim(&self, _: Trim) -> Result<bool, PortError> {
        Ok(false)
    }
}

/// The first case can fail, and does so for the mistake it is there for.
#[test]
#[should_panic(expected = "were hidden from the reader")]
fn positions_from_a_sequence_hide_rows() {
    block_on(async {
        let other = MemoryLog::new();
        let stores = Stores::open(move || {
            let other = other.clone();
            async move {
                (Arc::new(SequenceLog::default()) as _, Arc::new(other.inbox()) as _, Arc::new(other) as _)
            }
        });
        super::order::racing_appends_never_hide_a_row_from_a_reader(stores.await).await;
    });
}
