//! `/metrics`: each figure moves when what it counts happens, and tells it by the right labels.

mod list;
mod moving;

use carillon_tests::clinic::note;
use carillon_tests::light::Light;
use carillon_tests::users::ann;
use carillon_tests::{Clinic, Connect, Http, NodeSettings, PATIENCE};
use serde_json::json;
use tokio::time::{sleep, timeout};

/// The value of the sample with this name and these labels, 0 where there is none yet.
async fn sample(http: &Http, name: &str) -> f64 {
    let text = http.get("/metrics").send().await.text;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Waits until a sample has this value.
async fn becomes(http: &Http, name: &str, value: f64) {
    let reached = async {
        while (sample(http, name).await - value).abs() > 0.1 {
            sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let last = timeout(PATIENCE, reached).await;
    assert!(last.is_ok(), "{name} is {} and not {value}", sample(http, name).await);
}

#[tokio::test]
async fn sessions_and_sockets_are_counted_from_first_to_last() {
    let clinic = Clinic::open().await;
    becomes(&clinic.http, "carillon_sessions", 0.0).await;
    let mut refused = clinic.client(Connect::by(&ann()).auth(json!({})).over(&["websocket"])).await;
    refused.refused().await;
    becomes(&clinic.http, "carillon_connects_total{outcome=\"token_missing\"}", 1.0).await;
    let mut online = clinic.online(&ann()).await;
    becomes(&clinic.http, "carillon_connects_total{outcome=\"accepted\"}", 1.0).await;
    becomes(&clinic.http, "carillon_sockets", 1.0).await;
    clinic.tell(&ann(), "one").await;
    becomes(&clinic.http, "carillon_rows_followed_total", 1.0).await;
    online.leave().await;
    refused.leave().await;
    becomes(&clinic.http, "carillon_sockets", 0.0).await;
    becomes(&clinic.http, "carillon_sessions", 0.0).await;
    becomes(&clinic.http, "carillon_sessions_closed_total{reason=\"transport close\"}", 2.0).await;
}

#[tokio::test]
async fn a_close_is_counted_by_its_reason() {
    let clinic = Clinic::open().await;
    let mut light = Light::connect(clinic.node.address(), &ann().token(), None).await.unwrap();
    light.send("4x").await.unwrap();
    becomes(&clinic.http, "carillon_sessions_closed_total{reason=\"parse error\"}", 1.0).await;
    let mut light = Light::connect(clinic.node.address(), &ann().token(), None).await.unwrap();
    light.send("40{}").await.unwrap();
    becomes(&clinic.http, "carillon_sessions_closed_total{reason=\"forced server close\"}", 1.0).await;
}

/// Waits until a sample is above this.
async fn exceeds(http: &Http, name: &str, value: f64) {
    let reached = async {
        while sample(http, name).await <= value {
            sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, reached).await.is_ok(), "{name} does not exceed {value}");
}

#[tokio::test]
async fn a_publish_is_counted_on_its_way() {
    let clinic =
        Clinic::open_with(NodeSettings::default().set("PUBLISH_RATE", 1).set("PUBLISH_BURST", 2)).await;
    clinic.notify(&["user:ann", "user:ben"], "one").await;
    becomes(&clinic.http, "carillon_delivery_seconds_count", 2.0).await;
    becomes(&clinic.http, "carillon_log_position", 2.0).await;
    becomes(&clinic.http, "carillon_append_rows_sum", 2.0).await;
    becomes(&clinic.http, "carillon_log_seconds_count{call=\"append\"}", 1.0).await;
    let route = "route=\"/api/v1/notifications\"";
    let answers =
        |status: u16| format!("carillon_http_requests_total{{method=\"POST\",{route},status=\"{status}\"}}");
    becomes(&clinic.http, &answers(201), 1.0).await;
    becomes(&clinic.http, &format!("carillon_http_seconds_count{{{route}}}"), 1.0).await;
    for nonsense in ["/api/v1/x", "/api/v1/y"] {
        clinic.http.get(nonsense).send().await.expect(404);
    }
    becomes(&clinic.http, "carillon_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}", 2.0)
        .await;
    let publish = || clinic.http.post("/api/v1/notifications", &note(&["all"], "x")).with_key().send();
    while publish().await.status != 429 {}
    exceeds(&clinic.http, &answers(429), 0.0).await;
}

/// Who is refused, and by which limit.
#[tokio::test]
async fn a_refusal_is_counted_by_its_reason() {
    let settings = NodeSettings::default()
        .set("HANDSHAKE_RATE", 1)
        .set("HANDSHAKE_BURST", 2)
        .set("EVENT_RATE", 1)
        .set("EVENT_BURST", 1);
    let clinic = Clinic::open_with(settings).await;
    let mut light = Light::connect(clinic.node.address(), &ann().token(), None).await.unwrap();
    let handshake = |header: (&'static str, &'static str)| {
        clinic.http.get("/socket.io/?EIO=4&transport=polling").header(header.0, header.1).send()
    };
    assert_eq!(handshake(("origin", "https://elsewhere.example")).await.status, 403);
    while handshake(("x-forwarded-for", "203.0.113.9")).await.status != 429 {}
    for _ in 0..2 {
        light.send("42[\"inbox:list\",{}]").await.unwrap();
    }
    for outcome in ["opened", "forbidden", "too_often"] {
        let name = format!("carillon_handshakes_total{{outcome=\"{outcome}\"}}");
        exceeds(&clinic.http, &name, 0.0).await;
    }
    for what in ["handshake", "event"] {
        exceeds(&clinic.http, &format!("carillon_rate_limited_total{{what=\"{what}\"}}"), 0.0).await;
    }
}

// A4
#[tokio::test]
async fn on_a_port_of_their_own_they_are_not_on_the_public_one() {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let clinic = Clinic::open_with(NodeSettings::default().set("METRICS_PORT", port)).await;
    let _ann = clinic.online(&ann()).await;
    clinic.http.get("/metrics").send().await.expect(404);
    let own = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap();
    assert_eq!(own.status(), 200);
    assert!(own.text().await.unwrap().contains("carillon_sockets 1"));
}
