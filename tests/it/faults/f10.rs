//! F10: others hold locks and snapshots. The log's head is locked for seconds; a write transaction stays open, and an old
//! snapshot is held.

use std::time::Duration;

use carillon_tests::{Http, User};
use tokio::time::{sleep, timeout};

use super::stage::during;
use super::{On, Scale, Setup, Stage};

/// How long the head stays locked: longer than one try of an append.
const LOCKED: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn f10_head_locked() {
    let scale = Scale::usually(6, 12, 100, 0);
    let stage = Stage::open(Setup::new(On::postgres().await, scale)).await;
    stage.publishes_for(500).await;
    let locker = stage.database().connect().await;
    let fault = during(async {
        locker.batch_execute("BEGIN; SELECT position FROM carillon.log_head FOR UPDATE").await.unwrap();
        // Who only reads is not kept waiting.
        let reads = async {
            let unread = Http::new(stage.nodes[0].url()).get("/api/v1/notifications/unread-count");
            unread.by(&User::new("u0", "PATIENT")).send().await.expect(200);
        };
        timeout(LOCKED, reads).await.unwrap();
        sleep(LOCKED).await;
        locker.batch_execute("ROLLBACK").await.unwrap();
    })
    .await;
    stage.publishes_for(500).await;
    let verdict = stage.finish("F10 head locked", fault, false).await;
    verdict.expect_none();
    assert_eq!(verdict.figures.returned, 0, "nobody is disconnected for that: {verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_transactions_open() {
    let scale = Scale::usually(6, 12, 100, 5);
    let stage = Stage::open(Setup::new(On::postgres().await, scale)).await;
    let (writer, reader) = (stage.database().connect().await, stage.database().connect().await);
    writer.batch_execute("CREATE TABLE of_a_service (id int)").await.unwrap();
    stage.publishes_for(500).await;
    let fault = during(async {
        writer.batch_execute("BEGIN; INSERT INTO of_a_service VALUES (1)").await.unwrap();
        let snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM carillon.notifications";
        reader.batch_execute(snapshot).await.unwrap();
        stage.publishes_for(scale.seconds * 1_000).await;
        stage.all(|client| client.received > 0).await;
        writer.batch_execute("COMMIT").await.unwrap();
        reader.batch_execute("COMMIT").await.unwrap();
    })
    .await;
    let verdict = stage.finish("F10 transactions open", fault, false).await;
    verdict.expect_none();
    assert_eq!(verdict.figures.returned, 0, "{verdict}");
    assert!(
        verdict.figures.slowest_answer < scale.seconds * 1_000,
        "nobody waits for another's end: {verdict}"
    );
}
