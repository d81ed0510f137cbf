//! Bad settings and bad bodies: each answer names the fault, and the process stays up.

use carillon_tests::clinic::note;
use carillon_tests::users::ann;
use carillon_tests::{Clinic, NodeSettings};
use serde_json::{Value, json};

#[tokio::test]
async fn bad_settings_end_it_with_2_and_each_is_named() {
    let good = NodeSettings::default;
    let bad = [
        (good().unset("JWT_SECRET"), "JWT_SECRET"),
        (good().set("JWT_SECRET", "short"), "JWT_SECRET"),
        (good().set("SOCKET_PORT", "five thousand"), "SOCKET_PORT"),
        (good().set("SOCKET_PORT", 70_000), "SOCKET_PORT"),
        (good().set("PUBLISH_KEYS", "tests:short"), "PUBLISH_KEYS"),
        (good().set("PUBLISH_KEYS", "without-a-name-0123456789"), "PUBLISH_KEYS"),
        (good().set("DATABASE_URL", "mysql://localhost/carillon"), "DATABASE_URL"),
        (good().set("PING_INTERVAL_MS", 0), "PING_INTERVAL_MS"),
        (good().set("MAX_CONNECTIONS", -1), "MAX_CONNECTIONS"),
        (good().set("FRONTEND_URL", "*"), "FRONTEND_URL"),
        (good().set("NODE_ID", "Node 1"), "NODE_ID"),
        (good().set("LOG_FORMAT", "xml"), "LOG_FORMAT"),
    ];
    for (settings, name) in bad {
        let output = settings.run_to_end(&["serve"]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.lines().any(|line| line.contains(name)), "{name} is not named: {said}");
    }
}

