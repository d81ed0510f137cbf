//! F00: no fault at all. What three nodes do when all is well, to hold the other figures against.

use carillon_tests::Meeting;

use super::stage::during;
use super::{Scale, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nothing happens: `just chaos f00` for the figures"]
async fn f00() {
    let scale = Scale::usually(18, 30, 60, 5);
    for (name, meeting) in [("F00", Meeting::Server), ("F00 with a Redis Cluster", Meeting::Cluster)] {
        let stage = Stage::open(Setup::cluster(meeting, scale).await).await;
        let fault = during(stage.publishes_for(scale.seconds * 1_000)).await;
        let verdict = stage.finish(name, fault, false).await;
        verdict.expect_none();
        assert_eq!(verdict.figures.returned, 0, "{verdict}");
    }
}
