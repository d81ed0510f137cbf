//! `/metrics`: each figure moves when what it counts happens.

use carillon_tests::clinic::note;
use carillon_tests::light::Light;
use carillon_tests::users::ann;
use carillon_tests::{Clinic, Connect, NodeSettings, PATIENCE, Postgres};
use serde_json::json;
use tokio::time::{sleep, timeout};

/// The value of the sample with this name and these labels, 0 where there is none yet.
async fn sample(clinic: &Clinic, name: &str) -> f64 {
    let text = clinic.http.get("/metrics").send().await.text;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Waits until a sample has this value.
async fn becomes(clinic: &Clinic, name: &str, value: f64) {
    let reached = async {
        while (sample(clinic, name).await - value).abs() > 0.1 {
            sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let last = timeout(PATIENCE, reached).await;
    assert!(last.is_ok(), "{name} is {} and not {value}", sample(clinic, name).await);
}

#[tokio::test]
async fn sessions_and_sockets_are_counted_from_first_to_last() {
    let clinic = Clinic::open().await;
    becomes(&clinic, "carillon_sessions", 0.0).await;
    let mut refused = clinic.client(Connect::by(&ann()).auth(json!({})).over(&["websocket"])).await;
    refused.refused().await;
    becomes(&clinic, "carillon_connects_total{outcome=\"token_missing\"}", 1.0).await;
    let mut online = clinic.online(&ann()).await;
    becomes(&clinic, "carillon_connects_total{outcome=\"accepted\"}", 1.0).await;
    becomes(&clinic, "carillon_sockets", 1.0).await;
    clinic.tell(&ann(), "one").await;
    becomes(&clinic, "carillon_rows_followed_total", 1.0).await;
    online.leave().await;
    refused.leave().await;
    becomes(&clinic, "carillon_sockets", 0.0).await;
    becomes(&clinic, "carillon_sessions", 0.0).await;
    becomes(&clinic, "carillon_sessions_closed_total{reason=\"transport close\"}", 2.0).await;
}

#[tokio::test]
async fn a_close_is_counted_by_its_reason() {
    let clinic = Clinic::open().await;
    let mut light = Light::connect(clinic.node.address(), &ann().token(), None).await.unwrap();
    light.send("4x").await.unwrap();
    becomes(&clinic, "carillon_sessions_closed_total{reason=\"parse error\"}", 1.0).await;
    let mut light = Light::connect(clinic.node.address(), &ann().token(), None).await.unwrap();
    light.send("40{}").await.unwrap();
    becomes(&clinic, "carillon_sessions_closed_total{reason=\"forced server close\"}", 1.0).await;
}

#[tokio::test]
async fn one_who_falls_behind_is_counted() {
    let clinic = Clinic::open_with(NodeSettings::default().set("MAILBOX_BYTES", 65_536)).await;
    let mut slow = Light::connect(clinic.node.address(), &ann().token(), Some(8192)).await.unwrap();
    assert_eq!(slow.event().await.unwrap().0, "inbox:state");
    clinic.publish_many(&ann().room(), 1_000, 16_000).await;
    assert!(sample(&clinic, "carillon_mailboxes_filled_total").await > 0.0);
}

/// Waits until a sample is above this.
async fn exceeds(clinic: &Clinic, name: &str, value: f64) {
    let reached = async {
        while sample(clinic, name).await <= value {
            sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, reached).await.is_ok(), "{name} does not exceed {value}");
}

#[tokio::test]
async fn a_publish_is_counted_on_its_way() {
    let clinic =
        Clinic::open_with(NodeSettings::default().set("PUBLISH_RATE", 1).set("PUBLISH_BURST", 2)).await;
    for info in ["carillon_draining 0", "carillon_sessions_max 100000", "carillon_build_info{version=\""] {
        assert!(clinic.http.get("/metrics").send().await.text.contains(info), "{info}");
    }
    clinic.notify(&["user:ann", "user:ben"], "one").await;
    becomes(&clinic, "carillon_delivery_seconds_count", 2.0).await;
    becomes(&clinic, "carillon_log_position", 2.0).await;
    becomes(&clinic, "carillon_append_rows_sum", 2.0).await;
    becomes(&clinic, "carillon_log_seconds_count{call=\"append\"}", 1.0).await;
    let route = "route=\"/api/v1/notifications\"";
    let answers =
        |status: u16| format!("carillon_http_requests_total{{method=\"POST\",{route},status=\"{status}\"}}");
    becomes(&clinic, &answers(201), 1.0).await;
    becomes(&clinic, &format!("carillon_http_seconds_count{{{route}}}"), 1.0).await;
    for nonsense in ["/api/v1/x", "/api/v1/y"] {
        clinic.http.get(nonsense).send().await.expect(404);
    }
    becomes(&clinic, "carillon_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}", 2.0).await;
    let publish = || clinic.http.post("/api/v1/notifications", &note(&["all"], "x")).with_key().send();
    while publish().await.status != 429 {}
    exceeds(&clinic, &answers(429), 0.0).await;
}

#[tokio::test]
async fn what_the_store_keeps_back_is_counted() {
    let database = Postgres::create().await;
    let settings = NodeSettings::default().set("DATABASE_URL", database.url());
    let clinic = Clinic::open_with(settings.clone()).await;
    let other = Clinic::open_with(settings).await;
    let holes = sample(&clinic, "carillon_holes_read_total").await;
    other.tell(&ann(), "one").await;
    exceeds(&clinic, "carillon_holes_read_total", holes).await;
    let operator = database.connect().await;
    operator.batch_execute("ALTER TABLE carillon.log_head RENAME TO gone").await.unwrap();
    exceeds(&clinic, "carillon_log_faults_total{call=\"head\"}", 0.0).await;
    operator.batch_execute("ALTER TABLE carillon.gone RENAME TO log_head").await.unwrap();
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
