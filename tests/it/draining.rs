//! A node that drains: whoever asks is answered to the end of it, on connections of old and on new ones.

use carillon_tests::raw::{Raw, sid};
use carillon_tests::users::{ann, ben};
use carillon_tests::{Clinic, NodeSettings};
use rustix::process::Signal;
use serde_json::json;

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

#[tokio::test]
async fn while_it_lasts_requests_are_answered_and_the_node_is_not_ready() {
    // Longer than the test: each of these sockets leaves at some moment of it.
    let mut clinic = Clinic::open_with(NodeSettings::default().set("DRAIN_SECONDS", 600)).await;
    let mut online = clinic.online(&ann()).await;
    // Each request of a client that polls may come on a connection of its own, as through nginx.
    let address = clinic.node.address().to_owned();
    let ask = async |method: &str, path: &str, body: &str| {
        Raw::connect(&address).await.ask(method, path, "", body).await.unwrap()
    };
    let polling = format!("{POLLING}&sid={}", sid(&ask("GET", POLLING, "").await.body).unwrap());
    let connect = format!("40{}", json!({"token": ben().token()}));
    assert_eq!(ask("POST", &polling, &connect).await.body, "ok");

    clinic.node.signal(Signal::TERM);
    while ask("GET", "/readyz", "").await.status == 200 {}
    let readiness = ask("GET", "/readyz", "").await;
    assert_eq!(readiness.status, 503, "{readiness:?}");
    assert!(readiness.body.contains("draining"), "{readiness:?}");
    assert_eq!(ask("GET", POLLING, "").await.status, 503, "no new session is begun");
    clinic.tell(&ann(), "while it drains").await;
    assert_eq!(online.notification().await["title"], "while it drains");
    clinic.tell(&ben(), "to one who polls").await;
    let mut heard = String::new();
    while !heard.contains("to one who polls") {
        heard.push_str(&ask("GET", &polling, "").await.body);
    }

    online.leave().await;
    ask("POST", &polling, "1").await;
    assert!(clinic.node.ends().await.success());
}
