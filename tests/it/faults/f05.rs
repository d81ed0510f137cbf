//! F05: Redis is killed and comes back empty. Nobody is disconnected, nothing is lost, and meanwhile the log's head, read
//! ten times a second, stands in for it.

use carillon_tests::Meeting;
use carillon_tests::checker::share;
use tokio::task::block_in_place;

use super::stage::during;
use super::{Scale, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn f05() {
    let scale = Scale::usually(18, 30, 60, 3);
    let mut stage = Stage::open(Setup::cluster(Meeting::Server, scale).await).await;
    let clients = stage.clients.len();
    let fault = outage(&mut stage).await;
    let known = stage.nodes.until_present(clients, clients).await;
    stage.publishes_for(1_000).await;
    let verdict = stage.finish("F05", fault, false).await;
    let figures = &verdict.figures;
    let p99 = |times| share(times, 990);
    let added = p99(&figures.troubled).saturating_sub(p99(&figures.calm));
    println!("F05: {added} ms added at p99 while Redis was away, presence {} ms after", known.as_millis());
    verdict.expect_none();
    assert_eq!(figures.returned, 0, "nobody is disconnected for that: {figures}");
}

/// The fault.
pub(super) async fn outage(stage: &mut Stage) -> (u64, u64) {
    let Scale { seconds, .. } = stage.scale();
    stage.publishes_for(seconds * 1_000).await;
    during(async {
        block_in_place(|| stage.nodes.redis[0].kill9());
        stage.nodes.until_all("degraded").await;
        stage.publishes_for(seconds * 1_000).await;
        block_in_place(|| stage.nodes.redis[0].restart());
        stage.nodes.until_all("ready").await;
    })
    .await
}
