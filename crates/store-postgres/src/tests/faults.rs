//! The database is locked, gone, read-only or spoilt.

use std::time::Instant;

use carillon_domain::Position;
use carillon_domain::ports::{Inbox as _, Log as _};
use carillon_domain::testing::{Drafts, instant, principal};
use carillon_domain::{Mark, Role};

use super::*;

#[track_caller]
fn unavailable<T: std::fmt::Debug>(done: &Result<T, PortError>) {
    assert!(matches!(done, Err(PortError::Unavailable { .. })), "{done:?}");
}

/// Someone holds the head for long: an append gives up in time, reads go on, and when the head is free the same batch is
/// kept once, whatever the server has made of the tries.
#[test]
fn a_held_head_delays_appends_for_a_bounded_time_and_reads_not_at_all() {
    within(|database| async move {
        let (store, batch) = (database.open().await, [Drafts::new().publish(&["all"])]);
        let mut raw = database.raw().await;
        let holding = raw.transaction().await.unwrap();
        holding.batch_execute("SELECT FROM carillon.log_head FOR UPDATE").await.unwrap();
        for _ in 0..2 {
            let begun = Instant::now();
            unavailable(&store.append(&batch).await);
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
        assert_eq!(store.head().await.unwrap().position, Position::START);
        holding.rollback().await.unwrap();
        store.append(&batch).await.unwrap();
        assert_eq!(store.read(Position::START, 10).await.unwrap().rows.len(), 1);
    });
}

/// A statement that was given up ends by itself: nothing of it waits on.
#[test]
fn a_statement_given_up_does_not_stay() {
    within(|database| async move {
        let (store, batch) = (database.open().await, [Drafts::new().publish(&["all"])]);
        let mut raw = database.raw().await;
        let watch = database.raw().await;
        let holding = raw.transaction().await.unwrap();
        holding.batch_execute("SELECT FROM carillon.log_head FOR UPDATE").await.unwrap();
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        let given_up = tokio::time::timeout(Duration::from_millis(300), store.append(&batch)).await;
        assert!(given_up.is_err());
        let begun = Instant::now();
        while number(&watch, waiting).await > 0 {
            assert!(begun.elapsed() < Duration::from_secs(3), "it still waits");
            tokio::task::yield_now().await;
        }
        holding.rollback().await.unwrap();
        assert_eq!(store.head().await.unwrap().position, Position::START);
    });
}

/// A node that froze in the middle of a mark holds up nobody but that user, and the server ends it.
#[test]
fn a_session_that_stands_still_is_ended_and_holds_up_one_user() {
    within(|database| async move {
        let store = database.open().await;
        let frozen = database.raw().await;
        let patience = Patience::of(Duration::from_millis(1_000));
        frozen.batch_execute(&crate::connect::setup(patience)).await.unwrap();
        let drafts = Drafts::new();
        let rows = store.append(&[drafts.publish(&["user:1", "user:2"])]).await.unwrap().rows;
        let (one, two) = (principal("1", Role::Patient), principal("2", Role::Patient));
        let (one, two) = (store.enter(&one).await.unwrap(), store.enter(&two).await.unwrap());
        frozen
            .batch_execute("BEGIN; SELECT FROM carillon.inbox WHERE user_id = '1' FOR UPDATE")
            .await
            .unwrap();
        store.append(&[drafts.publish(&["user:3"])]).await.unwrap();
        let other = Mark::Read(vec![rows[1].notification.id]);
        assert_eq!(store.mark(&two, &other, instant(1)).await.unwrap().unwrap().unread, 0);
        let theirs = Mark::Read(vec![rows[0].notification.id]);
        assert_eq!(store.mark(&one, &theirs, instant(1)).await.unwrap().unwrap().unread, 0);
        assert!(frozen.batch_execute("COMMIT").await.is_err(), "the server has hung up on it");
    });
}

/// Every connection is cut, again and again: no call notices, since each may be repeated.
#[test]
fn cut_connections_are_replaced() {
    within(|database| async move {
        let (store, drafts, raw) = (database.open().await, Drafts::new(), database.raw().await);
        let who = store.enter(&principal("1", Role::Patient)).await.unwrap();
        for n in 1..=10 {
            let cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                WHERE application_name = 'carillon' AND datname = current_database()";
            raw.execute(cut, &[]).await.unwrap();
            store.append(&[drafts.publish(&["user:1"])]).await.unwrap();
            assert_eq!(store.unread(&who, Position::END, instant(1)).await.unwrap(), n);
            store.mark(&who, &Mark::Unread(vec![]), instant(1)).await.unwrap();
        }
    });
}

/// Every reader waits for a lock; appends have a connection of their own.
#[test]
fn a_flood_of_reads_does_not_starve_appends() {
    within(|database| async move {
        let (store, mut raw) = (database.open().await, database.raw().await);
        let who = principal("1", Role::Patient);
        store.enter(&who).await.unwrap();
        let holding = raw.transaction().await.unwrap();
        holding.batch_execute("LOCK carillon.inbox IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let flood: Vec<_> = (0..100)
            .map(|_| {
                let (store, who) = (store.clone(), who.clone());
                tokio::spawn(async move { store.enter(&who).await })
            })
            .collect();
        let drafts = Drafts::new();
        for _ in 0..20 {
            store.append(&[drafts.publish(&["all"])]).await.unwrap();
        }
        holding.rollback().await.unwrap();
        for read in flood {
            read.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_read_only_database_is_unavailable_until_it_is_not() {
    within(|database| async move {
        let batch = [Drafts::new().publish(&["all"])];
        drop(database.open().await);
        let set = async |value: &str| {
            let sql = format!("ALTER DATABASE {} SET default_transaction_read_only = {value}", database.name);
            database.execute_on_server(&sql).await;
        };
        let store = database.open().await;
        set("on").await;
        unavailable(&store.append(&batch).await);
        assert_eq!(store.head().await.unwrap().position, Position::START);
        set("off").await;
        assert_eq!(store.append(&batch).await.unwrap().rows.len(), 1);
    });
}

#[test]
fn what_cannot_be_read_back_is_named_without_its_content() {
    within(|database| async move {
        let (store, drafts) = (database.open().await, Drafts::new());
        store.append(&[drafts.publish(&["all"]), drafts.publish(&["all"])]).await.unwrap();
        let spoil = "UPDATE carillon.notifications SET priority = 'secret' WHERE position = 2";
        database.raw().await.batch_execute(spoil).await.unwrap();
        let fault = store.read(Position::START, 10).await.unwrap_err();
        assert_eq!(fault.to_string(), "row 2 of notifications cannot be read back");
        assert_eq!(store.read(Position::START, 1).await.unwrap().rows.len(), 1);
    });
}

/// A schema that lacks what this program asks for is our mistake, and no passing trouble.
#[test]
fn a_statement_that_is_wrong_is_rejected() {
    within(|database| async move {
        let store = database.open().await;
        database
            .raw()
            .await
            .batch_execute("ALTER TABLE carillon.log_head RENAME trimmed TO gone")
            .await
            .unwrap();
        let done = store.head().await;
        assert!(matches!(done, Err(PortError::Rejected { .. })), "{done:?}");
    });
}
