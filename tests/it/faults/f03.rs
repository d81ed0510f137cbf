//! F03: a node is frozen. Publishing through the others goes on as before, its clients notice by its silence and are
//! recovered elsewhere, and once it goes on it knows whom it has no more.

use std::time::Duration;

use carillon_tests::Meeting;
use rustix::process::Signal;
use tokio::time::sleep;

use super::stage::during;
use super::{Scale, Setup, Stage};

/// Longer than the node's lease: by then the others have taken it for dead.
const LONG: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "longer than a test run: `just chaos f03`"]
async fn f03() {
    let scale = Scale::usually(18, 30, 60, LONG);
    for seconds in [1, 5, scale.seconds] {
        frozen(scale, seconds).await;
    }
}

async fn frozen(scale: Scale, seconds: u64) {
    let setup = Setup::cluster(Meeting::Server, scale).await;
    // A silent node is given up after a second.
    let setup = setup.set("PING_INTERVAL_MS", 500).set("PING_TIMEOUT_MS", 500);
    let mut stage = Stage::open(setup).await;
    let clients = stage.clients.len();
    stage.publish_through(1..).await;
    stage.publishes_for(1_000).await;
    let fault = during(async {
        stage.nodes[0].signal(Signal::STOP);
        sleep(Duration::from_secs(seconds)).await;
        stage.nodes[0].signal(Signal::CONT);
    })
    .await;
    stage.all(|client| client.online).await;
    stage.nodes.until_present(clients, clients).await;
    stage.publishes_for(1_000).await;
    let verdict = stage.finish(&format!("F03 for {seconds} s"), fault, true).await;
    verdict.expect_none();
    assert_eq!(verdict.figures.recovered, verdict.figures.returned, "{verdict}");
}
