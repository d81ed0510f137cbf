use std::sync::Mutex;

use futures_util::{FutureExt as _, StreamExt as _};

use super::*;
use crate::ports::{Inbox as _, Log as _, Loopback, Subscription};
use crate::testing::{
    CountingIds, FixedClock, MemoryAudit, MemoryBroadcasts, MemoryLog, block_on, instant, principal,
};
use crate::{Position, Role, Row};

struct Bench {
    log: MemoryLog,
    clock: Arc<FixedClock>,
    heard: Mutex<Subscription>,
    broadcaster: Broadcaster,
}

fn bench() -> Bench {
    let (log, audit, fanout) = (MemoryLog::new(), MemoryAudit::new(), Arc::new(Loopback::new()));
    let broadcasts = Arc::new(MemoryBroadcasts::new(log.clone(), audit));
    let (clock, heard) = (Arc::clone(&broadcasts.clock), Mutex::new(fanout.subscribe()));
    let ids = Arc::new(CountingIds::new());
    let (acks, clocks) = (Arc::clone(&broadcasts) as _, Arc::clone(&clock) as _);
    let broadcaster = Broadcaster::new(broadcasts, acks, fanout, clocks, ids);
    Bench { log, clock, heard, broadcaster }
}

impl Bench {
    fn create(&self, more: Value) -> Result<Broadcast, BroadcastError> {
        let mut body = json!({"kind": "announcement", "title": "t", "message": "m"});
        let Value::Object(more) = more else { panic!("{more} is no object") };
        body.as_object_mut().unwrap().extend(more);
        block_on(self.broadcaster.create(body, "user:ada", None)).map(|(made, _)| made)
    }

    fn step(&self) -> Stepped {
        block_on(self.broadcaster.step()).unwrap()
    }

    fn rows(&self) -> Vec<Arc<Row>> {
        block_on(self.log.read(Position::START, 100)).unwrap().rows
    }

    /// How many rows the hints have told of.
    fn told(&self) -> usize {
        let mut rows = 0;
        while let Some(Some(Signal::Hint(hint))) = self.heard.lock().unwrap().next().now_or_never() {
            rows += hint.rows.len();
        }
        rows
    }
}

#[test]
fn one_without_a_time_goes_out_at_once() {
    let bench = bench();
    let sent = bench.create(json!({"kind": "emergency"})).unwrap();
    assert_eq!((sent.status, sent.sent_at), (BroadcastStatus::Sent, Some(instant(0))));
    let rows = bench.rows();
    assert_eq!((rows.len(), bench.told()), (1, 1));
    assert_eq!(rows[0].event_id, sent.id.event_id());
    assert_eq!(
        (rows[0].notification.kind.as_str(), rows[0].notification.priority.as_str()),
        ("EMERGENCY", "urgent")
    );
    assert_eq!(bench.step(), Stepped::default());
}

#[test]
fn one_with_a_time_waits_for_it() {
    let bench = bench();
    let one =
        bench.create(json!({"publishAt": instant(10), "audience": ["role:doctor", "role:admin"]})).unwrap();
    assert_eq!((one.status, bench.step().due), (BroadcastStatus::Scheduled, 0));
    bench.clock.set(instant(12));
    assert_eq!(bench.step(), Stepped { due: 1, sent: vec![Duration::from_secs(2)], late: 0, missed: 0 });
    assert_eq!((bench.rows().len(), bench.told()), (2, 2));
    let late = block_on(bench.broadcaster.cancel(one.id, None, "user:bob"));
    assert!(matches!(late, Err(BroadcastError::NotScheduled(BroadcastStatus::Sent))));
}

/// After an outage: what is an hour old goes out and says that it is late, what is older never does.
#[test]
fn an_outage_makes_some_late_and_some_missed() {
    let bench = bench();
    let late = bench.create(json!({"publishAt": instant(100)})).unwrap();
    let old = bench.create(json!({"publishAt": instant(99)})).unwrap();
    let over = bench.create(json!({"publishAt": instant(200), "expiresAt": instant(3_000)})).unwrap();
    bench.clock.set(instant(3_700));
    let hour = vec![Duration::from_secs(3_600)];
    assert_eq!(bench.step(), Stepped { due: 3, sent: hour, late: 1, missed: 2 });
    let status = |one: &Broadcast| block_on(bench.broadcaster.get(one.id)).unwrap();
    assert_eq!((status(&late).status, status(&late).late), (BroadcastStatus::Sent, true));
    assert_eq!(status(&old).status, BroadcastStatus::Missed);
    assert_eq!(status(&over).status, BroadcastStatus::Missed);
    let rows = bench.rows();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].notification.data.as_str().contains(r#""late":true"#));
}

#[test]
fn a_change_may_bring_it_forward() {
    let bench = bench();
    let one = bench.create(json!({"publishAt": instant(100)})).unwrap();
    let change = |body| block_on(bench.broadcaster.change(one.id, body, "user:bob"));
    let moved = change(json!({"version": 1, "publishAt": instant(200)})).unwrap();
    assert_eq!((moved.version, moved.draft.publish_at), (2, Some(instant(200))));
    assert!(matches!(change(json!({"version": 1, "title": "x"})), Err(BroadcastError::OtherVersion(2))));
    assert!(matches!(change(json!({"version": 2, "title": ""})), Err(BroadcastError::Invalid(_))));
    let sent = change(json!({"version": 2, "title": "now", "publishAt": null})).unwrap();
    assert_eq!((sent.status, sent.version), (BroadcastStatus::Sent, 3));
    assert_eq!(bench.rows()[0].notification.title, "now");
    assert!(matches!(change(json!({"version": 3, "title": "x"})), Err(BroadcastError::NotScheduled(_))));
}

#[test]
fn an_emergency_is_acknowledged_and_counted() {
    let bench = bench();
    let ada = block_on(bench.log.inbox().enter(&principal("ada", Role::Admin))).unwrap();
    let one = bench.create(json!({"kind": "emergency"})).unwrap();
    let id = bench.rows()[0].notification.id;
    assert_eq!(block_on(bench.broadcaster.acknowledge(&ada, id)).unwrap(), instant(0));
    let tallies = block_on(bench.broadcaster.stirring(Duration::from_secs(5))).unwrap();
    assert_eq!(tallies, [block_on(bench.broadcaster.tally(one.id)).unwrap()]);
    assert_eq!((tallies[0].all.acked, tallies[0].all.of), (1, 1));
    bench.clock.set(instant(6));
    assert!(block_on(bench.broadcaster.stirring(Duration::from_secs(5))).unwrap().is_empty());
}
