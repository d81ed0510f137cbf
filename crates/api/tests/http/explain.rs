use carillon_domain::Position;
use carillon_domain::ports::Explain as _;
use serde_json::json;

use crate::desk::{Desk, KEY, get, post};

const ADMIN: &str = "admin.1";

async fn explain(desk: &Desk, id: &str) -> crate::desk::Answer {
    desk.call(get(&format!("/api/v1/events/{id}"), ADMIN)).await
}

#[actix_web::test]
async fn a_publish_is_explained_without_its_content() {
    let desk = Desk::new();
    let data = json!({"appointmentId": "a1", "doctorId": "7", "patientId": "8"});
    let body = json!({"event": "appointment:created", "title": "private", "data": data});
    let published = desk.call(post("/api/v1/events", KEY).set_json(body)).await.body;
    let sockets = [(Position::START.plus(1), 2)];
    desk.log.reached("n1", &sockets).await.unwrap();
    desk.log.reached("n2", &sockets).await.unwrap();
    // The doctor's first visit and mark.
    let read = json!({"ids": [published["notifications"][0]["id"]]});
    let marked = desk.call(post("/api/v1/notifications/read", "doctor.7").set_json(read)).await;
    assert_eq!(marked.body, json!({"unread": 0}));

    let answer = explain(&desk, published["eventId"].as_str().unwrap()).await;
    let nobody = json!({"count": 0, "users": []});
    let expected = json!({
        "eventId": published["eventId"],
        "event": "appointment:created",
        "createdAt": "2026-11-22T12:00:00.000Z",
        "notifications": [
            {"id": published["notifications"][0]["id"], "room": "doctor:7",
                "readBy": {"count": 1, "users": ["7"]}, "reached": {"n1": 2, "n2": 2}},
            {"id": published["notifications"][1]["id"], "room": "role:admin", "readBy": nobody, "reached": {}},
        ],
    });
    assert_eq!((answer.status, answer.body), (200, expected));
}

#[actix_web::test]
async fn what_was_never_published_has_no_explanation() {
    let desk = Desk::new();
    for id in ["01980000-0000-7000-8000-00000000abcd", "1", "__proto__", "%00", "%ff"] {
        let answer = explain(&desk, id).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{id}");
    }
}

#[actix_web::test]
async fn a_store_that_is_away_is_503() {
    for desk in [Desk::new(), Desk::hanging()] {
        desk.mood.fail_after(0);
        let answer = explain(&desk, "01980000-0000-7000-8000-00000000abcd").await;
        assert_eq!((answer.status, answer.code()), (503, "unavailable"));
    }
}
