use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::future::{join, join_all};
use futures_util::{FutureExt as _, StreamExt as _};

use super::*;
use crate::ports::{Appended, Loopback, Missed, Secret, Trim};
use crate::testing::{CountingIds, Drafts, FixedClock, MemoryLog, block_on};
use crate::{Blocked, Entitlement, Head, Kind, Page, Position, Timestamp};

/// A log that fails its first appends, after keeping them or before, and notes the size of each batch.
#[derive(Default)]
pub(crate) struct Flaky {
    pub(crate) inner: MemoryLog,
    failures: AtomicU32,
    keeps: bool,
    /// Never takes a batch with this title in it.
    poison: Option<&'static str>,
    batches: Mutex<Vec<usize>>,
}

impl Flaky {
    /// One that never takes a batch with this title in it.
    pub(crate) fn poisoned_by(title: &'static str) -> Self {
        Self { poison: Some(title), ..Self::default() }
    }
}

#[async_trait]
impl Log for Flaky {
    async fn append(&self, batch: &[Publish]) -> Result<Appended, PortError> {
        self.batches.lock().unwrap().push(batch.len());
        let mut titles = batch.iter().flat_map(|publish| &publish.rows).map(|(_, row)| row.title.as_str());
        if self.poison.is_some_and(|poison| titles.any(|title| title == poison)) {
            return Err(PortError::Rejected { port: "log", source: "no such column".into() });
        }
        let fails = self.failures.load(Ordering::SeqCst) > 0;
        if fails {
            self.failures.fetch_sub(1, Ordering::SeqCst);
            if self.keeps {
                self.inner.append(batch).await?;
            }
            return Err(PortError::Unavailable { port: "log", source: "the link broke".into() });
        }
        self.inner.append(batch).await
    }

    async fn head(&self) -> Result<Head, PortError> {
        self.inner.head().await
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Page, PortError> {
        self.inner.read(after, limit).await
    }

    async fn replay(
        &self,
        rooms: &[Entitlement],
        after: Position,
        up_to: Position,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, PortError> {
        self.inner.replay(rooms, after, up_to, limit, now).await
    }

    async fn missed(
        &self,
        rooms: &[Entitlement],
        after: Position,
        most: u32,
        now: Timestamp,
    ) -> Result<Missed, PortError> {
        self.inner.missed(rooms, after, most, now).await
    }

    async fn secret(&self) -> Result<Secret, PortError> {
        self.inner.secret().await
    }

    async fn blocked(&self) -> Result<Blocked, PortError> {
        self.inner.blocked().await
    }

    async fn trim_kind(&self, kind: &Kind, before: Timestamp) -> Result<bool, PortError> {
        self.inner.trim_kind(kind, before).await
    }

    async fn trim(&self, trim: Trim) -> Result<bool, PortError> {
        self.inner.trim(trim).await
    }
}

/// A publisher to this log, told to nobody else, and its appender.
pub(crate) fn publisher(log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> (Arc<Publisher>, Appender) {
    let (fanout, ids) = (Arc::new(Loopback::new()), Arc::new(CountingIds::new()));
    let (publisher, appender) = Publisher::new(log, fanout, clock, ids, AppendLimits::default());
    (Arc::new(publisher), appender)
}

struct Bench {
    log: Arc<Flaky>,
    fanout: Arc<Loopback>,
    publisher: Publisher,
    appender: Appender,
}

fn bench(log: Flaky, limits: AppendLimits) -> Bench {
    let (log, fanout) = (Arc::new(log), Arc::new(Loopback::new()));
    let (clock, ids) = (Arc::new(FixedClock::default()), Arc::new(CountingIds::after(1_000)));
    let (publisher, appender) =
        Publisher::new(Arc::clone(&log) as _, Arc::clone(&fanout) as _, clock, ids, limits);
    Bench { log, fanout, publisher, appender }
}

/// Publishes these drafts at once and lets the appender work until all is answered.
fn publish_all(bench: Bench, drafts: &[Draft]) -> (Arc<Flaky>, Vec<Result<Published, PublishError>>) {
    let Bench { log, publisher, appender, .. } = bench;
    let publishing = async {
        let answers = join_all(drafts.iter().map(|draft| publisher.publish(draft, None))).await;
        publisher.close();
        answers
    };
    let (answers, ()) = block_on(join(publishing, appender.run()));
    (log, answers)
}

fn drafts(n: usize) -> Vec<Draft> {
    let drafts = Drafts::new();
    (0..n).map(|_| drafts.draft(&["user:1", "role:admin"])).collect()
}

fn rows(log: &Flaky) -> usize {
    block_on(log.read(Position::START, 10_000)).unwrap().rows.len()
}

#[test]
fn a_publish_is_answered_after_it_is_kept_and_the_nodes_hear_of_it() {
    let Bench { log, fanout, publisher, appender } = bench(Flaky::default(), AppendLimits::default());
    let mut signals = fanout.subscribe();
    let draft = Drafts::new().draft(&["user:1", "role:admin"]);
    let mut publishing = Box::pin(publisher.publish(&draft, None));
    assert!(publishing.as_mut().now_or_never().is_none(), "nothing is answered before it is kept");
    let publishing = async {
        let answer = publishing.await.unwrap();
        assert_eq!(rows(&log), 2);
        publisher.close();
        answer
    };
    let (published, ()) = block_on(join(publishing, appender.run()));
    assert!(!published.replayed);
    assert_eq!(published.stored.notifications.len(), 2);
    let Some(Some(Signal::Hint(hint))) = signals.next().now_or_never() else { panic!("no hint") };
    assert_eq!((hint.from.get(), hint.to.get(), hint.rows.len()), (0, 2, 2));
}

#[test]
fn what_gathers_meanwhile_is_written_together() {
    let (log, answers) = publish_all(bench(Flaky::default(), AppendLimits::default()), &drafts(20));
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(*log.batches.lock().unwrap(), [20]);
}

#[test]
fn a_batch_is_bounded_in_rows_and_in_bytes() {
    let limits = AppendLimits { rows: 6, ..AppendLimits::default() };
    let (log, answers) = publish_all(bench(Flaky::default(), limits), &drafts(7));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 7);
    assert_eq!(*log.batches.lock().unwrap(), [3, 3, 1]);
    // One that is too large for any batch goes alone.
    let limits = AppendLimits { bytes: 1, ..AppendLimits::default() };
    let (log, answers) = publish_all(bench(Flaky::default(), limits), &drafts(3));
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(*log.batches.lock().unwrap(), [1, 1, 1]);
}

#[test]
fn an_unknown_outcome_is_sent_again_and_kept_once() {
    for keeps in [true, false] {
        let flaky = Flaky { failures: AtomicU32::new(2), keeps, ..Flaky::default() };
        let (log, answers) = publish_all(bench(flaky, AppendLimits::default()), &drafts(3));
        assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|published| !published.replayed)));
        assert_eq!(rows(&log), 6);
    }
}

