//! F12: every connection to PostgreSQL is terminated every 300 ms. Whether an append was committed is then unknown; it is
//! sent again and kept once.

use std::time::Duration;

use tokio::time::interval;

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
