//! F08: PostgreSQL is killed, stopped without a word, frozen. Nothing that was acknowledged is lost, and whoever is
//! connected stays so.

use std::time::Duration;

use carillon_tests::postmaster::Postmaster;
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::stage::during;
use super::{On, Scale, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn f08_killed() {
    f08("F08 kill -9", Postmaster::kill9, Postmaster::restart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_stopped() {
    f08("F08 immediate stop", Postmaster::stop_immediately, Postmaster::restart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_frozen() {
    f08("F08 SIGSTOP", Postmaster::freeze, Postmaster::thaw).await;
}

async fn f08(name: &str, stops: fn(&Postmaster), goes_on: fn(&Postmaster)) {
    let scale = Scale::usually(12, 12, 100, 2);
    let server = block_in_place(Postmaster::start);
    let stage = Stage::open(Setup::new(On::Url(server.url()), scale)).await;
    stage.publishes_for(1_000).await;
    let fault = during(async {
        block_in_place(|| stops(&server));
        // Clients that come back meanwhile find no store.
        sleep(Duration::from_millis(200)).await;
        for client in &stage.clients[..4] {
            stage.officials.cut(client.client).await;
        }
        sleep(Duration::from_secs(scale.seconds)).await;
        block_in_place(|| goes_on(&server));
    })
    .await;
    stage.publishes_for(1_000).await;
    let verdict = stage.finish(name, fault, false).await;
    verdict.expect_none();
    assert_eq!(verdict.figures.recovered, verdict.figures.returned, "{verdict}");
    assert!(verdict.figures.returned >= 4, "{verdict}");
}
