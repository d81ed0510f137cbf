//! F04: every node is asked to stop (SIGTERM) and started again, one after the other, as in a deployment. A node that
//! drains is not ready and closes its sockets one by one; publishers see no 5xx and clients lose nothing.

use std::time::Duration;

use carillon_tests::{Http, Meeting, PATIENCE};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::stage::during;
use super::{Scale, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn f04() {
    let scale = Scale::usually(18, 30, 60, 2);
    let setup = Setup::cluster(Meeting::Server, scale).await.set("DRAIN_SECONDS", scale.seconds);
    let mut stage = Stage::open(setup).await;
    let clients = stage.clients.len();
    stage.publishes_for(1_000).await;
    let fault = during(async {
        for node in 0..stage.nodes.len() {
            stage.nodes[node].signal(Signal::TERM);
            until_unready(&stage, node).await;
            let status = stage.nodes[node].ends().await;
            assert_eq!(status.code(), Some(0), "node {node}");
            stage.all(|client| client.online).await;
            stage.nodes[node].restart().await;
        }
    })
    .await;
    let known = stage.nodes.until_present(clients, clients).await;
    stage.publishes_for(1_000).await;
    let verdict = stage.finish("F04", fault, true).await;
    let figures = &verdict.figures;
    // Sockets leave in four fifths of the drain.
    let mean = figures.returned as f64 / (3.0 * scale.seconds as f64 * 0.8);
    println!(
        "F04: {mean:.1} returns a second in the mean of the drains, the busiest second {:.1} times that, presence {} ms after",
        figures.busiest_second() as f64 / mean,
        known.as_millis()
    );
    verdict.expect_none();
    assert_eq!(figures.failed, 0, "{figures}");
    assert!(figures.returned >= clients as u64, "each client's first node was stopped: {figures}");
    assert_eq!(figures.recovered, figures.returned, "{figures}");
}

/// Until a node says that it is not ready. One without sockets may be gone before anybody has asked.
async fn until_unready(stage: &Stage, node: usize) {
    let (http, begun) = (Http::new(stage.nodes[node].url()), Instant::now());
    while let Ok(answer) = http.get("/readyz").try_send().await {
        if answer.status == 503 && answer.json()["reasons"][0] == "draining" {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer:?}");
        sleep(Duration::from_millis(5)).await;
    }
}
