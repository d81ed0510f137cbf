//! F07: the connections by which the nodes hear each other are killed at Redis every 500 ms.

use std::time::Duration;

use carillon_tests::Meeting;
use tokio::task::block_in_place;
use tokio::time::interval;

use super::stage::during;
use super::{Scale, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "longer than a test run: `just chaos f07`"]
async fn f07() {
    let scale = Scale::usually(18, 30, 60, 5);
    let stage = Stage::open(Setup::cluster(Meeting::Server, scale).await).await;
    let clients = stage.clients.len();
    stage.publishes_for(1_000).await;
    let mut killed = 0;
    let fault = during(async {
        let mut ticks = interval(Duration::from_millis(500));
        for _ in 0..scale.seconds * 2 {
            ticks.tick().await;
            let answer =
                block_in_place(|| stage.nodes.redis[0].command(&[b"CLIENT", b"KILL", b"TYPE", b"pubsub"]));
            killed += answer.trim_start_matches(':').trim().parse::<u64>().unwrap();
        }
    })
    .await;
    stage.nodes.until_all("ready").await;
    stage.nodes.until_present(clients, clients).await;
    stage.publishes_for(1_000).await;
    let verdict = stage.finish("F07", fault, false).await;
    println!("F07: {killed} connections killed");
    verdict.expect_none();
    assert!(killed >= scale.seconds, "{killed}");
    assert_eq!(verdict.figures.returned, 0, "nobody is disconnected for that: {verdict}");
}
