use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::join;

use super::*;
use crate::ports::{Clock as _, Log as _};
use crate::publisher::tests::{Flaky, publisher};
use crate::testing::{MemoryAudit, MemoryLog, MemoryOutbox, block_on};
use crate::{Appender, AuditQuery, AuditSince, Position, Row};

const GOOD: &str =
    r#"{"event": "prescription:created", "data": {"prescriptionId": "rx", "patientId": "42"}}"#;

/// An outbox that dies before it forgets, while it is told to.
struct Forgetful(MemoryOutbox, AtomicBool);

#[async_trait]
impl Outbox for Forgetful {
    async fn claim(&self, limit: u32, lease: Duration) -> Result<Vec<Posted>, PortError> {
        self.0.claim(limit, lease).await
    }

    async fn done(&self, ids: &[Uuid]) -> Result<(), PortError> {
        if self.1.load(Ordering::SeqCst) {
            return Err(PortError::Unavailable { port: "outbox", source: "the node died".into() });
        }
        self.0.done(ids).await
    }

    async fn refuse(&self, id: Uuid, faults: &Faults) -> Result<(), PortError> {
        self.0.refuse(id, faults).await
    }
}

struct Bench {
    log: MemoryLog,
    outbox: Arc<Forgetful>,
    publisher: Arc<Publisher>,
    audit: MemoryAudit,
    drain: Drain,
    appender: Appender,
}

fn bench() -> Bench {
    bench_over(Flaky::default())
}

fn bench_over(flaky: Flaky) -> Bench {
    let (log, outbox) = (flaky.inner.clone(), MemoryOutbox::new());
    let clock = Arc::clone(&outbox.clock);
    let (publisher, appender) = publisher(Arc::new(flaky), clock);
    let outbox = Arc::new(Forgetful(outbox, AtomicBool::new(false)));
    let audit = MemoryAudit::new();
    let drain = Drain::new(Arc::clone(&outbox) as _, Arc::clone(&publisher), Arc::new(audit.clone()));
    Bench { log, outbox, publisher, audit, drain, appender }
}

impl Bench {
    /// Runs rounds while the appender works, then everything to its end.
    fn run<T>(self, rounds: impl AsyncFnOnce(&Drain, &Forgetful) -> T) -> (T, Vec<Arc<Row>>) {
        let Self { log, outbox, publisher, drain, appender, .. } = self;
        block_on(async {
            let work = async {
                let done = rounds(&drain, &outbox).await;
                publisher.close();
                done
            };
            let (done, ()) = join(work, appender.run()).await;
            (done, log.read(Position::START, 1_000).await.unwrap().rows)
        })
    }
}

#[test]
fn what_was_posted_is_published_in_its_order_and_forgotten() {
    let bench = bench();
    let of = |n: usize| GOOD.replace("42", &n.to_string());
    for n in 0..300 {
        bench.outbox.0.post(&of(n));
    }
    let (rounds, rows) = bench.run(async |drain, _| {
        [drain.step().await.unwrap(), drain.step().await.unwrap(), drain.step().await.unwrap()]
    });
    assert_eq!(rounds.map(|round| (round.claimed, round.kept)), [(256, 256), (44, 44), (0, 0)]);
    let rooms: Vec<_> = rows.iter().map(|row| row.room.as_str().to_owned()).collect();
    assert_eq!(rooms, (0..300).map(|n| format!("patient:{n}")).collect::<Vec<_>>());
}

/// The crash between the append and the forgetting: the lease runs out, another takes the event, and the log has it once.
#[test]
fn an_event_claimed_twice_is_published_once() {
    let bench = bench();
    bench.outbox.0.post(GOOD);
    let (rounds, rows) = bench.run(async |drain, outbox| {
        outbox.1.store(true, Ordering::SeqCst);
        let first = drain.step().await.is_err();
        outbox.1.store(false, Ordering::SeqCst);
        let leased = drain.step().await.unwrap();
        outbox.0.clock.set(outbox.0.clock.now().saturating_add(LEASE));
        (first, leased.claimed, drain.step().await.unwrap(), drain.step().await.unwrap().claimed)
    });
    assert_eq!(rounds, (true, 0, Drained { claimed: 1, kept: 1, refused: 0 }, 0));
    assert_eq!(rows.len(), 1);
}

#[test]
fn what_cannot_be_understood_is_laid_aside_and_holds_nothing_up() {
    let bench = bench();
    let outbox = bench.outbox.0.clone();
    let bad = ["no JSON", "[]", r#"{"event": "review:created", "data": {}}"#].map(|event| outbox.post(event));
    outbox.post(GOOD);
    let (round, rows) = bench.run(async |drain, _| drain.step().await.unwrap());
    assert_eq!((round, rows.len()), (Drained { claimed: 4, kept: 1, refused: 3 }, 1));
    let refused = outbox.refused();
    assert_eq!(refused.iter().map(|(id, _)| *id).collect::<Vec<_>>(), bad);
    assert!(refused[2].1.starts_with("/data/reviewId: "), "{refused:?}");
}

/// It was understood, so it stays where it is; but what was written with it does not wait for it.
#[test]
fn what_the_store_does_not_take_keeps_no_other_from_the_log() {
    let bench = bench_over(Flaky::poisoned_by("poison"));
    bench.outbox.0.post(GOOD);
    bench.outbox.0.post(&GOOD.replace("\"data\"", "\"title\": \"poison\", \"data\""));
    bench.outbox.0.post(GOOD);
    let (rounds, rows) = bench.run(async |drain, outbox| {
        let first = drain.step().await.unwrap();
        outbox.0.clock.set(outbox.0.clock.now().saturating_add(LEASE));
        (first, drain.step().await.unwrap())
    });
    let first = Drained { claimed: 3, kept: 2, refused: 0 };
    assert_eq!((rounds, rows.len()), ((first, Drained { claimed: 1, ..Drained::default() }), 2));
}

/// While nothing can be kept, nothing is forgotten.
#[test]
fn what_is_not_known_to_be_kept_waits() {
    let bench = bench();
    bench.outbox.0.post(GOOD);
    bench.publisher.close();
    let (rounds, rows) = bench.run(async |drain, outbox| {
        let first = drain.step().await.unwrap();
        outbox.0.clock.set(outbox.0.clock.now().saturating_add(LEASE));
        (first, drain.step().await.unwrap())
    });
    let unknown = Drained { claimed: 1, ..Drained::default() };
    assert_eq!((rounds, rows.len()), ((unknown, unknown), 0));
}

/// Once, also when its event was published twice.
#[test]
fn a_change_of_a_users_status_is_noted() {
    let bench = bench();
    let audit = bench.audit.clone();
    bench.outbox.0.post(GOOD);
    bench.outbox.0.post(r#"{"event": "user:status_changed", "data": {"userId": 7, "status": "BLOCKED"}}"#);
    let (_, rows) = bench.run(async |drain, outbox| {
        outbox.1.store(true, Ordering::SeqCst);
        drain.step().await.unwrap_err();
        outbox.1.store(false, Ordering::SeqCst);
        outbox.0.clock.advance(LEASE);
        drain.step().await.unwrap()
    });
    let query = AuditQuery { since: AuditSince::Entry(0), limit: 9 };
    let noted = block_on(audit.entries(query)).unwrap();
    assert_eq!((rows.len(), noted.len()), (2, 1));
    assert_eq!((noted[0].actor.as_str(), noted[0].subject.as_str()), (Drain::ACTOR, "7"));
    assert_eq!(noted[0].detail.as_str(), r#"{"status":"BLOCKED"}"#);
}
