//! The contract suite on SQLite, and what only this adapter can be asked.
//!
//! Over 400 lines because each question to this adapter alone opens a file of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carillon_domain::ports::{Audit, Explain, Firing, Inbox, LastSeen, Log, PortError, Trim};
use carillon_domain::testing::contract::broadcasts::Stage;
use carillon_domain::testing::contract::{Opened, Stores};
use carillon_domain::testing::{Drafts, instant, principal};
use carillon_domain::{
    BroadcastId, Entitled, ListQuery, Mark, Position, ReadStatus, Readers, Role, UNREAD_BOUND,
};
use diesel::connection::{InstrumentationEvent, SimpleConnection as _};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::pool::{Use, connect};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// An empty directory and the path of a database to be in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("carillon.db");
    (directory, path)
}

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(Settings::new(path)).await.unwrap()
}

fn raw(path: &Path) -> SqliteConnection {
    connect(path, Duration::from_secs(5), Use::Write).unwrap()
}

/// Or most statements would be compiled again at each use (`.cargo/config.toml`).
#[test]
fn plans_do_not_depend_on_values() {
    let (_directory, path) = place();
    let is_set = diesel::sql_query("SELECT sqlite_compileoption_used('ENABLE_QPSG') AS n");
    #[derive(QueryableByName)]
    struct Answer {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    assert_eq!(is_set.get_result::<Answer>(&mut raw(&path)).unwrap().n, 1);
}

fn run<F: Future<Output = ()>>(case: impl FnOnce(Stores) -> F) {
    let (_directory, path) = place();
    let opened = move || {
        let path = path.clone();
        async move {
            let store = Arc::new(open(&path).await);
            let opened: Opened = (Arc::clone(&store) as _, Arc::clone(&store) as _, store);
            opened
        }
    };
    block_on(async { case(Stores::open(opened).await).await });
}

carillon_domain::store_contract!(run);

fn run_seen<F: Future<Output = ()>>(case: impl FnOnce(Arc<dyn LastSeen>) -> F) {
    let (_directory, path) = place();
    block_on(async { case(Arc::new(open(&path).await)).await });
}

carillon_domain::seen_contract!(run_seen);

fn run_audit<F: Future<Output = ()>>(case: impl FnOnce(Arc<dyn Audit>) -> F) {
    let (_directory, path) = place();
    block_on(async { case(Arc::new(open(&path).await)).await });
}

carillon_domain::audit_contract!(run_audit);

fn run_broadcasts<F: Future<Output = ()>>(case: impl FnOnce(Stage) -> F) {
    let (_directory, path) = place();
    block_on(async {
        let store = Arc::new(open(&path).await);
        let (broadcasts, acks, log) =
            (Arc::clone(&store) as _, Arc::clone(&store) as _, Arc::clone(&store) as _);
        case(Stage { broadcasts, acks, log, inbox: Arc::clone(&store) as _, audit: store }).await;
    });
}

carillon_domain::broadcasts_contract!(run_broadcasts);

mod files {
    use super::*;

    fn refused(path: &Path) -> OpenError {
        block_on(SqliteStore::open(Settings::new(path))).err().unwrap()
    }

    #[test]
    fn a_path_that_cannot_be_a_database_is_told_apart() {
        let (directory, path) = place();
        assert!(matches!(refused(directory.path()), OpenError::Directory(_)));
        let nowhere = directory.path().join("no/carillon.db");
        assert!(matches!(refused(&nowhere), OpenError::NoDirectory(_)));
        std::fs::write(&path, "Dear diary, this is no database, however long it may go on.".repeat(20))
            .unwrap();
        let fault = refused(&path);
        assert!(matches!(fault, OpenError::NotADatabase(_)), "{fault:?}");
        assert_eq!(fault.to_string(), format!("{} is not an SQLite database", path.display()));
    }

    #[test]
    fn a_newer_schema_is_left_alone() {
        let (_directory, path) = place();
        drop(block_on(open(&path)));
        let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000')";
        raw(&path).batch_execute(newer).unwrap();
        let fault = refused(&path);
        assert!(
            matches!(&fault, OpenError::Newer { version, .. } if version == "20991231000000"),
            "{fault:?}"
        );
    }

    #[test]
    fn migrating_is_done_once_and_says_what_it_did() {
        let (_directory, path) = place();
        let migrate = || block_on(SqliteStore::migrate(Settings::new(&path))).unwrap();
        let versions = [
            "20261122000000",
            "20261123000000",
            "20261123020000",
            "20261123021500",
            "20261123030000",
            "20261123040000",
            "20261123041000",
            "20261123050500",
            "20261123060000",
        ];
        assert_eq!(migrate(), versions);
        assert!(migrate().is_empty());
    }

    #[test]
    fn two_that_open_a_new_file_at_once_agree_on_its_epoch() {
        let (_directory, path) = place();
        let heads = block_on(async {
            let (a, b) = tokio::join!(open(&path), open(&path));
            (a.head().await.unwrap(), b.head().await.unwrap())
        });
        assert_eq!(heads.0, heads.1);
        let (_elsewhere, other) = place();
        let other = block_on(async { open(&other).await.head().await.unwrap() });
        assert_ne!(other.epoch, heads.0.epoch);
    }

    #[test]
    fn a_new_epoch_leaves_all_else_as_it_was() {
        let (_directory, path) = place();
        block_on(async {
            let store = open(&path).await;
            store.append(&[Drafts::new().publish(&["all"])]).await.unwrap();
            let (head, secret) = (store.head().await.unwrap(), store.secret().await.unwrap());
            let epoch = store.renew_epoch().await.unwrap();
            assert_ne!(epoch, head.epoch);
            assert_eq!(store.head().await.unwrap(), carillon_domain::Head { epoch, ..head });
            assert_eq!(store.secret().await.unwrap(), secret);
        });
    }

    #[test]
    fn the_schema_can_be_taken_back() {
        let (_directory, path) = place();
        drop(block_on(open(&path)));
        let down = [
            include_str!("../../../migrations/sqlite/2026-11-23-041000_broadcasts/down.sql"),
            include_str!("../../../migrations/sqlite/2026-11-23-040000_audit/down.sql"),
            include_str!("../../../migrations/sqlite/2026-11-23-021500_blocked_users/down.sql"),
            include_str!("../../../migrations/sqlite/2026-11-23-020000_explain/down.sql"),
            include_str!("../../../migrations/sqlite/2026-11-23-000000_log_secret/down.sql"),
            include_str!("../../../migrations/sqlite/2026-11-22-000000_log_and_inbox/down.sql"),
        ];
        raw(&path).batch_execute(&down.concat()).unwrap();
    }
}

mod faults {
    use super::*;

    /// Another process holds the file: the step gives up after its wait, and the next one works.
    #[test]
    fn a_locked_file_is_unavailable_and_recovers() {
        let (_directory, path) = place();
        block_on(async {
            let settings = Settings { wait: Duration::from_millis(20), ..Settings::new(&path) };
            let store = SqliteStore::open(settings).await.unwrap();
            let batch = [Drafts::new().publish(&["all"])];
            let mut other = raw(&path);
            other.batch_execute("BEGIN IMMEDIATE").unwrap();
            let fault = store.append(&batch).await.unwrap_err();
            assert!(matches!(fault, PortError::Unavailable { port: "log", .. }), "{fault:?}");
            // Reading goes on meanwhile.
            assert_eq!(store.head().await.unwrap().position, Position::START);
            other.batch_execute("ROLLBACK").unwrap();
            assert_eq!(store.append(&batch).await.unwrap().rows.len(), 1);
        });
    }

    #[test]
    fn what_cannot_be_read_back_is_named_without_its_content() {
        let (_directory, path) = place();
        block_on(async {
            let store = open(&path).await;
            let drafts = Drafts::new();
            store.append(&[drafts.publish(&["all"]), drafts.publish(&["all"])]).await.unwrap();
            let spoil = "UPDATE notifications SET priority = 'secret' WHERE position = 2";
            raw(&path).batch_execute(spoil).unwrap();
            let fault = store.read(Position::START, 10).await.unwrap_err();
            assert_eq!(fault.to_string(), "row 2 of notifications cannot be read back");
            assert_eq!(store.read(Position::START, 1).await.unwrap().rows.len(), 1);
        });
    }
}

mod audit_table {
    use carillon_domain::{AuditAction, AuditNote, AuditQuery, AuditSince, Data};

    use super::*;

    /// Whatever the program does, an entry stays as it is.
    #[test]
    fn nothing_changes_an_entry() {
        let (_directory, path) = place();
        block_on(async {
            let store = open(&path).await;
            let (actor, subject) = ("booking".to_owned(), "42".to_owned());
            let detail = Data::from_stored("{}".into()).unwrap();
            let note = AuditNote { actor, action: AuditAction::UserErased, subject, detail, key: None };
            store.note(&note).await.unwrap();
            for sql in [
                "UPDATE audit SET actor = 'x'",
                "DELETE FROM audit",
                "REPLACE INTO audit SELECT * FROM audit",
            ] {
                let refused = raw(&path).batch_execute(sql).unwrap_err();
                assert!(refused.to_string().contains("neither changed nor deleted"), "{sql}: {refused}");
            }
            let query = AuditQuery { since: AuditSince::Entry(0), limit: 9 };
            assert_eq!(store.entries(query).await.unwrap()[0].actor, "booking");
        });
    }
}

mod bounds {
    use super::*;

    #[derive(QueryableByName)]
    struct Plan {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    /// The statements of `step`, and how SQLite would go about each.
    fn plans(path: &Path, step: impl FnOnce(&mut SqliteConnection)) -> Vec<(String, Vec<String>)> {
        let mut connection = raw(path);
        let statements = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&statements);
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                seen.lock().unwrap().push(query.to_string());
            }
        });
        step(&mut connection);
        let statements = std::mem::take(&mut *statements.lock().unwrap());
        let explain = |sql: String| {
            let plan = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"));
            let plan: Vec<Plan> = plan.load(&mut connection).unwrap();
            (sql, plan.into_iter().map(|line| line.detail).collect())
        };
        statements.into_iter().filter(|sql| !sql.starts_with("BEGIN")).map(explain).collect()
    }

    async fn user_with_marks(path: &Path) -> (SqliteStore, Entitled) {
        let store = open(path).await;
        let who = store.enter(&principal("1", Role::Patient)).await.unwrap();
        let drafts = Drafts::new();
        let batch: Vec<_> = (0..9).map(|_| drafts.publish(&["all", "user:1"])).collect();
        let ids: Vec<_> =
            store.append(&batch).await.unwrap().rows.iter().map(|row| row.notification.id).collect();
        for mark in [Mark::ReadUpTo(ids[6]), Mark::Read(vec![ids[9]]), Mark::Unread(vec![ids[1]])] {
            store.mark(&who, &mark, instant(1)).await.unwrap();
        }
        (store, who)
    }

    /// Whatever the inbox holds, counting and listing walk an index from a place on and stop: nothing is scanned from
    /// end to end, nothing is sorted.
    #[test]
    fn counting_and_listing_use_the_indexes_alone() {
        let (_directory, path) = place();
        let (_store, who) = block_on(user_with_marks(&path));
        let mut all = plans(&path, |connection| {
            crate::unread::count(connection, &who, Position::END, instant(2)).unwrap();
        });
        for status in [ReadStatus::All, ReadStatus::Unread, ReadStatus::Read] {
            let before = Position::END.as_i64();
            all.extend(plans(&path, |connection| {
                crate::listing::newest(connection, &who, before, status, 21, instant(2)).unwrap();
            }));
        }
        assert!(all.len() > 15, "{}", all.len());
        for (sql, plan) in &all {
            for line in plan {
                let walks = line.starts_with("SEARCH") || line.contains("SCALAR SUBQUERY");
                assert!(walks && !line.contains("TEMP B-TREE"), "{line}\n{sql}");
            }
            let rows = plan.iter().find(|line| line.contains("notifications_by_room"));
            assert!(rows.is_none_or(|line| line.contains("(room=? AND position>?")), "{plan:?}\n{sql}");
        }
        assert!(all.iter().flat_map(|(_, plan)| plan).any(|line| line.contains("USING COVERING INDEX")));
    }

    /// Each node asks four times a second, and those that were sent stay.
    #[test]
    fn what_is_due_is_found_among_what_is_scheduled() {
        let (_directory, path) = place();
        block_on(open(&path));
        let plans = plans(&path, |connection| drop(crate::broadcasts::due(connection, 10).unwrap()));
        let (_, plan) = plans.iter().find(|(sql, _)| sql.contains("broadcasts")).unwrap();
        assert!(plan[0].contains("USING INDEX broadcasts_by_time (publish_at<?)"), "{plan:?}");
    }

    /// The check above would notice: without the index, there is a scan.
    #[test]
    fn without_the_index_there_is_a_scan() {
        let (_directory, path) = place();
        let (_store, who) = block_on(user_with_marks(&path));
        raw(&path).batch_execute("DROP INDEX notifications_by_room").unwrap();
        let all = plans(&path, |connection| {
            crate::unread::count(connection, &who, Position::END, instant(2)).unwrap();
        });
        let lines: Vec<_> = all.iter().flat_map(|(_, plan)| plan).collect();
        assert!(lines.iter().any(|line| line.contains("INTEGER PRIMARY KEY (rowid>?")), "{lines:?}");
    }

    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }

    fn count(connection: &mut SqliteConnection, table: &str) -> i64 {
        let rows: Count =
            diesel::sql_query(format!("SELECT count(*) AS n FROM {table}")).get_result(connection).unwrap();
        rows.n
    }

    /// Reading all again and again leaves nothing, and trimming takes the traces of reading along.
    #[test]
    fn what_readers_leave_behind_is_bounded_and_trimmed() {
        let (_directory, path) = place();
        block_on(async {
            let (store, who) = user_with_marks(&path).await;
            let mut connection = raw(&path);
            for seconds in 2..9 {
                store.mark(&who, &Mark::ReadAll, instant(seconds)).await.unwrap();
            }
            assert_eq!(
                (count(&mut connection, "inbox_reads"), count(&mut connection, "inbox_marks")),
                (4, 2)
            );
            let trim = Trim { rows_before: instant(1), keys_before: instant(1) };
            assert!(!store.trim(trim).await.unwrap());
            for table in ["notifications", "idempotency_keys", "inbox_reads", "inbox_marks"] {
                assert_eq!(count(&mut connection, table), 0, "{table}");
            }
        });
    }

    /// Twenty thousand rows beyond what was read: counted to the bound, listed by pages, and read at one stroke. That
    /// the work is bounded as well follows from the plans above.
    #[test]
    fn a_neglected_inbox_answers_the_bound_at_once() {
        let (_directory, path) = place();
        block_on(async {
            let (store, who) = user_with_marks(&path).await;
            let many = "WITH RECURSIVE k(n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM k WHERE n < 20100) \
                INSERT INTO notifications SELECT n, randomblob(16), randomblob(16), 'user:1', NULL, 'NEWS', 't', 'm', \
                '{}', 'low', NULL, 1795348800000, NULL FROM k; UPDATE log_head SET position = 20100";
            raw(&path).batch_execute(many).unwrap();
            assert_eq!(store.unread(&who, Position::END, instant(2)).await.unwrap(), UNREAD_BOUND);
            let query = ListQuery { limit: 100, before: None, status: ReadStatus::Unread };
            let listing = store.list(&who, query, instant(2)).await.unwrap().unwrap();
            assert_eq!((listing.items.len(), listing.next.is_some()), (100, true));
            store.mark(&who, &Mark::ReadAll, instant(3)).await.unwrap();
            assert_eq!(store.unread(&who, Position::END, instant(4)).await.unwrap(), 0);
        });
    }

    /// What someone has acknowledged goes with them.
    #[test]
    fn acknowledgements_go_with_their_user() {
        let (_directory, path) = place();
        block_on(async {
            let store = open(&path).await;
            let some = "INSERT INTO broadcasts (id, status, version, kind, content, publish_at, created_by, created_at, \
                updated_at) VALUES (zeroblob(16), 'scheduled', 1, 'emergency', '', 0, 'user:ada', 0, 0); \
                INSERT INTO acks VALUES (zeroblob(16), '1', 'patient', 0), (zeroblob(16), '2', 'patient', 0)";
            raw(&path).batch_execute(some).unwrap();
            while store.erase(&"1".parse().unwrap()).await.unwrap().has_more {}
            assert_eq!(count(&mut raw(&path), "acks"), 1);
            assert_eq!(count(&mut raw(&path), "acks WHERE user_id = '2'"), 1);
        });
    }

    /// A broadcast to everyone costs the same however many there are: nothing is written for any of them.
    #[test]
    fn a_broadcast_costs_the_same_for_one_user_and_for_many() {
        let cost = |users: u32| {
            let (_directory, path) = place();
            let mut publish = Drafts::new().publish(&["all"]);
            let id = BroadcastId::from(publish.event_id);
            publish.event_id = id.event_id();
            drop(block_on(open(&path)));
            let some = format!(
                "WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {users}) \
                 INSERT INTO inbox SELECT 'u' || n, 'all', 0, 0 FROM k; \
                 INSERT INTO broadcasts (id, status, version, kind, content, publish_at, created_by, created_at, updated_at) \
                 VALUES (x'{}', 'scheduled', 1, 'announcement', '', unixepoch() * 1000 - 1000, 'user:ada', 0, 0)",
                id.as_uuid().simple()
            );
            raw(&path).batch_execute(&some).unwrap();
            let firing = Firing { id, version: 1, late: false, publish };
            let statements = plans(&path, |connection| {
                assert_eq!(crate::fire::fire(connection, vec![firing]).unwrap().ids, [id]);
            });
            let writes =
                |(sql, _): &&(String, Vec<String>)| sql.starts_with("INSERT") || sql.starts_with("UPDATE");
            (statements.len(), statements.iter().filter(writes).count())
        };
        // The row, the head and the broadcast's mark.
        assert_eq!(cost(1).1, 3);
        assert_eq!(cost(1), cost(20_000));
    }

    /// Readers are found by index, whoever else has entered the room.
    #[test]
    fn readers_are_looked_up_and_counted_to_the_bound() {
        let (_directory, path) = place();
        block_on(async {
            let store = open(&path).await;
            let publish = Drafts::new().publish(&["all"]);
            let row = store.append(std::slice::from_ref(&publish)).await.unwrap().rows.remove(0);
            let explain =
                async || store.explain(publish.event_id).await.unwrap().unwrap().notifications.remove(0);
            // Some who read it, many who entered before it and have not, many who entered after it.
            let many = "WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 40000) \
                INSERT INTO inbox SELECT 'u' || n, 'all', iif(n > 20000, 7, 0), iif(n > 20000, 7, n <= 100) FROM k";
            raw(&path).batch_execute(many).unwrap();
            let readers = explain().await.read_by;
            assert_eq!((readers.count, readers.users.len()), (100, 100));
            raw(&path).batch_execute("UPDATE inbox SET read_up_to = 3, since = 0").unwrap();
            let readers = explain().await.read_by;
            assert_eq!((readers.count, readers.users.len()), (Readers::BOUND, Readers::NAMED));

            let mut all = plans(&path, |connection| {
                crate::explain::readers(connection, &row).unwrap();
            });
            let (_, plan) = all.remove(0);
            assert!(
                plan.iter().any(|line| line.contains("inbox_by_place (room=? AND read_up_to>?)")),
                "{plan:?}"
            );
            // What is scanned is the two bounded lists.
            let is_bounded = |line: &str| ["SCAN (subquery-1)", "SCAN i"].contains(&line);
            assert!(plan.iter().all(|line| !line.starts_with("SCAN") || is_bounded(line)), "{plan:?}");
            assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{plan:?}");
        });
    }
}