#[tokio::test]
async fn all_bad_settings_are_named_at_once_and_no_secret_is_shown() {
    let settings =
        NodeSettings::default().set("JWT_SECRET", "hush-hush").set("LOG_FORMAT", "xml").set("EVENT_RATE", 0);
    let output = settings.run_to_end(&["serve"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for name in ["JWT_SECRET", "LOG_FORMAT", "EVENT_RATE"] {
        assert_eq!(said.lines().filter(|line| line.contains(name)).count(), 1, "{name}: {said}");
    }
    assert!(!said.contains("hush-hush"), "{said}");
}

#[tokio::test]
async fn bad_bodies_are_refused_by_name_and_nothing_is_published() {
    let clinic = Clinic::open().await;
    let with = |field: &str, value: Value| {
        let mut body = note(&["user:ann"], "never");
        body[field] = value;
        body
    };
    let without = |field: &str| {
        let mut body = note(&["user:ann"], "never");
        body.as_object_mut().unwrap().remove(field);
        body
    };
    let deep = (0..17).fold(json!(1), |inner, _| json!({"in": inner}));
    let rooms: Vec<String> = (0..21).map(|n| format!("user:{n}")).collect();
    let bad = [
        (json!([]), ""),
        (without("to"), "/to"),
        (without("type"), "/type"),
        (without("title"), "/title"),
        (without("message"), "/message"),
        (with("to", json!([])), "/to"),
        (with("to", json!(rooms)), "/to"),
        (with("to", json!("user:ann")), "/to"),
        (with("to", json!(["user:ann", null])), "/to/1"),
        (with("to", json!(["everyone"])), "/to/0"),
        (with("to", json!(["role:janitor"])), "/to/0"),
        (with("to", json!(["user:"])), "/to/0"),
        (with("type", json!("lower")), "/type"),
        (with("title", json!("")), "/title"),
        (with("title", json!("x".repeat(201))), "/title"),
        (with("title", json!(7)), "/title"),
        (with("message", json!("x".repeat(2001))), "/message"),
        (with("data", json!([])), "/data"),
        (with("data", json!({"big": "x".repeat(17 * 1024)})), "/data"),
        (with("data", deep), "/data"),
        (with("priority", json!("extreme")), "/priority"),
        (with("actionUrl", json!("javascript:alert(1)")), "/actionUrl"),
        (with("actionUrl", json!("//evil.example")), "/actionUrl"),
        (with("actionUrl", json!("/\\evil.example")), "/actionUrl"),
        (with("actionUrl", json!("http://clinic.example")), "/actionUrl"),
        (with("actionUrl", json!("https://user@evil.example")), "/actionUrl"),
        (with("actionUrl", json!("/a\u{0}b")), "/actionUrl"),
        (with("expiresAt", json!("tomorrow")), "/expiresAt"),
        (with("expiresAt", json!("2026-02-30T00:00:00Z")), "/expiresAt"),
        (with("colour", json!("red")), "/colour"),
    ];
    for (body, pointer) in &bad {
        let answer = clinic.http.post("/api/v1/notifications", body).with_key().send().await;
        answer.expect_problem(422, "validation", pointer);
        assert!(!answer.text.contains("evil"), "it repeats what it was sent: {}", answer.text);
    }
    still_well(&clinic).await;
}

#[tokio::test]
async fn bad_events_are_refused_by_name() {
    let clinic = Clinic::open().await;
    let bad = [
        (json!({"event": "appointment:deleted", "data": {}}), "/event"),
        (json!({"data": {}}), "/event"),
        (json!({"event": "payment:completed"}), "/data/paymentId"),
        (json!({"event": "payment:completed", "data": []}), "/data"),
        (json!({"event": "payment:completed", "data": {"patientId": "ann"}}), "/data/paymentId"),
        (
            json!({"event": "payment:completed", "data": {"paymentId": "1", "patientId": ""}}),
            "/data/patientId",
        ),
        (
            json!({"event": "payment:completed", "data": {"paymentId": "1", "patientId": {}}}),
            "/data/patientId",
        ),
        (
            json!({"event": "user:status_changed", "data": {"userId": "ann", "status": "GONE"}}),
            "/data/status",
        ),
        (
            json!({"event": "payment:completed", "data": {"paymentId": "1", "patientId": "ann"}, "to": ["all"]}),
            "/to",
        ),
    ];
    for (body, pointer) in &bad {
        let answer = clinic.http.post("/api/v1/events", body).with_key().send().await;
        answer.expect_problem(422, "validation", pointer);
    }
    still_well(&clinic).await;
}

#[tokio::test]
async fn all_faults_are_named_at_once() {
    let clinic = Clinic::open().await;
    let body = json!({"to": ["nowhere"], "type": "x", "title": "", "message": 5, "extra": 1});
    let answer = clinic.http.post("/api/v1/notifications", &body).with_key().send().await;
    for pointer in ["/to/0", "/type", "/title", "/message", "/extra"] {
        answer.expect_problem(422, "validation", pointer);
    }
}

#[tokio::test]
async fn what_is_no_json_body_is_refused() {
    let clinic = Clinic::open().await;
    let post = || clinic.http.call("POST", "/api/v1/notifications").with_key();
    let json = "application/json";
    let good = note(&["user:ann"], "never").to_string();
    let bad_json = [String::new(), "{".into(), good[1..].into(), format!("{good}{good}"), "[".repeat(200)];
    for body in bad_json {
        post().header("Content-Type", json).body(body).send().await.expect_problem(400, "bad_json", "");
    }
    let other_type = post().header("Content-Type", "text/plain").body(good.clone()).send().await;
    other_type.expect_problem(415, "unsupported_media_type", "");
    let zipped =
        post().header("Content-Type", json).header("Content-Encoding", "gzip").body(good).send().await;
    zipped.expect_problem(415, "unsupported_media_type", "");
    let mut large = note(&["user:ann"], "never");
    large["data"] = json!({"x": "x".repeat(1024 * 1024)});
    let large = post().json(&large).send().await;
    large.expect_problem(413, "payload_too_large", "");
    still_well(&clinic).await;
}

#[tokio::test]
async fn a_batch_tells_the_faulty_from_the_good_in_order() {
    let clinic = Clinic::open().await;
    let mut client = clinic.online(&ann()).await;
    let items = [note(&["user:ann"], "one"), note(&["user:ann"], ""), note(&["user:ann"], "three")];
    let batch = clinic.http.post("/api/v1/notifications/batch", &json!({"items": items})).with_key();
    let results = batch.send().await.expect(207)["results"].clone();
    let statuses: Vec<_> = results.as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [201, 422, 201], "{results}");
    assert_eq!(client.notification().await["title"], "one");
    assert_eq!(client.notification().await["title"], "three");
    clinic.hears_nothing([&mut client]).await;
    for items in [json!([]), json!({}), json!(vec![note(&["user:ann"], "many"); 1001])] {
        let answer =
            clinic.http.post("/api/v1/notifications/batch", &json!({"items": items})).with_key().send().await;
        answer.expect_problem(422, "validation", "/items");
    }
}

#[tokio::test]
async fn bad_queries_routes_and_methods_are_refused() {
    let clinic = Clinic::open().await;
    let bad = [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=ten", "/limit"),
        ("before=x", "/before"),
        ("status=new", "/status"),
        ("page=2", "/page"),
    ];
    for (query, pointer) in bad {
        let answer = clinic.http.get(&format!("/api/v1/notifications?{query}")).by(&ann()).send().await;
        answer.expect_problem(422, "validation", pointer);
    }
    clinic.http.get("/api/v1/nothing").by(&ann()).send().await.expect_problem(404, "not_found", "");
    let delete = clinic.http.call("DELETE", "/api/v1/notifications").by(&ann()).send().await;
    delete.expect_problem(405, "method_not_allowed", "");
    assert!(delete.header("allow").is_some_and(|allowed| allowed.contains("GET")));
    still_well(&clinic).await;
}

/// The process is alive and ready, and nothing reached Ann.
async fn still_well(clinic: &Clinic) {
    for path in ["/healthz", "/readyz"] {
        assert_eq!(clinic.http.get(path).send().await.status, 200, "{path}");
    }
    let unread = clinic.http.get("/api/v1/notifications/unread-count").by(&ann()).send().await;
    assert_eq!(unread.expect(200), json!({"unread": 0}));
}
