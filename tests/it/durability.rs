//! What was accepted is kept, whatever becomes of the process.

use carillon_tests::users::ann;
use carillon_tests::{Clinic, Connect};
use serde_json::json;

#[tokio::test]
async fn what_was_answered_201_survives_kill_9() {
    let mut clinic = Clinic::open().await;
    let mut online = clinic.online(&ann()).await;
    for round in 0..3 {
        let id = clinic.tell(&ann(), &format!("{round}")).await;
        clinic.node.kill9().await;
        clinic.node.restart().await;
        assert_eq!(online.comes_back().await["unread"], round + 1);
        let listed = clinic.http.get("/api/v1/notifications").by(&ann()).send().await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), round + 1);
        assert_eq!(listed["items"][0]["id"], *id);
        assert_eq!(listed["unread"], round + 1);
    }
    let listed = online.ask("notification:list", json!({})).await;
    assert_eq!(listed["unread"], 3);
}

#[tokio::test]
async fn a_client_comes_back_by_itself_and_goes_on_hearing() {
    let mut clinic = Clinic::open().await;
    for transports in [&["websocket"][..], &["polling"], &["polling", "websocket"]] {
        let mut client = clinic.client(Connect::by(&ann()).over(transports)).await;
        client.connected().await;
        clinic.node.kill9().await;
        clinic.node.restart().await;
        client.connected().await;
        clinic.hears_nothing([&mut client]).await;
        client.cut().await;
        client.connected().await;
        clinic.hears_nothing([&mut client]).await;
        client.leave().await;
    }
}

#[tokio::test]
async fn marks_survive_a_restart() {
    let mut clinic = Clinic::open().await;
    let mut ids = Vec::new();
    for title in ["a", "b", "c", "d"] {
        ids.push(clinic.tell(&ann(), title).await);
    }
    let client = clinic.online(&ann()).await;
    client.ask("notification:read", json!({"upTo": ids[1]})).await;
    client.ask("notification:read", json!({"ids": [ids[3]]})).await;
    client.ask("notification:unread", json!({"ids": [ids[0]]})).await;
    let before = client.ask("notification:list", json!({})).await;
    assert_eq!(before["unread"], 2);
    clinic.node.kill9().await;
    clinic.node.restart().await;
    let after = clinic.http.get("/api/v1/notifications").by(&ann()).send().await.expect(200);
    assert_eq!((&after["items"], &after["unread"]), (&before["items"], &before["unread"]));
}

#[tokio::test]
async fn an_idempotency_key_survives_a_restart() {
    let mut clinic = Clinic::open().await;
    let body = carillon_tests::clinic::note(&["user:ann"], "once");
    let publish = |clinic: &Clinic| {
        clinic.http.post("/api/v1/notifications", &body).with_key().header("Idempotency-Key", "k-1").send()
    };
    let first = publish(&clinic).await.expect(201);
    clinic.node.kill9().await;
    clinic.node.restart().await;
    let second = publish(&clinic).await;
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    assert_eq!(second.expect(201), first);
    let listed = clinic.http.get("/api/v1/notifications").by(&ann()).send().await.expect(200);
    assert_eq!(listed["unread"], 1);
}

#[tokio::test]
async fn sigterm_ends_in_good_order_and_clients_come_back() {
    let mut clinic = Clinic::open().await;
    let mut websocket = clinic.online(&ann()).await;
    let mut polling = clinic.client(Connect::by(&ann()).over(&["polling"])).await;
    polling.connected().await;
    let id = clinic.tell(&ann(), "before").await;
    assert_eq!(clinic.node.terminate().await.code(), Some(0));
    for client in [&mut websocket, &mut polling] {
        assert_eq!(client.notification().await["id"], *id);
        // `io server disconnect` would keep the official client away for good.
        let reason = client.disconnected().await;
        assert!(["transport close", "transport error"].contains(&reason.as_str()), "{reason}");
    }
    clinic.node.restart().await;
    for client in [&mut websocket, &mut polling] {
        assert_eq!(client.connected().await["unread"], 1);
    }
}
