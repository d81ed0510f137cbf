//! Migrations, and whose life of the log it is.

use std::collections::BTreeSet;

use carillon_domain::Head;
use carillon_domain::ports::Log as _;
use carillon_domain::testing::Drafts;

use super::*;

const UP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/postgres");

#[test]
fn every_migration_is_embedded_under_its_version() {
    let version = |name: String| name.split('_').next().unwrap_or_default().replace('-', "");
    let directories = std::fs::read_dir(UP).unwrap();
    let there: BTreeSet<String> =
        directories.map(|entry| version(entry.unwrap().file_name().into_string().unwrap())).collect();
    let embedded: BTreeSet<String> = crate::migrate::versions().map(str::to_owned).collect();
    assert_eq!(embedded, there);
}

#[test]
fn migrating_is_done_once_and_says_what_it_did() {
    within(|database| async move {
        let migrate = async || PostgresStore::migrate(database.settings()).await.unwrap();
        let (a, b, c) = tokio::join!(migrate(), migrate(), migrate());
        // Of three at once, one has done it all.
        let versions: Vec<&str> = crate::migrate::versions().collect();
        assert_eq!([a, b, c].concat(), versions);
        assert!(migrate().await.is_empty());
    });
}

#[test]
fn a_newer_schema_is_left_alone() {
    within(|database| async move {
        drop(database.open().await);
        let newer = "INSERT INTO carillon.__diesel_schema_migrations (version) VALUES ('20991231000000')";
        database.raw().await.batch_execute(newer).await.unwrap();
        let fault = PostgresStore::open(database.settings()).await.err().unwrap();
        assert!(
            matches!(&fault, OpenError::Newer { version, .. } if version == "20991231000000"),
            "{fault:?}"
        );
        assert!(!fault.is_transient());
    });
}

#[test]
fn the_schema_can_be_taken_back() {
    within(|database| async move {
        drop(database.open().await);
        let raw = database.raw().await;
        for down in crate::migrate::DOWN.iter().rev() {
            raw.batch_execute(down).await.unwrap();
        }
        let left = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
            WHERE nspname = 'carillon' AND relname NOT LIKE '\\_\\_diesel%'";
        assert_eq!(number(&raw, left).await, 0);
    });
}

/// What is not there may come, and what was refused will not.
#[test]
fn a_database_that_cannot_be_opened_is_told_apart() {
    within(|database| async move {
        let fault =
            async |url: String| PostgresStore::open(Settings::from_url(&url).unwrap()).await.err().unwrap();
        let nobody = fault("postgres://postgres@127.0.0.1:1/x".into()).await;
        assert!(nobody.is_transient(), "{nobody:?}");
        let nowhere = fault(database.url() + "_not_there").await;
        assert!(!nowhere.is_transient(), "{nowhere:?}");
        let stranger = fault(database.url().replace("postgres@", "stranger@")).await;
        assert!(!stranger.is_transient(), "{stranger:?}");
    });
}

#[test]
fn a_new_epoch_leaves_all_else_as_it_was() {
    within(|database| async move {
        let store = database.open().await;
        store.append(&[Drafts::new().publish(&["all"])]).await.unwrap();
        let (head, secret) = (store.head().await.unwrap(), store.secret().await.unwrap());
        let epoch = store.renew_epoch().await.unwrap();
        assert_ne!(epoch, head.epoch);
        assert_eq!(store.head().await.unwrap(), Head { epoch, ..head });
        assert_eq!(store.secret().await.unwrap(), secret);
    });
}

/// A copy of the database, as from a dump, is another life of the log, and stays that one; the original goes on.
#[test]
fn a_restored_copy_has_an_epoch_of_its_own() {
    within(|database| async move {
        let store = database.open().await;
        store.append(&[Drafts::new().publish(&["all"])]).await.unwrap();
        let head = store.head().await.unwrap();
        drop(store);
        let copy = Database { server: database.server.clone(), name: format!("{}_copy", database.name) };
        let sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ";
        database.execute_on_server(&format!("{sessions}'{}'", database.name)).await;
        database
            .execute_on_server(&format!("CREATE DATABASE {} TEMPLATE {}", copy.name, database.name))
            .await;

        let (one, other) = tokio::join!(copy.open(), copy.open());
        let copied = one.head().await.unwrap();
        assert_eq!((copied.position, other.head().await.unwrap()), (head.position, copied));
        assert_ne!(copied.epoch, head.epoch);
        drop((one, other));
        assert_eq!(copy.open().await.head().await.unwrap(), copied);
        assert_eq!(database.open().await.head().await.unwrap(), head);
        copy.drop().await;
    });
}

/// Whichever of the four is another, and it alone, there is a new epoch; what the server keeps to itself is no change.
#[test]
fn each_sign_of_another_place_renews_the_epoch() {
    within(|database| async move {
        let store = database.open().await;
        let raw = database.raw().await;
        let mut last = store.head().await.unwrap().epoch;
        for (sign, renews) in [
            ("system_id = system_id - 1", true),
            ("timeline = '00000009'", true),
            ("database = 1", true),
            ("relation = 1", true),
            ("system_id = NULL", false),
            ("trimmed = 0", false),
        ] {
            raw.batch_execute(&format!("UPDATE carillon.log_head SET {sign}")).await.unwrap();
            let epoch = database.open().await.head().await.unwrap().epoch;
            assert_eq!(epoch != last, renews, "{sign}");
            last = epoch;
        }
    });
}
