//! F12: every connection to PostgreSQL is terminated every 300 ms. Whether an append was committed is then unknown; it is
//! sent again and kept once.

use std::time::Duration;

use carillon_tests::cluster::{Cluster, Meeting};
use carillon_tests::faultproxy::{End, Flow, Weather};
use carillon_tests::{Http, NodeSettings, PATIENCE, Postgres};
use serde_json::json;
use tokio::time::{Instant, interval};

use super::stage::during;
use super::{On, Scale, Setup, Stage};

const TERMINATE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn f12() {
    let scale = Scale::usually(12, 12, 200, 4);
    let stage = Stage::open(Setup::new(On::postgres().await, scale)).await;
    stage.publishes_for(500).await;
    let terminator = stage.database().connect().await;
    let mut terminated = 0;
    let fault = during(async {
        let mut ticks = interval(Duration::from_millis(300));
        for _ in 0..scale.seconds * 1_000 / 300 {
            ticks.tick().await;
            terminated += terminator.query(TERMINATE, &[]).await.unwrap().len();
        }
    })
    .await;
    stage.publishes_for(500).await;
    let verdict = stage.finish("F12", fault, false).await;
    println!("F12: {terminated} backends terminated");
    verdict.expect_none();
    assert!(terminated > 0);
    assert_eq!(verdict.figures.recovered, verdict.figures.returned, "{verdict}");
}

/// The link breaks after the commit and before its answer, every time.
#[tokio::test(flavor = "multi_thread")]
async fn f12_the_answer_of_a_commit_is_lost() {
    let database = Postgres::create().await;
    let settings = NodeSettings::default().set("DATABASE_URL", database.url());
    let cluster = Cluster::open(&settings, 1, Meeting::Nowhere).await;
    let (mut holder, watch) = (database.connect().await, database.connect().await);
    let http = Http::new(cluster[0].url());
    let stalled = Weather { down: Flow { stalled: true, ..Flow::default() }, ..Weather::default() };
    for n in 0..5 {
        let title = format!("{n}");
        let note = json!({"to": ["all"], "type": "NOTE", "title": title, "message": "A note."});
        // While the head is held the append waits at the server, so that what is stalled then is its answer alone.
        let holding = holder.transaction().await.unwrap();
        holding.batch_execute("SELECT FROM carillon.log_head FOR UPDATE").await.unwrap();
        let publish = http.post("/api/v1/notifications", &note).with_key().send();
        let lost = async {
            let found = async |query: &str| {
                let begun = Instant::now();
                while watch.query(query, &[]).await.unwrap().is_empty() {
                    assert!(begun.elapsed() < PATIENCE, "{n}: nothing comes of {query}");
                }
            };
            found("SELECT FROM pg_locks WHERE NOT granted").await;
            cluster.to_store[0].weather(stalled);
            holding.rollback().await.unwrap();
            found(&format!("SELECT FROM carillon.notifications WHERE title = '{title}'")).await;
            cluster.to_store[0].end_links(End::Reset);
            cluster.to_store[0].heal();
        };
        let (answer, ()) = tokio::join!(publish, lost);
        assert_eq!(answer.status, 201, "{}", answer.text);
        let rows = "SELECT count(*) FROM carillon.notifications WHERE title = $1";
        assert_eq!(watch.query_one(rows, &[&title]).await.unwrap().get::<_, i64>(0), 1);
    }
}
