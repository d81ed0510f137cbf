//! F14: some clients stop reading. The others hear as soon as before, what waits for the sleepers is bounded, and once
//! they wake up they miss nothing or are told to reload.

use carillon_tests::Meeting;

use super::stage::during;
use super::{Scale, Setup, Stage};

/// What a mailbox holds at most.
const MAILBOX: u64 = 65_536;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "longer than a test run: `just chaos f14`"]
async fn f14() {
    let scale = Scale::usually(6, 300, 50, 60);
    let sleepers = scale.lights / 15;
    let mut setup = Setup::cluster(Meeting::Server, scale).await.set("MAILBOX_BYTES", MAILBOX);
    setup.receive_buffer = Some(8_192);
    let mut stage = Stage::open(setup).await;
    stage.publish_to_all().await;
    stage.publishes_for(5_000).await;
    let before = stage.nodes.resident();
    for client in stage.clients.iter_mut().skip(scale.clients).take(sleepers) {
        client.asleep = true;
    }
    let fault = during(async {
        stage.lights.sleep(sleepers);
        stage.publishes_for(scale.seconds * 1_000).await;
        stage.lights.sleep(0);
    })
    .await;
    let grown = stage.nodes.resident().saturating_sub(before);
    stage.all(|client| client.online).await;
    stage.publishes_for(1_000).await;
    let verdict = stage.finish("F14", fault, true).await;
    println!("F14: {sleepers} slept; the largest node of {before} KiB grew by {grown} KiB");
    verdict.expect_none();
    assert!(verdict.figures.returned >= sleepers as u64, "who reads nothing for 30 s is closed: {verdict}");
    // Their mailboxes, and what any node grows by.
    assert!(grown < sleepers as u64 * MAILBOX / 1_024 + 32 * 1_024, "{grown} KiB");
}
