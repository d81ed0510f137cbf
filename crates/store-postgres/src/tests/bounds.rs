//! Whatever an inbox holds, what is read of it is bounded: counted in pages of the database that a statement touches.

use carillon_domain::ports::{Inbox as _, Log as _};
use carillon_domain::testing::{Drafts, instant, principal};
use carillon_domain::{Entitled, ListQuery, Mark, Position, ReadStatus, Role, UNREAD_BOUND};

use super::*;

/// A user whose room holds 100,000 rows in several partitions, read up to a place near the start, with marks around it, among
/// as many rows of others. What is bounded here is bounded for a million: the pages do not grow with the rows.
async fn neglected(database: &Database) -> (PostgresStore, Entitled) {
    let (store, raw) = (database.open().await, database.raw().await);
    short_partitions(&raw, 40_000).await;
    let who = store.enter(&principal("1", Role::Patient)).await.unwrap();
    let drafts = Drafts::new();
    let batch: Vec<_> = (0..9).map(|_| drafts.publish(&["all", "user:1"])).collect();
    let rows = store.append(&batch).await.unwrap().rows;
    let id = |n: usize| rows[n].notification.id;
    for mark in [Mark::ReadUpTo(id(6)), Mark::Read(vec![id(9)]), Mark::Unread(vec![id(1)])] {
        store.mark(&who, &mark, instant(1)).await.unwrap();
    }
    let many = "SELECT carillon.extend(18, 200000); \
        INSERT INTO carillon.notifications SELECT n, gen_random_uuid(), gen_random_uuid(), \
            CASE WHEN n % 2 = 0 THEN 'user:1' ELSE 'user:' || n % 1000 + 2 END, NULL, 'NEWS', 't', 'm', '{}', 'low', \
            NULL, 1795348800000, NULL FROM generate_series(19, 200018) n; \
        UPDATE carillon.log_head SET position = 200018; VACUUM ANALYZE carillon.notifications";
    for statement in many.split(';') {
        raw.batch_execute(statement).await.unwrap();
    }
    (store, who)
}

/// How many pages of the database a statement touches, as the store's sessions would plan it, and the plan.
async fn pages(raw: &Client, statement: &str, types: &str, values: &str) -> (u64, String) {
    let prepare = format!("PREPARE tried ({types}) AS {statement}");
    raw.batch_execute(&prepare).await.unwrap();
    // The first run may meet pages that nobody has looked at since the vacuum.
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) EXECUTE tried ({values})");
    let (_, plan) = (raw.query(&explain, &[]).await.unwrap(), raw.query(&explain, &[]).await.unwrap());
    raw.batch_execute("DEALLOCATE tried").await.unwrap();
    let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
    // Of the lines that tell pages, the first is the whole statement's.
    let line = plan.iter().find_map(|line| line.trim().strip_prefix("Buffers: shared ")).unwrap_or_default();
    let counts = line.split(' ').filter_map(|word| word.split_once('=')?.1.parse::<u64>().ok());
    (counts.sum(), plan.join("\n"))
}

/// The statements that walk a room, with values that make the walk as long as it can be: no more than so many pages each,
/// where all rows are on more than 10,000.
const WALKS: [(&str, &str, &str, u64); 5] = [
    (
        crate::unread::COUNT,
        "text[], text[], bigint[], bigint[], bigint, bigint",
        "'{1,1,1,1}', '{all,role:patient,user:1,patient:1}', '{0,0,0,0}', array_fill(9223372036854775807, '{4}'), 2, 1000",
        4_000,
    ),
    (
        crate::log::REPLAY,
        "text[], bigint[], bigint, bigint, bigint",
        "'{all,user:1,user:3}', '{0,0,0}', 9223372036854775807, 2, 100",
        1_000,
    ),
    (
        crate::log::MISSED,
        "text[], bigint[], bigint, bigint",
        "'{all,user:1,user:3}', '{0,0,0}', 2, 1000",
        3_000,
    ),
    (
        crate::listing::ROWS,
        "text, bigint, bigint, bigint, boolean, text, bigint",
        "'user:1', 0, 9223372036854775807, 2, true, '1', 101",
        1_000,
    ),
    (
        crate::marks::ADVANCE,
        "text, text, bigint, bigint, bigint, bigint",
        "'1', 'user:1', 0, 2, 1000, 9223372036854775807",
        6_000,
    ),
];

#[test]
fn a_neglected_inbox_is_counted_listed_and_replayed_within_bounds() {
    within(|database| async move {
        let (store, who) = neglected(&database).await;
        let raw = database.raw().await;
        raw.batch_execute(&crate::connect::setup(Patience::of(Duration::from_secs(60)))).await.unwrap();
        for (statement, types, values, most) in WALKS {
            let (pages, plan) = pages(&raw, statement, types, values).await;
            assert!(pages > 0 && pages <= most, "{pages} pages\n{statement}\n{plan}");
        }
        assert_eq!(store.unread(&who, Position::END, instant(2)).await.unwrap(), UNREAD_BOUND);
        let query = ListQuery { limit: 100, before: None, status: ReadStatus::Unread };
        let listing = store.list(&who, query, instant(2)).await.unwrap().unwrap();
        assert_eq!((listing.items.len(), listing.next.is_some()), (100, true));
        store.mark(&who, &Mark::ReadAll, instant(3)).await.unwrap();
        assert_eq!(store.unread(&who, Position::END, instant(4)).await.unwrap(), 0);

        // The check would notice: without the index by room, there is a walk through all of it.
        raw.batch_execute("DROP INDEX carillon.notifications_by_room").await.unwrap();
        let (statement, types, values, most) = WALKS[0];
        let (pages, plan) = pages(&raw, statement, types, values).await;
        assert!(pages > most, "{pages} pages\n{plan}");
    });
}
