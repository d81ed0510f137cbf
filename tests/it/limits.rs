//! Ceilings: what is refused beyond them, and that the others do not notice.

use std::sync::Arc;

use carillon_tests::light::Light;
use carillon_tests::raw::{Raw, Response, UPGRADE};
use carillon_tests::users::{ann, ben, chen};
use carillon_tests::{Clinic, Connect, Life, NodeSettings};
use serde_json::json;

#[tokio::test]
async fn one_user_has_so_many_connections_and_no_more() {
    let clinic = Clinic::open_with(NodeSettings::default().set("MAX_CONNECTIONS_PER_USER", 2)).await;
    let mut tabs = [clinic.online(&ann()).await, clinic.online(&ann()).await];
    for transport in ["websocket", "polling"] {
        let mut third = clinic.client(Connect::by(&ann()).over(&[transport])).await;
        let refused = ("Too many connections".to_owned(), json!({"code": "too_many_connections"}));
        assert_eq!(third.refused().await, refused);
    }
    // Others may, and so may Ann when a tab is closed.
    let mut ben = clinic.online(&ben()).await;
    tabs[0].leave().await;
    tabs[0].disconnected().await;
    let answer = tabs[1].ask("notification:list", json!({})).await;
    assert_eq!(answer["ok"], true);
    let mut again = accepted_in_the_end(&clinic).await;
    clinic.hears_nothing([&mut tabs[1], &mut again, &mut ben]).await;
}

/// The server hears of a closed tab a moment after its client said so; until then the place is taken.
async fn accepted_in_the_end(clinic: &Clinic) -> carillon_tests::Client {
    let patience = std::time::Instant::now();
    loop {
        let mut client = clinic.client(Connect::by(&ann()).over(&["websocket"])).await;
        if matches!(client.life().await, Life::Connect { .. }) {
            client.hears("inbox:state").await;
            return client;
        }
        assert!(patience.elapsed() < carillon_tests::PATIENCE, "the place was never free again");
    }
}

#[tokio::test]
async fn a_full_node_answers_503_and_takes_the_client_when_there_is_room() {
    let clinic = Clinic::open_with(NodeSettings::default().set("MAX_CONNECTIONS", 2)).await;
    let (mut ann, mut ben) = (clinic.online(&ann()).await, clinic.online(&ben()).await);
    let handshake = clinic.http.get("/socket.io/?EIO=4&transport=polling").send().await;
    assert_eq!(handshake.status, 503, "{}", handshake.text);
    assert!(Light::open(clinic.node.address(), None).await.is_err(), "a third WebSocket was let in");
    let mut waiting = clinic.client(Connect::by(&chen()).over(&["polling"])).await;
    let Life::ConnectError { status, .. } = waiting.life().await else { panic!("a third client was let in") };
    assert_eq!(status, Some(503));
    clinic.hears_nothing([&mut ann, &mut ben]).await;
    ben.leave().await;
    // The official client has gone on trying.
    waiting.connected().await;
    clinic.hears_nothing([&mut ann, &mut waiting]).await;
}

#[tokio::test]
async fn a_flood_of_events_is_limited_then_closed() {
    let settings = NodeSettings::default().set("EVENT_RATE", 5).set("EVENT_BURST", 10);
    let clinic = Clinic::open_with(settings).await;
    let mut ben = clinic.online(&ben()).await;
    let mut flood = Light::connect(clinic.node.address(), &ann().token(), None).await.unwrap();
    assert_eq!(flood.event().await.unwrap().0, "inbox:state");
    let (mut served, mut limited) = (0, 0);
    let mut number = 0;
    let end = loop {
        if let Err(end) = flood.send(format!("42{number}[\"notification:list\",{{\"limit\":1}}]")).await {
            break end;
        }
        let answer = match flood.text().await {
            Ok(answer) => answer,
            Err(end) => break end,
        };
        let answer: serde_json::Value =
            serde_json::from_str(answer.strip_prefix(&format!("43{number}")).unwrap()).unwrap();
        if answer[0]["ok"] == true {
            served += 1;
        } else {
            assert_eq!(answer[0]["error"]["code"], "rate_limited", "{answer}");
            let wait = answer[0]["error"]["retryAfterMs"].as_u64().unwrap();
            assert!((1..=1000).contains(&wait), "{answer}");
            limited += 1;
        }
        number += 1;
        assert!(number < 10_000, "it is never closed");
    };
    assert!(served >= 10, "the burst was not granted: {served} served");
    assert!(limited >= 1, "it was closed without a warning: {end}");
    clinic.hears_nothing([&mut ben]).await;
}

#[tokio::test]
async fn a_client_that_keeps_to_the_rate_is_never_limited() {
    let clinic = Clinic::open_with(NodeSettings::default().set("EVENT_BURST", 40)).await;
    let client = clinic.online(&ann()).await;
    for _ in 0..40 {
        assert_eq!(client.ask("notification:list", json!({})).await["ok"], true);
    }
}

