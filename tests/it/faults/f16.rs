//! F16: a node dies with all its clients, who come to the others at once.

use carillon_tests::Meeting;

use super::stage::during;
use super::{Scale, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "larger than a test run: `just chaos f16`"]
async fn f16() {
    let scale = Scale::usually(0, 500, 20, 2);
    let mut setup = Setup::cluster(Meeting::Server, scale).await;
    setup.crowded = true;
    let mut stage = Stage::open(setup).await;
    let clients = stage.clients.len();
    stage.publishes_for(scale.seconds * 1_000).await;
    let fault = during(stage.nodes[0].kill9()).await;
    stage.all(|client| client.states == 2 && client.online).await;
    stage.nodes[0].restart().await;
    let known = stage.nodes.until_present(clients, clients).await;
    stage.publishes_for(1_000).await;
    let verdict = stage.finish("F16", fault, true).await;
    println!("F16: presence is right {} ms after the node is back", known.as_millis());
    verdict.expect_none();
    let figures = &verdict.figures;
    assert_eq!((figures.returned, figures.recovered), (clients as u64, clients as u64), "{figures}");
}
