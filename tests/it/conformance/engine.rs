//! What the suite of the Engine.IO protocol looks at, in the mode made for it: pings each 300 ms.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::Server;
use super::raw::{Polls, Raw, sid};

const INTERVAL: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_millis(200);

/// A server that pings too seldom for a test to hear it.
async fn start() -> (Server, Polls) {
    with_polls(Server::start_with("engine", &["--ping-interval", "60000"]).await)
}

fn with_polls(server: Server) -> (Server, Polls) {
    let polls = Polls::new(format!("{}/engine.io/?", server.url));
    (server, polls)
}

async fn open(polls: &Polls) -> Raw {
    let mut websocket = polls.websocket("EIO=4&transport=websocket").await.unwrap();
    assert!(websocket.hears().await.starts_with('0'));
    websocket
}

#[tokio::test]
async fn a_session_opens_with_its_figures() {
    let (_server, polls) = with_polls(Server::start("engine").await);
    let mut websocket = polls.websocket("EIO=4&transport=websocket").await.unwrap();
    let polled = polls.call(Method::GET, "EIO=4&transport=polling", "").await;
    for (body, upgrades) in [(polled.1, json!(["websocket"])), (websocket.hears().await, json!([]))] {
        let mut open: Value = serde_json::from_str(body.strip_prefix('0').unwrap()).unwrap();
        assert!(open["sid"].take().as_str().is_some_and(|sid| sid.len() >= 20), "{body}");
        let figures = json!({"sid": null, "upgrades": upgrades, "pingInterval": 300, "pingTimeout": 200,
            "maxPayload": 1_000_000});
        assert_eq!(open, figures);
    }
}

#[tokio::test]
async fn a_bad_handshake_has_its_code() {
    let (_server, polls) = start().await;
    for (method, query, code) in [
        (Method::GET, "transport=polling", 5),
        (Method::GET, "EIO=abc&transport=polling", 5),
        (Method::GET, "EIO=4", 0),
        (Method::GET, "EIO=4&transport=abc", 0),
        (Method::POST, "EIO=4&transport=polling", 2),
        (Method::PUT, "EIO=4&transport=polling", 2),
        (Method::GET, "EIO=4&transport=websocket", 3),
        (Method::GET, "EIO=4&transport=polling&sid=nobody", 1),
        (Method::GET, "EIO=4&transport=polling&sid=__proto__", 1),
    ] {
        let (status, body) = polls.call(method.clone(), query, "").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{method} {query}");
    }
    for query in ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"] {
        assert!(polls.websocket(query).await.is_err(), "{query}");
    }
}

#[tokio::test]
async fn messages_are_echoed() {
    let (_server, polls) = start().await;
    let id = polls.open().await;
    for payload in ["4hello", "4one\u{1e}4two\u{1e}4three", "4hello\u{1e}bAQIDBA==", "4€ 😀"] {
        assert_eq!(polls.post(&id, payload).await, (200, "ok".into()));
        assert_eq!(polls.get(&id).await, (200, payload.into()));
    }
    let mut websocket = open(&polls).await;
    websocket.says("4hello").await;
    assert_eq!(websocket.hears().await, "4hello");
    websocket.says_bytes(&[1, 2, 3, 4]).await;
    assert_eq!(websocket.message().await, Message::binary(vec![1, 2, 3, 4]));
}

#[tokio::test]
async fn what_is_no_packet_ends_the_session() {
    let (_server, polls) = start().await;
    for body in ["abc", "", "4a\u{1e}"] {
        let id = polls.open().await;
        assert_eq!(polls.post(&id, body).await.0, 400, "{body:?}");
        assert_eq!(polls.get(&id).await.0, 400, "{body:?}");
    }
    let mut websocket = open(&polls).await;
    websocket.says("abc").await;
    websocket.ends().await;
}

#[tokio::test]
async fn a_second_poll_ends_the_session() {
    let (_server, polls) = start().await;
    let id = polls.open().await;
    // Which of the two comes first is theirs to race for; that one hears the close and the other is refused is not.
    let (one, two) = tokio::join!(polls.get(&id), polls.get(&id));
    let mut answers = [one, two];
    answers.sort();
    assert_eq!((answers[0].clone(), answers[1].0), ((200, "1".into()), 400));
    assert_eq!(polls.get(&id).await.0, 400);
}

#[tokio::test]
async fn an_abandoned_poll_ends_the_session_at_once() {
    let (_server, polls) = start().await;
    let id = polls.open().await;
    let abandoned = tokio::time::timeout(Duration::from_millis(100), polls.get(&id));
    assert!(abandoned.await.is_err());
    let at = Instant::now();
    while polls.post(&id, "4x").await.0 == 200 {}
    // And not only for want of a pong.
    assert!(at.elapsed() < Duration::from_secs(30), "noticed only after {:?}", at.elapsed());
}