#[tokio::test]
async fn publishing_beyond_the_rate_is_429_and_says_when_to_come_back() {
    let settings = NodeSettings::default().set("PUBLISH_RATE", 1).set("PUBLISH_BURST", 5);
    let clinic = Clinic::open_with(settings).await;
    let body = carillon_tests::clinic::note(&["user:ann"], "Hello");
    let mut accepted = 0;
    let refused = loop {
        let answer = clinic.http.post("/api/v1/notifications", &body).with_key().send().await;
        if answer.status != 201 {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 100, "it is never limited");
    };
    assert!(accepted >= 5, "the burst was not granted: {accepted}");
    refused.expect_problem(429, "rate_limited", "");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
    assert!(
        refused.headers.keys().any(|name| name.as_str().starts_with("ratelimit")),
        "{:?}",
        refused.headers
    );
}

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// Handshakes from an address until one is refused: how many were not, and the refusal.
async fn refused(clinic: &Clinic, path: &str, headers: &str) -> (usize, Response) {
    let mut held = Vec::new();
    loop {
        let mut tcp = Raw::connect(clinic.node.address()).await;
        let answer = tcp.ask("GET", path, headers, "").await.unwrap();
        if ![101, 200].contains(&answer.status) {
            return (held.len(), answer);
        }
        held.push(tcp);
        assert!(held.len() < 200, "{path} is never limited");
    }
}

#[tokio::test]
async fn one_address_has_so_many_handshakes_and_is_told_when_to_come_back() {
    let settings = NodeSettings::default().set("HANDSHAKE_RATE", 1).set("HANDSHAKE_BURST", 5);
    let clinic = Arc::new(Clinic::open_with(settings).await);
    for (address, transport, path, more) in
        [("198.51.100.7", "polling", POLLING, ""), ("203.0.113.7", "websocket", WEBSOCKET, UPGRADE)]
    {
        let headers = format!("X-Forwarded-For: {address}\r\n{more}");
        let (opened, refusal) = refused(&clinic, path, &headers).await;
        assert!(opened >= 5, "the burst was not granted: {opened}");
        let fields = ["ratelimit-limit", "ratelimit-remaining"].map(|name| refusal.header(name));
        assert_eq!((refusal.status, fields), (429, [Some("5"), Some("0")]), "{refusal:?}");
        let wait: u64 = refusal.header("retry-after").unwrap().parse().unwrap();
        assert_eq!(refusal.header("ratelimit-reset"), refusal.header("retry-after"));
        assert!((1..=5).contains(&wait), "{refusal:?}");

        // While the flood goes on the official client is refused; after it, it is let in without being asked to try.
        let flooding = Arc::clone(&clinic);
        let flood = tokio::spawn(async move { while refused(&flooding, path, &headers).await.0 < 200 {} });
        let from = json!({"X-Forwarded-For": address});
        loop {
            let connect = Connect::by(&ann()).over(&[transport]).option("extraHeaders", from.clone());
            let mut client = clinic.client(connect).await;
            let Life::ConnectError { status, .. } = client.life().await else { continue };
            assert!(transport == "websocket" || status == Some(429), "{status:?}");
            flood.abort();
            break drop(client.connected().await);
        }
        let elsewhere = Connect::by(&ben()).over(&[transport]);
        let elsewhere = elsewhere.option("extraHeaders", json!({"X-Forwarded-For": "192.0.2.1"}));
        clinic.client(elsewhere).await.connected().await;
    }
}

#[tokio::test]
async fn a_client_that_never_says_connect_is_closed() {
    let clinic = Clinic::open_with(NodeSettings::default().set("CONNECT_TIMEOUT_MS", 200)).await;
    let mut silent = Light::open(clinic.node.address(), None).await.unwrap();
    let end = tokio::time::timeout(carillon_tests::PATIENCE, silent.text()).await.unwrap();
    assert!(end.is_err(), "{end:?}");
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_closed_and_one_that_does_stays() {
    let settings = NodeSettings::default().set("PING_INTERVAL_MS", 200).set("PING_TIMEOUT_MS", 200);
    let clinic = Clinic::open_with(settings).await;
    let mut good = clinic.online(&ann()).await;
    // A client that reads nothing answers nothing; the timeouts are the server's, so what it held back is found at
    // the end of the stream.
    let deaf = Light::connect(clinic.node.address(), &ben().token(), None).await.unwrap();
    let last_words =
        tokio::time::timeout(carillon_tests::PATIENCE, deaf.hear_without_answering()).await.unwrap();
    assert!(last_words.iter().any(|text| text.as_str() == "2"), "it was never pinged: {last_words:?}");
    clinic.hears_nothing([&mut good]).await;
}

#[tokio::test]
async fn a_message_beyond_the_limit_closes_its_sender_alone() {
    let clinic = Clinic::open_with(NodeSettings::default().set("MAX_PAYLOAD_BYTES", 10_000)).await;
    let mut ben = clinic.online(&ben()).await;
    let mut large = Light::connect(clinic.node.address(), &ann().token(), None).await.unwrap();
    assert_eq!(large.event().await.unwrap().0, "inbox:state");
    large.send(format!("42[\"notification:list\",\"{}\"]", "x".repeat(20_000))).await.unwrap();
    assert!(large.text().await.is_err(), "it stayed open");
    clinic.hears_nothing([&mut ben]).await;
}
