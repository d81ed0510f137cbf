//! F01: kill -9 of one of three nodes after the other, each back after a moment. Whoever loses theirs is recovered by
//! another, and who is here is soon known again everywhere.

use std::time::Duration;

use carillon_tests::Meeting;
use tokio::time::sleep;

use super::stage::during;
use super::{Scale, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn f01() {
    killed_in_turn("F01", Meeting::Server).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "longer than a test run: `just chaos f01`"]
async fn f01_with_a_redis_cluster() {
    killed_in_turn("F01 with a Redis Cluster", Meeting::Cluster).await;
}

async fn killed_in_turn(name: &str, meeting: Meeting) {
    let scale = Scale::usually(18, 30, 60, 1);
    let mut stage = Stage::open(Setup::cluster(meeting, scale).await).await;
    let clients = stage.clients.len();
    let fault = kills(&mut stage).await;
    let known = stage.nodes.until_present(clients, clients).await;
    stage.publishes_for(1_000).await;
    let verdict = stage.finish(name, fault, true).await;
    println!("{name}: presence is right {} ms after the fault", known.as_millis());
    verdict.expect_none();
    let figures = &verdict.figures;
    assert!(figures.returned >= clients as u64, "each client's first node was killed: {figures}");
    assert_eq!(figures.recovered, figures.returned, "{figures}");
}

/// The fault; at its end all clients are back.
pub(super) async fn kills(stage: &mut Stage) -> (u64, u64) {
    let Scale { seconds, .. } = stage.scale();
    stage.publishes_for(1_000).await;
    let fault = during(async {
        for node in 0..stage.nodes.len() {
            stage.nodes[node].kill9().await;
            // As long as a supervisor takes.
            sleep(Duration::from_millis(seconds.min(2) * 1_000)).await;
            stage.nodes[node].restart().await;
            stage.publishes_for(seconds * 1_000).await;
        }
    })
    .await;
    stage.all(|client| client.online).await;
    fault
}
