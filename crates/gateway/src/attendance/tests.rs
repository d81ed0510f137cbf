use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use carillon_domain::ports::{LastSeen, PortError};
use carillon_domain::testing::{FixedClock, MemorySeen, block_on, principal};
use carillon_domain::{Epoch, Head, Position, Presence};
use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::mailbox::Stage;

/// A store that may be away.
#[derive(Default)]
struct Moody {
    inner: MemorySeen,
    is_away: AtomicBool,
}

#[async_trait]
impl LastSeen for Moody {
    async fn keep(&self, seen: &[Seen]) -> Result<(), PortError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(PortError::Unavailable { port: "last seen", source: "it is away".into() });
        }
        self.inner.keep(seen).await
    }

    async fn doctors(&self, ids: &[UserId]) -> Result<Vec<Seen>, PortError> {
        self.inner.doctors(ids).await
    }

    async fn users(
        &self,
        role: Option<Role>,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Seen>, PortError> {
        self.inner.users(role, after, limit).await
    }
}

fn attendance() -> (Arc<Attendance>, Arc<Moody>) {
    let store = Arc::new(Moody::default());
    let reception = Reception::new(Presence::new(Duration::from_secs(5)), Arc::clone(&store) as _);
    let attendance = Attendance::new(reception, Arc::new(FixedClock::default()));
    let start = Head { epoch: Epoch::new(1), position: Position::START, trimmed: Position::START };
    let hub = Arc::new(Hub::new(start, Position::START, Vec::new(), Arc::default(), Arc::default()));
    tokio::spawn(Arc::clone(&attendance).run(hub));
    (attendance, store)
}

fn mailbox(socket_id: &str, claim: u64) -> Arc<Mailbox> {
    Arc::new(Mailbox::new(socket_id.to_owned(), claim, 1 << 16, Stage::Live, Position::START, true))
}

async fn noted(store: &Moody) -> usize {
    store.users(None, None, 10_000).await.unwrap().len()
}

fn said(mailbox: &Mailbox) -> Vec<String> {
    std::iter::from_fn(|| mailbox.take()).map(|frame| frame.text().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn visits_wait_for_a_store_that_is_away() {
    let (attendance, store) = attendance();
    let names = (0..BATCH * 2 + 1).map(|n| format!("u{n}"));
    let visits: Vec<_> =
        names.map(|id| attendance.enter(&principal(&id, Role::Patient), &mailbox(&id, 0))).collect();
    tokio::time::sleep(TELL * 2).await;
    store.is_away.store(true, Ordering::SeqCst);
    drop(visits);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(noted(&store).await, 0);
    store.is_away.store(false, Ordering::SeqCst);
    tokio::time::sleep(TELL * 4).await;
    assert_eq!(noted(&store).await, BATCH * 2 + 1);
}

/// The latest are kept, and how many are not is counted.
#[test]
fn what_is_lost_while_the_store_is_away_is_counted() {
    let store = Arc::new(Moody::default());
    store.is_away.store(true, Ordering::SeqCst);
    let reception = Reception::new(Presence::new(Duration::from_secs(5)), store as _);
    let attendance = Attendance::new(reception, Arc::new(FixedClock::default()));
    let seen = |n: usize| Seen {
        user_id: format!("u{n}").parse().unwrap(),
        role: Role::Patient,
        profile_id: None,
        at: attendance.clock.now(),
    };
    let mut unnoted: Vec<_> = (0..UNNOTED + 3).map(seen).collect();
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || block_on(attendance.note(&mut unnoted)));
    assert_eq!((unnoted.len(), unnoted[0].user_id.as_str()), (UNNOTED, "u3"));
    let told = recorder.handle().render();
    assert!(told.contains("carillon_last_seen_lost_total 3\n"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn at_the_end_nobody_waits_out_their_grace() {
    let (attendance, store) = attendance();
    let visit = attendance.enter(&principal("p", Role::Patient), &mailbox("a", 0));
    tokio::time::sleep(TELL * 2).await;
    drop(visit);
    attendance.close().await;
    assert_eq!(noted(&store).await, 1);
    store.is_away.store(true, Ordering::SeqCst);
    drop(attendance.enter(&principal("q", Role::Patient), &mailbox("b", 0)));
    // A store that is away holds nobody up.
    attendance.close().await;
}

#[tokio::test(start_paused = true)]
async fn who_watches_is_told_until_they_go_or_their_session_is_taken_over() {
    let (attendance, _) = attendance();
    let (old, new) = (mailbox("socket", 1), mailbox("socket", 2));
    let patient = principal("p", Role::Patient);
    let doctor = principal("d", Role::Doctor);
    let id: UserId = "d".parse().unwrap();
    let first = attendance.enter(&patient, &old);
    attendance.watch("socket", std::slice::from_ref(&id), false).unwrap();
    // The old connection of a session may end after the new one has begun.
    let second = attendance.enter(&patient, &new);
    attendance.watch("socket", std::slice::from_ref(&id), false).unwrap();
    drop(first);
    let visit = attendance.enter(&doctor, &mailbox("doctor", 3));
    tokio::time::sleep(TELL * 2).await;
    assert_eq!(said(&old), [""; 0]);
    assert_eq!(said(&new), [r#"42["presence:doctor",{"doctorId":"d","online":true,"lastSeen":null}]"#]);
    assert_eq!(attendance.connected(None, 9).len(), 2);
    assert_eq!(attendance.connected(Some("doctor"), 9)[0].socket_id, "socket");
    drop((second, visit));
    assert!(attendance.lock().watchers.is_empty());
    // It has gone already.
    attendance.watch("socket", &[id], false).unwrap();
    assert!(attendance.lock().watchers.is_empty());
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(attendance.reception().counts(), Counts::default());
}
