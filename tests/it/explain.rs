//! `GET /api/v1/events/{eventId}`: what became of one publish.

use std::time::Instant;

use carillon_tests::users::{ann, ben, eve, fay};
use carillon_tests::{Clinic, NodeSettings, PATIENCE};
use serde_json::{Value, json};

use crate::readme::code;

const API: &str = include_str!("../../docs/api/README.md");

/// The names of what an explanation says, of its first notification and of who has read that.
fn members(explanation: &Value) -> [Vec<&String>; 3] {
    let first = &explanation["notifications"][0];
    [explanation, first, &first["readBy"]].map(|value| value.as_object().unwrap().keys().collect())
}

/// The explanation, once it tells of this many sockets: nodes tell the store once a second.
async fn explained(clinic: &Clinic, event_id: &str, reached: &[Value]) -> Value {
    let began = Instant::now();
    loop {
        let path = format!("/api/v1/events/{event_id}");
        let answer = clinic.http.get(&path).by(&eve()).send().await.expect(200);
        let told: Vec<&Value> =
            answer["notifications"].as_array().unwrap().iter().map(|one| &one["reached"]).collect();
        if told.iter().copied().eq(reached) {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "expected {reached:?}: {answer}");
    }
}

#[tokio::test]
async fn an_admin_sees_where_a_publish_went_and_who_read_it() {
    let mut clinic = Clinic::open_with(NodeSettings::default().set("NODE_ID", "n1")).await;
    // Three for Ann: live on a socket and a stream, and one that comes back for it.
    let mut socket = clinic.online(&ann()).await;
    let mut stream = clinic.http.get("/api/v1/stream").by(&ann()).stream().await;
    let start = stream.hears("inbox:state").await.id.unwrap();
    let mut admins = [clinic.online(&eve()).await, clinic.online(&fay()).await];
    let data = json!({"paymentId": "p1", "patientId": "ann"});
    let published = clinic.publish("payment:completed", data).await;
    let [to_ann, to_admins] = &published.notifications[..] else { panic!("{published:?}") };
    for client in admins.iter_mut().chain([&mut socket]) {
        client.notification().await;
    }
    stream.hears("notification").await;
    let mut late = clinic.http.get(&format!("/api/v1/stream?since={start}")).by(&ann()).stream().await;
    late.hears("notification").await;
    for (client, id) in [(&socket, &to_ann.id), (&admins[1], &to_admins.id)] {
        assert_eq!(client.ask("notification:read", json!({"ids": [id]})).await["ok"], true);
    }

    let reached = [json!({"n1": 3}), json!({"n1": 2})];
    let answer = explained(&clinic, &published.event_id, &reached).await;
    let expected = json!({
        "eventId": published.event_id,
        "event": "payment:completed",
        "createdAt": answer["createdAt"],
        "notifications": [
            {"id": to_ann.id, "room": "patient:ann", "readBy": {"count": 1, "users": ["ann"]}, "reached": reached[0]},
            {"id": to_admins.id, "room": "role:admin", "readBy": {"count": 1, "users": ["fay"]}, "reached": reached[1]},
        ],
    });
    assert_eq!(answer, expected);
    let example: Value = serde_json::from_str(code(API, "json", "readBy")).unwrap();
    assert_eq!(members(&example), members(&answer));

    // A node that ends in good order has told everything. Nobody else is told by it.
    let last = clinic.notify(&["user:ben", "role:admin"], "Bye").await;
    for client in &mut admins {
        client.notification().await;
    }
    assert!(clinic.node.terminate().await.success());
    clinic.node.restart().await;
    let told = [json!({}), json!({"n1": 2})];
    let kept =
        clinic.http.get(&format!("/api/v1/events/{}", last.event_id)).by(&fay()).send().await.expect(200);
    let kept: Vec<&Value> =
        kept["notifications"].as_array().unwrap().iter().map(|one| &one["reached"]).collect();
    assert_eq!(kept, told.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn it_is_for_admins_and_of_what_was_published() {
    let clinic = Clinic::open().await;
    let published = clinic.notify(&["user:ann"], "private").await;
    let path = format!("/api/v1/events/{}", published.event_id);
    for user in [ann(), ben()] {
        clinic.http.get(&path).by(&user).send().await.expect_problem(403, "forbidden", "");
    }
    clinic.http.get(&path).send().await.expect_problem(401, "token_missing", "");
    clinic.http.get(&path).with_key().send().await.expect_problem(401, "token_invalid", "");
    let answer = clinic.http.get(&path).by(&eve()).send().await;
    assert!(!answer.text.contains("private"), "{}", answer.text);
    assert_eq!(answer.expect(200)["event"], Value::Null);
    // A notification's id is no event's.
    for id in [&published.notifications[0].id, "1"] {
        let answer = clinic.http.get(&format!("/api/v1/events/{id}")).by(&eve()).send().await;
        answer.expect_problem(404, "not_found", "");
    }
}
