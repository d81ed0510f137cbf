//! Polling, WebSocket, and the way from one to the other.

use carillon_tests::users::ann;
use carillon_tests::{Clinic, Connect, Life};
use serde_json::json;

async fn converses_over(transport: &str) {
    let clinic = Clinic::open().await;
    let mut client = clinic.client(Connect::by(&ann()).over(&[transport])).await;
    let Life::Connect { transport: used, recovered: false, sid } = client.life().await else {
        panic!("not connected over {transport}")
    };
    assert_eq!(used, transport);
    assert!(!sid.is_empty());
    client.hears("inbox:state").await;
    for number in 0..50 {
        clinic.tell(&ann(), &format!("{number}")).await;
    }
    for number in 0..50 {
        assert_eq!(client.notification().await["title"], format!("{number}"));
    }
    let answer = client.ask("notification:list", json!({"limit": 1})).await;
    assert_eq!((&answer["ok"], &answer["unread"]), (&json!(true), &json!(50)));
    assert_eq!(answer["items"][0]["title"], "49");
    client.leave().await;
    assert_eq!(client.disconnected().await, "io client disconnect");
}

#[tokio::test]
async fn a_client_that_only_polls_converses() {
    converses_over("polling").await;
}

#[tokio::test]
async fn a_client_with_a_websocket_alone_converses() {
    converses_over("websocket").await;
}

#[tokio::test]
async fn text_arrives_as_it_was_written() {
    let clinic = Clinic::open().await;
    let title = "てすと Я Б Г Ä ä Ü 😀 <b>&amp;</b> \"quoted\" \u{2028}";
    for transport in ["polling", "websocket"] {
        let mut client = clinic.client(Connect::by(&ann()).over(&[transport])).await;
        client.connected().await;
        clinic.tell(&ann(), title).await;
        assert_eq!(client.notification().await["title"], title, "{transport}");
    }
}

/// A packet that the upgrade drops or doubles is lost to the user or shown twice; so several tabs upgrade while
/// notifications never stop coming.
#[tokio::test]
async fn nothing_is_lost_or_doubled_while_clients_upgrade() {
    let clinic = Clinic::open().await;
    let mut tabs = Vec::new();
    let mut published = 0;
    for _ in 0..6 {
        tabs.push(clinic.client(Connect::by(&ann())).await);
    }
    let mut upgrades = Vec::new();
    for mut tab in tabs {
        upgrades.push(tokio::spawn(async move {
            let state = tab.connected().await;
            tab.upgraded().await;
            (tab, state)
        }));
    }
    while !upgrades.iter().all(tokio::task::JoinHandle::is_finished) {
        clinic.tell(&ann(), &format!("{published}")).await;
        published += 1;
    }
    for _ in 0..20 {
        clinic.tell(&ann(), &format!("{published}")).await;
        published += 1;
    }
    for upgrade in upgrades {
        let (mut tab, state) = upgrade.await.unwrap();
        // What was there before is in the state; from the state's offset on, each one is pushed.
        let before = state["unread"].as_u64().unwrap();
        assert!(before < published, "nothing came after the state");
        for number in before..published {
            assert_eq!(tab.notification().await["title"], format!("{number}"));
        }
    }
}
