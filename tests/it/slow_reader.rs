//! A client that stops reading.

use carillon_tests::light::Light;
use carillon_tests::users::{ann, ben};
use carillon_tests::{Clinic, NodeSettings, PATIENCE};
use serde_json::{Value, json};
use tokio::time::timeout;

/// More than the kernel's buffers and the mailbox hold together: about 20 MB.
const NOTIFICATIONS: usize = 3000;

#[tokio::test]
async fn one_who_stops_reading_disturbs_nobody_and_misses_nothing() {
    let settings = NodeSettings::default().set("MAILBOX_BYTES", 65_536).set("PUBLISH_BURST", 10_000);
    let clinic = Clinic::open_with(settings).await;
    let mut slow = Light::connect(clinic.node.address(), &ann().token(), Some(8192)).await.unwrap();
    assert_eq!(slow.event().await.unwrap().0, "inbox:state");
    let mut fast = clinic.online(&ben()).await;

    // The slow one reads nothing while all of it is published, and the other hears all of it meanwhile.
    clinic.publish_many("role:patient", NOTIFICATIONS, 6_000).await;
    for number in 0..NOTIFICATIONS {
        assert_eq!(fast.notification().await["title"], format!("{number}"));
    }
    clinic.hears_nothing([&mut fast]).await;

    // Now the slow one reads: each once, in order, and then what comes next.
    for number in 0..NOTIFICATIONS {
        let (name, args) = timeout(PATIENCE, slow.event()).await.unwrap().unwrap();
        assert_eq!((name.as_str(), &args[0]["title"]), ("notification", &json!(format!("{number}"))));
    }
    clinic.tell(&ann(), "and on").await;
    let (_, args) = timeout(PATIENCE, slow.event()).await.unwrap().unwrap();
    assert_eq!(args[0]["title"], "and on");
}

#[tokio::test]
async fn one_who_polls_slowly_misses_nothing_either() {
    let settings = NodeSettings::default().set("MAILBOX_BYTES", 65_536).set("PUBLISH_BURST", 10_000);
    let clinic = Clinic::open_with(settings).await;
    let http = &clinic.http;
    let open = http.get("/socket.io/?EIO=4&transport=polling").send().await.text;
    let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
    let connect = format!("40{}", json!({"token": ann().token()}));
    assert_eq!(http.call("POST", &path).body(connect).send().await.text, "ok");
    let mut heard = Vec::new();
    poll(&clinic, &path, &mut heard, |heard| heard.iter().any(|text| text.starts_with("42[\"inbox:state\"")))
        .await;
    heard.clear();

    clinic.publish_many("role:patient", NOTIFICATIONS, 6_000).await;
    poll(&clinic, &path, &mut heard, |heard| heard.len() >= NOTIFICATIONS).await;
    for (number, text) in heard.iter().enumerate() {
        let event: Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        assert_eq!(event[1]["title"], format!("{number}"));
    }
    assert_eq!(heard.len(), NOTIFICATIONS);
}

/// Polls until it has heard enough.
async fn poll(clinic: &Clinic, path: &str, heard: &mut Vec<String>, enough: impl Fn(&[String]) -> bool) {
    while !enough(heard) {
        let answer = timeout(PATIENCE, clinic.http.get(path).send()).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        heard.extend(answer.text.split('\u{1e}').filter(|packet| *packet != "2").map(str::to_owned));
    }
}
