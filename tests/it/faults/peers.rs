//! F01, F05 and broken links, each lived through by Carillon and by the official server with the Redis streams adapter and
//! recovery on: the same producers, clients and faults, and the same reading of the journals.

use carillon_tests::Meeting;
use carillon_tests::checker::Losses;

use super::stage::during;
use super::{Scale, Setup, Stage, f01, f05};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peer's packages: `just chaos peers`"]
async fn peers_f01() {
    beside("F01", Scale::usually(60, 0, 60, 5), f01::kills).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peer's packages: `just chaos peers`"]
async fn peers_f05() {
    beside("F05", Scale::usually(60, 0, 60, 5), f05::outage).await;
}

/// What each is made for: the server lives on, and clients lose their connection alone.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peer's packages: `just chaos peers`"]
async fn peers_links() {
    beside("links cut", Scale::usually(60, 0, 60, 5), cuts).await;
}

async fn beside(name: &str, scale: Scale, befall: impl AsyncFn(&mut Stage) -> (u64, u64)) {
    let mut peer = Stage::open(Setup::socketio(scale)).await;
    let (_, theirs) = live_through(&mut peer, &befall).await;
    drop(peer);
    let mut stage = Stage::open(Setup::cluster(Meeting::Server, scale).await).await;
    let (fault, ours) = live_through(&mut stage, &befall).await;
    println!("{name}, socket.io: {theirs}\n{name}, Carillon:  {ours}");
    stage.finish(name, fault, true).await.expect_none();
    assert!(theirs.figures.delivered > 0, "the peer does not work: {theirs}");
    assert_eq!(ours.figures.lost, 0, "{ours}");
}

async fn live_through(
    stage: &mut Stage,
    befall: impl AsyncFn(&mut Stage) -> (u64, u64),
) -> ((u64, u64), Losses) {
    let fault = befall(stage).await;
    stage.publishes_for(1_000).await;
    (fault, stage.losses(fault).await)
}

/// One client after the other loses its connection and comes back by another node.
async fn cuts(stage: &mut Stage) -> (u64, u64) {
    stage.publishes_for(2_000).await;
    let clients: Vec<u64> = stage.clients.iter().map(|client| client.client).collect();
    let fault = during(async {
        for client in clients {
            stage.officials.cut(client).await;
            stage.publishes_for(50).await;
        }
    })
    .await;
    stage.all(|client| client.online).await;
    fault
}
