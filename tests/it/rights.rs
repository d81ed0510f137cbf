//! What takes an admin, what is nobody's to mark, text that is only text, and limits that need no network.

use carillon_tests::users::{ann, ben, chen, eve};
use carillon_tests::{Clinic, NodeSettings, Postgres, RedisServer};
use serde_json::{Value, json};

/// Every route that takes an admin, with a request that is otherwise good.
const FOR_ADMINS: [(&str, &str); 12] = [
    ("GET", "/v1/events/0198c0de-0000-7000-8000-000000000000"),
    ("GET", "/v1/presence/counts"),
    ("GET", "/v1/presence/users"),
    ("GET", "/v1/connections"),
    ("GET", "/v1/audit"),
    ("DELETE", "/v1/users/ann/data"),
    ("GET", "/v1/broadcasts"),
    ("POST", "/v1/broadcasts"),
    ("GET", "/v1/broadcasts/0198c0de-0000-7000-8000-000000000000"),
    ("PATCH", "/v1/broadcasts/0198c0de-0000-7000-8000-000000000000"),
    ("DELETE", "/v1/broadcasts/0198c0de-0000-7000-8000-000000000000?version=1"),
    ("GET", "/v1/broadcasts/0198c0de-0000-7000-8000-000000000000/acks"),
];

// A1
#[tokio::test]
async fn what_takes_an_admin_is_refused_to_everyone_else() {
    let clinic = Clinic::open().await;
    for (method, path) in FOR_ADMINS {
        let call = || clinic.http.call(method, &format!("/api{path}"));
        for user in [ann(), chen()] {
            call().by(&user).send().await.expect_problem(403, "forbidden", "");
        }
        call().with_key().send().await.expect_problem(401, "token_invalid", "");
        call().send().await.expect_problem(401, "token_missing", "");
        let answer = call().by(&eve()).send().await;
        assert!(![401, 403].contains(&answer.status), "{method} {path}: {}", answer.text);
    }
}

/// So that none is forgotten above: whatever asks who the admin is has its route there.
#[test]
fn every_route_for_admins_is_in_the_table() {
    let sources = [
        include_str!("../../crates/api/src/explain.rs"),
        include_str!("../../crates/api/src/presence.rs"),
        include_str!("../../crates/api/src/audit.rs"),
        include_str!("../../crates/api/src/users.rs"),
        include_str!("../../crates/api/src/broadcasts.rs"),
    ];
    let asks = |source: &&str| ["api.admin(&request)", "actor(&api"].map(|ask| source.matches(ask).count());
    let asked: usize = sources.iter().flat_map(asks).sum();
    assert_eq!(asked, FOR_ADMINS.len());
}

// R10
#[tokio::test]
async fn what_is_another_users_cannot_be_marked() {
    let clinic = Clinic::open().await;
    let id = clinic.tell(&ann(), "for Ann").await;
    let path = format!("/api/v1/notifications/{id}");
    let patch = clinic.http.call("PATCH", &path).by(&ben()).json(&json!({"isRead": true})).send().await;
    patch.expect_problem(404, "not_found", "");
    for body in [json!({"ids": [id]}), json!({"upTo": id})] {
        let read = clinic.http.post("/api/v1/notifications/read", &body).by(&ben()).send().await;
        read.expect_problem(404, "not_found", "");
    }
    let mine = clinic.http.get(&path).by(&ann()).send().await.expect(200);
    assert_eq!(mine["isRead"], false);
}

// R5
#[tokio::test]
async fn text_is_kept_and_told_as_it_is_whatever_it_looks_like() {
    let clinic = Clinic::open().await;
    let mut client = clinic.online(&ann()).await;
    let text = "<img src=x onerror=alert(1)> \u{202e}live\u{202c} zero\u{200b}width \u{0}end \u{1f468}\u{200d}\u{2695}\u{fe0f}";
    let body =
        json!({"to": ["user:ann"], "type": "NOTE", "title": text, "message": text, "data": {"text": text}});
    let answer = clinic.http.post("/api/v1/notifications", &body).with_key().send().await;
    let told = if answer.status == 201 {
        client.notification().await
    } else {
        // U+0000 is the one character that a store may refuse; then it is refused by name.
        answer.expect_problem(422, "validation", "/title");
        let body: Value = serde_json::from_str(&body.to_string().replace("\\u0000", "")).unwrap();
        clinic.http.post("/api/v1/notifications", &body).with_key().send().await.expect(201);
        client.notification().await
    };
    let expected = if answer.status == 201 { text.to_owned() } else { text.replace('\u{0}', "") };
    for field in [&told["title"], &told["message"], &told["data"]["text"]] {
        assert_eq!(*field, expected);
    }
    let long = json!({"to": ["user:ann"], "type": "NOTE", "title": "x".repeat(1 << 20), "message": "m"});
    clinic.http.post("/api/v1/notifications", &long).with_key().send().await.expect_problem(
        413,
        "payload_too_large",
        "",
    );
    clinic.hears_nothing([&mut client]).await;
}

// R12
#[tokio::test]
async fn limits_hold_while_redis_is_away() {
    let (postgres, mut redis) = (Postgres::create().await, RedisServer::start());
    let settings = NodeSettings::default().set("DATABASE_URL", postgres.url()).set("REDIS_URL", redis.url());
    let settings =
        settings.set("PUBLISH_RATE", 1).set("PUBLISH_BURST", 5).set("USER_RATE", 1).set("USER_BURST", 5);
    let clinic = Clinic::open_with(settings.set("EVENT_RATE", 1).set("EVENT_BURST", 5)).await;
    let client = clinic.online(&ann()).await;
    redis.kill9();
    let body = carillon_tests::clinic::note(&["user:ben"], "Hello");
    let publish = || clinic.http.post("/api/v1/notifications", &body).with_key();
    let ask = || clinic.http.get("/api/v1/notifications/unread-count").by(&ann());
    let (mut published, mut asked, mut served) = (0, 0, 0);
    let refused = loop {
        let answer = publish().send().await;
        if answer.status != 201 {
            break answer;
        }
        published += 1;
        assert!(published < 100, "publishing is never limited");
    };
    refused.expect_problem(429, "rate_limited", "");
    let refused = loop {
        let answer = ask().send().await;
        if answer.status != 200 {
            break answer;
        }
        asked += 1;
        assert!(asked < 100, "asking is never limited");
    };
    refused.expect_problem(429, "rate_limited", "");
    while client.ask("notification:list", json!({})).await["ok"] == true {
        served += 1;
        assert!(served < 100, "events are never limited");
    }
    assert!(published >= 5 && asked >= 5 && served >= 5, "{published} {asked} {served}: less than a burst");
}
