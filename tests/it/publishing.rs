//! Services publish: the guides' examples as they stand there, and `carillon-client` through crashes and cut answers.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs};

use carillon_client::{Client, Error, Event, Notification, PaymentCompleted, PrescriptionCreated, Room};
use carillon_tests::faultproxy::{Cut, End, FaultProxy, Place, Way};
use carillon_tests::node::{PUBLISH_KEY, binary};
use carillon_tests::store::Store;
use carillon_tests::{Node, NodeSettings, PATIENCE};
use futures_util::future::join_all;
use serde_json::Map;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::readme::{block, code, shell};

const TESTING: &str = include_str!("../../docs/guides/testing.md");
const MIGRATING: &str = include_str!("../../docs/guides/migrating.md");
const GUIDE: &str = include_str!("../../docs/guides/publishing.md");
const EXAMPLE: &str = include_str!("../../crates/client/examples/publish.rs");

async fn output(command: &mut Command) -> String {
    let output = timeout(2 * PATIENCE, command.kill_on_drop(true).output()).await.unwrap().unwrap();
    let said = |bytes| String::from_utf8(bytes).unwrap();
    let (said, complaint) = (said(output.stdout), said(output.stderr));
    assert!(output.status.success(), "{complaint}");
    said
}

#[tokio::test]
async fn the_guides_examples_publish() {
    let demo = Node::start(NodeSettings::demo()).await;
    let curl = block(GUIDE, "sh", "curl", demo.url());
    let answer = output(&mut shell(&curl, Path::new("."))).await;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["notifications"][0]["room"], "patient:patient");

    let script = block(GUIDE, "js", "fetch", demo.url());
    let said = output(Command::new("node").args(["--input-type=module", "-e", &script])).await;
    assert_eq!(said.trim(), "patient:patient doctor:doctor role:admin");

    // The Rust one is compiled where it belongs; here it stands beside the command that runs it.
    let (_, source) = EXAMPLE.split_once("\n\n").unwrap();
    assert!(
        GUIDE.contains(&format!("```rust\n{source}```")),
        "the guide's Rust is not crates/client/examples/publish.rs"
    );
    let command = block(GUIDE, "sh", "cargo run -p carillon-client --example publish", demo.url());
    let examples = Path::new(&binary()).with_file_name("examples");
    let command = command.replace(
        "cargo run -p carillon-client --example publish",
        examples.join("publish").to_str().unwrap(),
    );
    let first = output(&mut shell(&command, Path::new("."))).await;
    assert!(first.trim().ends_with(" for patient:patient"), "{first}");
    assert_eq!(output(&mut shell(&command, Path::new("."))).await, first);
}

fn payment(number: usize) -> Event {
    let patient_id = "ann".parse().unwrap();
    let paid = PaymentCompleted { payment_id: format!("p-{number}"), patient_id, details: Map::new() };
    Event::of(&paid).unwrap().title(format!("payment {number}"))
}

/// Kills the node, cuts answers before their last byte and resets connections while a service publishes: each call ends well, and
/// everything is in the log once.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_publishes_through_crashes_and_cut_answers() {
    let mut node = Node::start(NodeSettings::default()).await;
    let proxy = FaultProxy::start(node.address()).await;
    let carillon = Client::new(&proxy.url(), PUBLISH_KEY).unwrap().patience(PATIENCE);
    for _ in 0..5 {
        proxy.arm(Cut { way: Way::Down, at: Place::Inside("eventId"), end: End::Reset, times: 1 });
    }
    let room: Room = "user:ben".parse().unwrap();
    let list: Vec<_> = (0..1_500)
        .map(|i| Notification::new([room.clone()], "LAB_RESULT".parse().unwrap(), format!("result {i}"), ""))
        .collect();
    let events = join_all((0..200).map(|number| {
        let carillon = carillon.clone();
        async move {
            sleep(Duration::from_millis(10 * number as u64)).await;
            carillon.publish(&payment(number)).await
        }
    }));
    let faults = async {
        for _ in 0..3 {
            sleep(Duration::from_millis(300)).await;
            proxy.end_links(End::Reset);
            sleep(Duration::from_millis(300)).await;
            node.kill9().await;
            node.restart().await;
            proxy.retarget(node.address());
        }
    };
    let (events, listed, ()) = tokio::join!(events, carillon.notify_all(&list, Some("labs")), faults);
    assert!(proxy.counts().cuts > 0, "no answer was cut");

    let mut kept = BTreeSet::new();
    for published in events.into_iter().map(Result::unwrap).chain(listed.into_iter().map(Result::unwrap)) {
        kept.extend(published.notifications.iter().map(|place| place.id.to_string()));
    }
    let rows = Store::open(&node.database_url()).await.unwrap().rows().await.unwrap();
    // Each payment goes to the patient and to the admins.
    assert_eq!(rows.len(), 200 * 2 + 1_500);
    assert_eq!(rows.iter().map(|row| row.id.clone()).collect::<BTreeSet<_>>(), kept);

    // The whole job again, under the same key.
    let again = carillon.notify_all(&list, Some("labs")).await;
    assert!(again.iter().all(|item| item.as_ref().is_ok_and(|published| published.replayed)));
}

