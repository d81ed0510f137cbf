//! F13: client links go half-open, are reset in a frame, cut inside a replay, very slow. Nobody is told that all is well
//! with a hole in it (I3, I7).

use std::time::Duration;

use carillon_tests::faultproxy::{Cut, End, Flow, Place, Way, Weather};
use carillon_tests::producer;

use super::stage::during;
use super::{On, Scale, Setup, Stage};

/// Rows for everyone while nobody is there: a replay of some 8 KB.
const MISSED: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn f13() {
    let scale = Scale::usually(18, 18, 60, 1);
    // A silent link is noticed after a second.
    let setup =
        Setup::new(On::postgres().await, scale).set("PING_INTERVAL_MS", 500).set("PING_TIMEOUT_MS", 500);
    let stage = Stage::open(setup.through_proxy()).await;
    let fault = during(async {
        // Neither side is told; then the clients alone.
        for end in [End::Silence, End::HalfOpen] {
            everyone_returns(&stage, async { stage.proxy.end_links(end) }).await;
        }
        reset_in_a_frame(&stage).await;
        for _ in 0..scale.seconds {
            everyone_returns(&stage, cut_inside_a_replay(&stage)).await;
        }
        very_slow(&stage).await;
    })
    .await;
    stage.publishes_for(500).await;
    let verdict = stage.finish("F13", fault, false).await;
    verdict.expect_none();
    assert_eq!(verdict.figures.recovered, verdict.figures.returned, "{verdict}");
}

/// Lets something happen that ends every link, and waits until all are back.
async fn everyone_returns(stage: &Stage, happens: impl Future<Output = ()>) {
    let before: Vec<u32> = stage.clients.iter().map(|c| stage.journal.standing(c.client).states).collect();
    happens.await;
    for (client, states) in stage.clients.iter().zip(before) {
        let returned = stage
            .journal
            .until([client.client], Duration::from_secs(10), |now| now.online && now.states > states);
        let tail = || stage.journal.tail(client.client);
        assert!(returned.await.is_empty(), "client {} did not come back: {:#?}", client.client, tail());
    }
}

/// As many notifications as there are clients come but for their last byte.
async fn reset_in_a_frame(stage: &Stage) {
    let times = u32::try_from(stage.clients.len()).unwrap_or(u32::MAX);
    stage.proxy.arm(Cut { way: Way::Down, at: Place::Inside("42[\"notification\""), end: End::Reset, times });
    stage.proxy.cuts(u64::from(times)).await;
    stage.all(Duration::from_secs(10), |client| client.online).await;
}

/// All come back at once to a replay that breaks off, here and there, in good order or not.
async fn cut_inside_a_replay(stage: &Stage) {
    stage.proxy.refuse().await;
    stage.proxy.end_links(End::Reset);
    let urls = [stage.nodes[0].url().to_owned()];
    let before = stage.proxy.counts().cuts;
    for number in 0..MISSED {
        producer::publish(&stage.journal, &urls, "all", &format!("missed-{before}-{number}")).await;
    }
    let cuts = stage.clients.len() as u64;
    for (cut, end) in (0..cuts).zip([End::Close, End::Reset].into_iter().cycle()) {
        let at = Place::After(900 + cut * 450);
        stage.proxy.arm(Cut { way: Way::Down, at, end, times: 1 });
    }
    stage.proxy.accept().await;
    stage.proxy.cuts(before + cuts / 2).await;
    stage.proxy.heal();
}

/// A narrow line, and then it is as before: nobody need lose the connection for that.
async fn very_slow(stage: &Stage) {
    let narrow = Flow { latency: Duration::from_millis(100), rate: Some(20_000), ..Flow::default() };
    stage.proxy.weather(Weather { up: narrow, down: narrow });
    stage.publishes_for(1_500).await;
    stage.proxy.heal();
}