#[test]
fn a_store_that_stays_away_is_said_to_every_publisher() {
    let flaky = Flaky { failures: AtomicU32::new(TRIES), ..Flaky::default() };
    let (log, answers) = publish_all(bench(flaky, AppendLimits::default()), &drafts(3));
    assert!(answers.iter().all(|answer| matches!(answer, Err(PublishError::Store(_)))));
    assert_eq!(rows(&log), 0);
}

#[test]
fn a_full_queue_refuses_at_once_and_what_waits_is_kept() {
    let bench = bench(Flaky::default(), AppendLimits { queue: 2, ..AppendLimits::default() });
    // The channel holds its bound and one more for its sender.
    let (_, answers) = publish_all(bench, &drafts(5));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(PublishError::Full))).count(), 2);
}

#[test]
fn a_key_used_for_another_body_is_refused_and_for_the_same_body_replayed() {
    let Bench { log, publisher, appender, .. } = bench(Flaky::default(), AppendLimits::default());
    let key = |fingerprint| IdempotencyKey { scope: "a".into(), key: "k".into(), fingerprint };
    let draft = Drafts::new().draft(&["user:1"]);
    let publishing = async {
        let first = publisher.publish(&draft, Some(key([1; 32]))).await.unwrap();
        let again = publisher.publish(&draft, Some(key([1; 32]))).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.stored, first.stored);
        let other = publisher.publish(&draft, Some(key([2; 32]))).await;
        assert!(matches!(other, Err(PublishError::Mismatch)));
        publisher.close();
    };
    block_on(join(publishing, appender.run()));
    assert_eq!(rows(&log), 1);
}

#[test]
fn once_closed_it_refuses_and_the_appender_ends() {
    let Bench { publisher, appender, .. } = bench(Flaky::default(), AppendLimits::default());
    publisher.close();
    block_on(appender.run());
    let draft = Drafts::new().draft(&["user:1"]);
    let answer = block_on(publisher.publish(&draft, None));
    assert!(matches!(answer, Err(PublishError::Stopped)));
}