#[tokio::test]
async fn a_session_that_answers_pings_lives() {
    let (_server, polls) = with_polls(Server::patient("engine").await);
    let id = polls.open().await;
    let at = Instant::now();
    for _ in 0..3 {
        assert_eq!(polls.get(&id).await, (200, "2".into()));
        assert_eq!(polls.post(&id, "3").await.0, 200);
    }
    assert!(at.elapsed() >= 3 * INTERVAL, "{:?}", at.elapsed());
    let mut websocket = open(&polls).await;
    for _ in 0..3 {
        assert_eq!(websocket.hears().await, "2");
        websocket.says("3").await;
    }
}

#[tokio::test]
async fn a_silent_session_ends() {
    let (_server, polls) = with_polls(Server::start("engine").await);
    let id = polls.open().await;
    let mut websocket = open(&polls).await;
    let at = Instant::now();
    websocket.ends().await;
    assert!(at.elapsed() >= INTERVAL + TIMEOUT - Duration::from_millis(50), "{:?}", at.elapsed());
    // The other began earlier, so it has ended as well.
    assert_eq!(polls.get(&id).await.0, 400);
}

#[tokio::test]
async fn a_client_closes() {
    let (_server, polls) = start().await;
    // Until the poll wins its race against the close; one that comes after it finds nobody.
    loop {
        let id = polls.open().await;
        let (released, closed) = tokio::join!(polls.get(&id), async {
            tokio::task::yield_now().await;
            polls.post(&id, "1").await
        });
        assert_eq!(closed, (200, "ok".into()));
        assert_eq!(polls.get(&id).await.0, 400);
        if released.0 == 200 {
            break assert_eq!(released.1, "6");
        }
    }

    let mut websocket = open(&polls).await;
    websocket.says("1").await;
    websocket.ends().await;
}

#[tokio::test]
async fn a_session_upgrades_and_polling_is_over() {
    let (_server, polls) = start().await;
    let id = polls.open().await;
    let query = format!("EIO=4&transport=websocket&sid={id}");
    let mut websocket = polls.websocket(&query).await.unwrap();
    websocket.says("2probe").await;
    assert_eq!(websocket.hears().await, "3probe");
    // However often it polls meanwhile, it is let go.
    for _ in 0..2 {
        assert_eq!(polls.get(&id).await, (200, "6".into()));
    }
    websocket.says("5").await;
    websocket.says("4hello").await;
    assert_eq!(websocket.hears().await, "4hello");

    assert_eq!(polls.get(&id).await.0, 400);
    assert_eq!(polls.post(&id, "4late").await.0, 400);
    assert!(polls.websocket(&query).await.is_err(), "a second WebSocket");
    websocket.says("4still").await;
    assert_eq!(websocket.hears().await, "4still");
}

#[tokio::test]
async fn a_probe_that_goes_wrong_leaves_polling_alone() {
    let (_server, polls) = start().await;
    let id = polls.open().await;
    let query = format!("EIO=4&transport=websocket&sid={id}");
    let mut wrong = polls.websocket(&query).await.unwrap();
    wrong.says("4too early").await;
    wrong.ends().await;
    let mut lost = polls.websocket(&query).await.unwrap();
    lost.says("2probe").await;
    assert_eq!(lost.hears().await, "3probe");
    drop(lost);
    assert_eq!(polls.post(&id, "4hello").await, (200, "ok".into()));
    loop {
        // Polls are let go with a noop until the loss is noticed.
        match polls.get(&id).await {
            (200, body) if body == "6" => {}
            answer => break assert_eq!(answer, (200, "4hello".into())),
        }
    }
}

#[tokio::test]
async fn every_page_may_ask() {
    let server = Server::start("engine").await;
    let client = reqwest::Client::new();
    let url = format!("{}/engine.io/?EIO=4&transport=polling", server.url);
    let origin = ("origin", "https://anywhere.example");
    let cors = |response: &reqwest::Response, name: &str| {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    let preflight = client
        .request(Method::OPTIONS, &url)
        .header(origin.0, origin.1)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "X-A, content-type");
    let preflight = preflight.send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(cors(&preflight, "access-control-allow-headers").unwrap(), "X-A, content-type");
    assert_eq!(cors(&preflight, "access-control-allow-methods").unwrap(), "GET,HEAD,PUT,PATCH,POST,DELETE");
    let opened = client.get(&url).header(origin.0, origin.1).send().await.unwrap();
    let refused = client.get(format!("{url}&sid=nobody")).header(origin.0, origin.1).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    for response in [&preflight, &opened, &refused] {
        assert_eq!(cors(response, "access-control-allow-origin").unwrap(), "*");
        // A wildcard with credentials was CVE-2020-28481.
        assert_eq!(cors(response, "access-control-allow-credentials"), None);
    }
    assert!(!sid(&opened.text().await.unwrap()).is_empty());
}
