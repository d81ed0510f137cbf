//! F13: client links go half-open, are reset in a frame, cut inside a replay, very slow. Nobody is told that all is well
//! with a hole in it (I3, I7).

use std::time::Duration;

use carillon_tests::checker::Lineage;
use carillon_tests::faultproxy::{Cut, End, Flow, Place, Way, Weather};
use carillon_tests::fleet::WAYS;
use carillon_tests::journal::Standing;
use carillon_tests::{PATIENCE, producer};

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
            // One that polls may be between two requests, and have no link to lose.
            returns(&stage, |client| client.has_link, async { stage.proxy.end_links(end) }).await;
        }
        reset_in_a_frame(&stage).await;
        for _ in 0..scale.seconds {
            returns(&stage, |_| true, cut_inside_a_replay(&stage)).await;
        }
        very_slow(&stage).await;
    })
    .await;
    stage.publishes_for(500).await;
    let verdict = stage.finish("F13", fault, false).await;
    verdict.expect_none();
    assert_eq!(verdict.figures.recovered, verdict.figures.returned, "{verdict}");
}

/// A client, as these faults see it.
struct Seen {
    client: u64,
    has_link: bool,
    states: u32,
}

/// Lets something happen that ends links, and waits until those whom it concerns are back, and all others there.
async fn returns(stage: &Stage, concerns: impl Fn(&Seen) -> bool, happens: impl Future<Output = ()>) {
    let officials = stage.scale().clients;
    let seen = |(place, client): (usize, &Lineage)| {
        let (client, has_link) = (client.client, place >= officials || place % WAYS.len() == 0);
        Seen { client, has_link, states: stage.journal.standing(client).states }
    };
    let before: Vec<Seen> = stage.clients.iter().enumerate().map(seen).collect();
    happens.await;
    for seen in before {
        let states = seen.states + u32::from(concerns(&seen));
        let is_back = |now: &Standing| now.online && now.states >= states;
        let left = stage.journal.until([seen.client], PATIENCE, is_back).await;
        assert!(
            left.is_empty(),
            "client {} is not back: {:#?}",
            seen.client,
            stage.journal.tail(seen.client)
        );
    }
}

/// As many notifications as there are clients come but for their last byte.
async fn reset_in_a_frame(stage: &Stage) {
    let times = u32::try_from(stage.clients.len()).unwrap_or(u32::MAX);
    stage.proxy.arm(Cut { way: Way::Down, at: Place::Inside("42[\"notification\""), end: End::Reset, times });
    stage.proxy.cuts(u64::from(times)).await;
    stage.all(|client| client.online).await;
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
        // Within the replay, which begins after some 700 bytes.
        let at = Place::After(900 + cut * 450 % 7_000);
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
