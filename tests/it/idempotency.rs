//! The same key twice: once.

use carillon_tests::clinic::note;
use carillon_tests::users::{ann, eve};
use carillon_tests::{Answer, Clinic};
use serde_json::{Value, json};

async fn post(clinic: &Clinic, path: &str, key: &str, body: &Value) -> Answer {
    clinic.http.post(path, body).with_key().header("Idempotency-Key", key).send().await
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

async fn unread(clinic: &Clinic) -> Value {
    clinic.http.get("/api/v1/notifications").by(&ann()).send().await.expect(200)["unread"].clone()
}

#[tokio::test]
async fn the_second_is_answered_as_the_first_and_publishes_nothing() {
    let clinic = Clinic::open().await;
    let mut client = clinic.online(&ann()).await;
    let event =
        json!({"event": "prescription:created", "data": {"prescriptionId": "rx", "patientId": "ann"}});
    let calls = [
        ("/api/v1/events", event, 201),
        ("/api/v1/notifications", note(&["user:ann"], "once"), 201),
        ("/api/v1/notifications/batch", json!({"items": [note(&["user:ann"], "once")]}), 207),
    ];
    for (number, (path, body, status)) in calls.iter().enumerate() {
        let first = post(&clinic, path, path, body).await;
        assert!(!replayed(&first), "{path}");
        client.notification().await;
        let second = post(&clinic, path, path, body).await;
        assert_eq!(second.expect(*status), first.expect(*status), "{path}");
        assert!(replayed(&second), "{path}");
        clinic.hears_nothing([&mut client]).await;
        // One notification and one fence a round.
        assert_eq!(unread(&clinic).await, 2 * (number + 1));
    }
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let clinic = Clinic::open().await;
    post(&clinic, "/api/v1/notifications", "k", &note(&["user:ann"], "one")).await.expect(201);
    let other = post(&clinic, "/api/v1/notifications", "k", &note(&["user:ann"], "two")).await;
    other.expect_problem(422, "idempotency_mismatch", "");
    assert_eq!(unread(&clinic).await, 1);
    // Another caller's key of the same name is another key.
    let body = note(&["user:ann"], "three");
    let eves = clinic.http.post("/api/v1/notifications", &body).by(&eve()).header("Idempotency-Key", "k");
    eves.send().await.expect(201);
    assert_eq!(unread(&clinic).await, 2);
}

#[tokio::test]
async fn twenty_at_once_publish_once() {
    let clinic = Clinic::open().await;
    let mut client = clinic.online(&ann()).await;
    let body = note(&["user:ann"], "once");
    let at_once =
        futures_util::future::join_all((0..20).map(|_| post(&clinic, "/api/v1/notifications", "k", &body)));
    let answers = at_once.await;
    let first = answers[0].expect(201);
    assert!(answers.iter().all(|answer| answer.expect(201) == first));
    assert_eq!(answers.iter().filter(|answer| !replayed(answer)).count(), 1);
    assert_eq!(client.notification().await["id"], first["notifications"][0]["id"]);
    clinic.hears_nothing([&mut client]).await;
}

#[tokio::test]
async fn without_a_key_each_publish_counts() {
    let clinic = Clinic::open().await;
    let one = clinic.tell(&ann(), "same").await;
    assert_ne!(clinic.tell(&ann(), "same").await, one);
    assert_eq!(unread(&clinic).await, 2);
}

#[tokio::test]
async fn a_key_that_cannot_be_kept_is_refused() {
    let clinic = Clinic::open().await;
    let body = note(&["user:ann"], "never");
    for key in ["k".repeat(256), String::new(), "tab\there".to_owned()] {
        let answer = post(&clinic, "/api/v1/notifications", &key, &body).await;
        answer.expect_problem(422, "idempotency_key_invalid", "");
    }
    assert_eq!(unread(&clinic).await, 0);
    post(&clinic, "/api/v1/notifications", &"k".repeat(255), &body).await.expect(201);
}