#[tokio::test]
async fn what_carillon_refuses_says_what_is_wrong() {
    let node = Node::start(NodeSettings::default()).await;
    let carillon = Client::new(node.url(), PUBLISH_KEY).unwrap();
    let nameless = payment(1).title("");
    let Err(Error::Refused(problem)) = carillon.publish(&nameless).await else {
        panic!("an empty title was taken")
    };
    assert_eq!((problem.status, problem.code.as_str()), (422, "validation"));
    assert_eq!(problem.errors[0].pointer, "/title");
    assert!(problem.request_id.is_some());

    let stranger = Client::new(node.url(), "no key of this Carillon").unwrap();
    let Err(Error::Refused(problem)) = stranger.publish(&payment(1)).await else {
        panic!("a stranger published")
    };
    assert_eq!(problem.status, 401);

    carillon.publish(&payment(1).key("once")).await.unwrap();
    let Err(Error::Refused(problem)) = carillon.publish(&payment(2).key("once")).await else {
        panic!("a key was taken for something else")
    };
    assert_eq!(problem.code, "idempotency_mismatch");
}

/// The testing guide's script and test, with the binary under test as `carillon`.
#[tokio::test]
async fn the_testing_guides_test_passes() {
    let js = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    let dir = tempfile::tempdir_in(&js).unwrap();
    let (test, script) = (code(TESTING, "js", "node:test"), code(TESTING, "sh", "carillon serve"));
    // Below those that the system hands out, so that nobody else is given it meanwhile.
    let port = (0..100).map(|_| rand::random_range(20_000..30_000_u16));
    let port =
        port.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap().to_string();
    fs::write(dir.path().join("inbox.test.mjs"), test.replace("5099", &port)).unwrap();
    let path = format!("{}:{}", Path::new(&binary()).parent().unwrap().display(), env::var("PATH").unwrap());
    let mut script = shell(&format!("set -e\n{}", script.replace("5099", &port)), dir.path());
    let said = output(script.env("PATH", path)).await;
    assert!(said.contains("a patient hears what is theirs, also what came while they were away"), "{said}");
}

/// What the guide for those who come from Node has a client do, against the demo.
#[tokio::test]
async fn the_client_of_the_migration_guide_hears_what_is_published() {
    let demo = Node::start(NodeSettings::demo()).await;
    let script = block(MIGRATING, "js", "socket.io-client", demo.url());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut client = Command::new("node");
    client.args(["--input-type=module", "-e", &script]).current_dir(root.join("js")).kill_on_drop(true);
    let mut client = client.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut line = async || timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    while !line().await.starts_with("inbox ") {}
    let prescribed = PrescriptionCreated {
        prescription_id: "rx-12".into(),
        patient_id: "patient".parse().unwrap(),
        details: Map::new(),
    };
    let carillon = Client::new(demo.url(), "demo-publish-key-not-a-secret").unwrap();
    carillon.publish(&Event::of(&prescribed).unwrap()).await.unwrap();
    // The simulated clinic may prescribe something else meanwhile.
    while line().await != "prescription rx-12" {}
}
