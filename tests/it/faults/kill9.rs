//! kill -9 of the gateway while publishes never stop: everyone is recovered, nothing is lost, nothing comes twice.

use std::time::Duration;

use tokio::time::sleep;

use super::stage::during;
use super::{On, Scale, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn kill9_on_sqlite() {
    kill9("kill -9 on SQLite", On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill9_on_postgresql() {
    kill9("kill -9 on PostgreSQL", On::postgres().await).await;
}

/// A session is of no node: whoever loses one is recovered by another.
#[tokio::test(flavor = "multi_thread")]
async fn kill9_and_another_node_goes_on() {
    let scale = Scale::usually(30, 30, 60, 1);
    let setup = Setup::new(On::postgres().await, scale).nodes(2).through_proxy();
    let mut stage = Stage::open(setup).await;
    stage.publishes_for(scale.seconds * 1_000).await;
    let fault = during(async {
        stage.proxy.retarget(stage.nodes[1].address());
        stage.nodes[0].kill9().await;
    })
    .await;
    stage.all(|client| client.states == 2 && client.online).await;
    stage.publishes_for(1_000).await;
    everyone_was_recovered(stage, "kill -9, another node goes on", fault).await;
}

async fn kill9(name: &str, on: On) {
    let scale = Scale::usually(200, 0, 200, 2);
    let mut stage = Stage::open(Setup::new(on, scale)).await;
    stage.publishes_for(scale.seconds * 1000).await;
    let fault = during(async {
        stage.nodes[0].kill9().await;
        // As long as a supervisor takes; clients knock meanwhile.
        sleep(Duration::from_millis(300)).await;
        stage.nodes[0].restart().await;
    })
    .await;
    stage.all(|client| client.states == 2 && client.online).await;
    stage.publishes_for(1000).await;
    everyone_was_recovered(stage, name, fault).await;
}

async fn everyone_was_recovered(stage: Stage, name: &str, fault: (u64, u64)) {
    let clients = stage.clients.len() as u64;
    let verdict = stage.finish(name, fault, true).await;
    verdict.expect_none();
    let figures = verdict.figures;
    assert_eq!((figures.returned, figures.recovered), (clients, clients), "{figures}");
}
