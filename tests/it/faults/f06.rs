//! F06: Redis is frozen; the nodes' ways to it swallow everything, are slow, are reset. Nobody waits for it, and nothing
//! piles up in the nodes.

use std::time::Duration;

use carillon_tests::Meeting;
use carillon_tests::faultproxy::{End, Flow, Weather};

use super::stage::during;
use super::{Scale, Setup, Stage};

/// KiB by which a node may grow: its buffers fill, and stay.
const GROWTH: u64 = 48 * 1_024;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "longer than a test run: `just chaos f06`"]
async fn f06() {
    let scale = Scale::usually(18, 30, 60, 10);
    type Step = fn(&Stage);
    let faults: [(&str, Step, Step); 4] = [
        ("frozen", |stage| stage.nodes.redis[0].freeze(), |stage| stage.nodes.redis[0].thaw()),
        (
            "blackholed",
            |stage| weather(stage, Weather::blackhole()),
            |stage| weather(stage, Weather::default()),
        ),
        ("slow", |stage| weather(stage, slow()), |stage| weather(stage, Weather::default())),
        ("reset", |stage| stage.nodes.to_redis.iter().for_each(|way| way.end_links(End::Reset)), |_| {}),
    ];
    for (name, begins, ends) in faults {
        let stage = Stage::open(Setup::cluster(Meeting::Server, scale).await).await;
        stage.publishes_for(scale.seconds * 1_000).await;
        let before = stage.nodes.resident();
        let fault = during(async {
            begins(&stage);
            stage.publishes_for(scale.seconds * 1_000).await;
            ends(&stage);
        })
        .await;
        let grown = stage.nodes.resident().saturating_sub(before);
        stage.nodes.until_all("ready").await;
        stage.publishes_for(1_000).await;
        let verdict = stage.finish(&format!("F06 {name}"), fault, false).await;
        println!("F06 {name}: the largest node of {before} KiB grew by {grown} KiB");
        verdict.expect_none();
        assert_eq!(verdict.figures.returned, 0, "nobody is disconnected for that: {verdict}");
        assert!(grown < GROWTH, "{grown} KiB");
    }
}

fn weather(stage: &Stage, weather: Weather) {
    stage.nodes.to_redis.iter().for_each(|way| way.weather(weather));
}

fn slow() -> Weather {
    let slow = Flow { latency: Duration::from_millis(300), rate: Some(20_000), ..Flow::default() };
    Weather { up: slow, down: slow }
}
