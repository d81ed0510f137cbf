//! Partitions come in time and go as a whole.

use std::time::Instant;

use carillon_domain::ports::{Inbox as _, Log as _, Publish, Trim};
use carillon_domain::testing::{Drafts, instant, principal};
use carillon_domain::{Mark, Position, Role};

use super::*;

const DAY: i64 = 86_400;

fn publishes(drafts: &Drafts, many: usize, seconds: i64) -> Vec<Publish> {
    let publish = |_| {
        let mut publish = drafts.publish(&["user:1"]);
        publish.rows[0].1.created_at = instant(seconds);
        publish
    };
    (0..many).map(publish).collect()
}

fn before(seconds: i64) -> Trim {
    Trim { rows_before: instant(seconds), keys_before: instant(seconds) }
}

const PARTITIONS: &str =
    "SELECT count(*) FROM pg_inherits WHERE inhparent = 'carillon.notifications'::regclass";

/// An append that meets the end of the last partition makes the next ones itself, in the middle of a batch too; each may
/// be longer than the one before while they fill in less than a day.
#[test]
fn an_append_never_lacks_a_partition() {
    within(|database| async move {
        let (store, drafts, raw) = (database.open().await, Drafts::new(), database.raw().await);
        short_partitions(&raw, 10).await;
        for n in 1..=40 {
            let appended = store.append(&publishes(&drafts, 25, 0)).await.unwrap();
            assert_eq!(appended.rows.last().unwrap().position.get(), n * 25);
        }
        let page = store.read(Position::START, 2_000).await.unwrap();
        assert_eq!(page.rows.len(), 1_000);
        assert!(number(&raw, PARTITIONS).await < 20, "they grow longer");
        let holes = "SELECT count(*) FROM (SELECT first, lag(last) OVER (ORDER BY first) AS before \
            FROM carillon.partitions) p WHERE first <> before + 1";
        assert_eq!(number(&raw, holes).await, 0);
    });
}

/// One that filled slowly has a follower of the same length.
#[test]
fn partitions_that_fill_slowly_stay_as_long_as_they_are() {
    within(|database| async move {
        let (store, drafts, raw) = (database.open().await, Drafts::new(), database.raw().await);
        short_partitions(&raw, 10).await;
        for day in 0..10 {
            store.append(&publishes(&drafts, 5, day * DAY)).await.unwrap();
        }
        let longest = number(&raw, "SELECT max(last - first + 1) FROM carillon.partitions").await;
        assert_eq!(longest, 10);
    });
}

/// Full partitions go as a whole once all of their rows are too old, and take along what readers left. One whose newest
/// row has less than a day to go is left for then.
#[test]
fn old_partitions_are_dropped_whole() {
    within(|database| async move {
        let (store, drafts, raw) = (database.open().await, Drafts::new(), database.raw().await);
        short_partitions(&raw, 10).await;
        let who = store.enter(&principal("1", Role::Patient)).await.unwrap();
        let mut ids = Vec::new();
        // Days 0 to 9, five rows a day: a partition holds two days.
        for day in 0..10 {
            let rows = store.append(&publishes(&drafts, 5, day * DAY)).await.unwrap().rows;
            ids.extend(rows.iter().map(|row| row.notification.id));
        }
        store.mark(&who, &Mark::Read(vec![ids[1], ids[30]]), instant(0)).await.unwrap();
        let parts = number(&raw, PARTITIONS).await;
        // Days 0 to 3 are gone; of days 4 and 5, in one partition, day 4 is old and goes with day 5.
        let mut calls = 1;
        while store.trim(before(5 * DAY)).await.unwrap() {
            calls += 1;
        }
        let page = store.read(Position::START, 100).await.unwrap();
        assert_eq!((page.head.trimmed.get(), page.rows[0].position.get(), page.rows.len()), (20, 21, 30));
        assert!(calls <= 4, "{calls} calls");
        assert_eq!(number(&raw, "SELECT count(*) FROM carillon.inbox_marks").await, 1);
        // Two went, and one was made for the time to come.
        assert!(number(&raw, PARTITIONS).await >= parts - 2);
        while store.trim(before(6 * DAY)).await.unwrap() {}
        let page = store.read(Position::START, 100).await.unwrap();
        assert_eq!((page.head.trimmed.get(), page.rows.len()), (30, 20));
        assert_eq!(store.append(&publishes(&drafts, 1, 10 * DAY)).await.unwrap().rows[0].position.get(), 51);
    });
}

/// A partition that took long to fill is not kept for its last rows: the old ones go singly.
#[test]
fn a_partition_of_many_days_is_trimmed_row_by_row() {
    within(|database| async move {
        let (store, drafts, raw) = (database.open().await, Drafts::new(), database.raw().await);
        short_partitions(&raw, 10).await;
        for day in 0..12 {
            store.append(&publishes(&drafts, 1, day * DAY)).await.unwrap();
        }
        assert!(!store.trim(before(4 * DAY)).await.unwrap());
        let page = store.read(Position::START, 100).await.unwrap();
        assert_eq!((page.head.trimmed.get(), page.rows.len()), (4, 8));
    });
}

/// Someone reads for long: the drop gives up soon, and appends that came meanwhile are not held up by it.
#[test]
fn a_drop_does_not_queue_in_front_of_appends() {
    within(|database| async move {
        let (store, drafts, raw) = (database.open().await, Drafts::new(), database.raw().await);
        short_partitions(&raw, 10).await;
        store.append(&publishes(&drafts, 15, 0)).await.unwrap();
        let mut reader = database.raw().await;
        let reading = reader.transaction().await.unwrap();
        reading.query("SELECT * FROM carillon.notifications", &[]).await.unwrap();

        let begun = Instant::now();
        let trimming = async {
            loop {
                match store.trim(before(DAY)).await {
                    Ok(true) => {}
                    done => break done,
                }
            }
        };
        let (trimmed, appended) = tokio::join!(trimming, async {
            let mut appended = 0;
            while begun.elapsed() < Duration::from_millis(700) {
                appended += store.append(&publishes(&drafts, 1, DAY)).await.unwrap().rows.len();
            }
            appended
        });
        assert!(matches!(trimmed, Err(PortError::Unavailable { .. })), "{trimmed:?}");
        assert!(appended > 5, "{appended} appends in 700 ms");
        assert_eq!(store.head().await.unwrap().trimmed, Position::START);
        reading.rollback().await.unwrap();
        while store.trim(before(DAY)).await.unwrap() {}
        // The other five lie in a partition that goes within a day.
        assert_eq!(store.head().await.unwrap().trimmed.get(), 10);
    });
}

/// Two nodes trim at once: one does, the other has nothing to do.
#[test]
fn one_node_trims_at_a_time() {
    within(|database| async move {
        let (a, b) = tokio::join!(database.open(), database.open());
        a.append(&publishes(&Drafts::new(), 500, 0)).await.unwrap();
        for _ in 0..5 {
            let done = tokio::join!(a.trim(before(DAY)), b.trim(before(DAY)));
            assert!(done.0.is_ok() && done.1.is_ok(), "{done:?}");
        }
        assert_eq!(b.head().await.unwrap().trimmed.get(), 500);
    });
}
