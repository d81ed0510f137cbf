//! The wall clock of a node jumps: tokens and sessions stay right, and schedules go by the database's clock.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use carillon_tests::users::{JWT_SECRET, ann, eve, sign};
use carillon_tests::{Clinic, Connect, NodeSettings, PATIENCE, Postgres, User};
use jiff::ToSpan as _;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::time::sleep;

/// The library that lies about the time. `tests/with-servers` installs it.
fn faketime() -> PathBuf {
    let libraries = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = libraries.map(|dir| dir.path().join("faketime/libfaketime.so.1")).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("libfaketime is not installed: run this as `tests/with-servers …`"))
}

/// A token that is good at any of the times of this test.
fn token(user: &User) -> String {
    sign(&json!({"userId": user.id, "role": user.role, "exp": 4_102_444_800_u64}), JWT_SECRET)
}

async fn schedule(clinic: &Clinic, title: &str, seconds: i64) -> Value {
    let at = (jiff::Timestamp::now() + seconds.seconds()).to_string();
    let body = json!({"kind": "announcement", "title": title, "message": "m", "publishAt": at});
    clinic.http.post("/api/v1/broadcasts", &body).bearer(&token(&eve())).send().await.expect(201)
}

async fn state(clinic: &Clinic, one: &Value) -> Value {
    let uri = format!("/api/v1/broadcasts/{}", one["id"].as_str().unwrap());
    clinic.http.get(&uri).bearer(&token(&eve())).send().await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_moves_no_schedule() {
    let (database, clock) = (Postgres::create().await, NamedTempFile::new().unwrap());
    std::fs::write(clock.path(), "+0").unwrap();
    let settings = NodeSettings::default()
        .set("DATABASE_URL", database.url())
        .set("LD_PRELOAD", faketime().display())
        .set("FAKETIME_TIMESTAMP_FILE", clock.path().display())
        .set("FAKETIME_NO_CACHE", 1)
        .set("DONT_FAKE_MONOTONIC", 1);
    let clinic = Clinic::open_with(settings).await;
    let auth = json!({"token": token(&ann())});
    let mut online = clinic.client(Connect::by(&ann()).auth(auth).over(&["websocket"])).await;
    online.connected().await;
    let far = schedule(&clinic, "in an hour", 3_600).await;

    for (jump, title) in [("+2h", "ahead"), ("-2h", "behind")] {
        std::fs::write(clock.path(), jump).unwrap();
        // The node believes it: a token that ends in an hour has ended, or was given out in the future.
        let refused = clinic.http.get("/api/v1/notifications").by(&ann()).send().await;
        assert_eq!(refused.status, 401, "{jump}: {}", refused.text);
        let near = schedule(&clinic, title, 2).await;
        assert_eq!(near["status"], "scheduled", "{jump}");
        assert_eq!(online.notification().await["title"], *title, "{jump}");
        let sent = state(&clinic, &near).await;
        assert_eq!((&sent["status"], &sent["late"]), (&json!("sent"), &json!(false)), "{jump}");
        assert_eq!(state(&clinic, &far).await["status"], "scheduled", "{jump}");
        // A session is resumed over the jump.
        online.cut().await;
        until_recovered(&mut online).await;
        clinic.tell(&ann(), "on").await;
        assert_eq!(online.notification().await["title"], "on");
    }
}

async fn until_recovered(client: &mut carillon_tests::Client) {
    let began = Instant::now();
    loop {
        if let carillon_tests::Life::Connect { recovered, .. } = client.life().await {
            assert!(recovered, "the session was not resumed");
            client.hears("inbox:state").await;
            return;
        }
        assert!(began.elapsed() < PATIENCE, "never came back");
        sleep(Duration::from_millis(10)).await;
    }
}
