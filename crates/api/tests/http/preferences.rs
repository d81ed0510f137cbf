//! What users mute, over HTTP.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::desk::{Desk, KEY, get, notification, post};

const PREFERENCES: &str = "/api/v1/preferences";

fn put(token: &str, body: &Value) -> TestRequest {
    let request = TestRequest::put().uri(PREFERENCES);
    request.insert_header(("Authorization", format!("Bearer {token}"))).set_json(body)
}

#[actix_web::test]
async fn what_is_put_is_got_and_belongs_to_one_user() {
    let desk = Desk::new();
    assert_eq!(desk.call(get(PREFERENCES, "patient.1")).await.body, json!({"muted": []}));
    let wish = json!({"muted": ["REVIEW_CREATED", "LAB_RESULT", "ANNOUNCEMENT", "LAB_RESULT"]});
    let kept = json!({"muted": ["ANNOUNCEMENT", "LAB_RESULT", "REVIEW_CREATED"]});
    let answer = desk.call(put("patient.1", &wish)).await;
    assert_eq!((answer.status, &answer.body), (200, &kept));
    assert_eq!(desk.call(get(PREFERENCES, "patient.1")).await.body, kept);
    assert_eq!(desk.call(get(PREFERENCES, "patient.2")).await.body, json!({"muted": []}));
    // The same again takes no place in the log.
    let rows = desk.rows().await;
    assert_eq!(desk.call(put("patient.1", &kept)).await.body, kept);
    assert_eq!(desk.rows().await, rows);
    assert_eq!(desk.call(put("patient.1", &json!({"muted": []}))).await.body, json!({"muted": []}));
    assert_eq!(desk.call(get(PREFERENCES, "patient.1")).await.body, json!({"muted": []}));
}

#[actix_web::test]
async fn what_is_muted_is_in_the_inbox_as_read() {
    let desk = Desk::new();
    desk.call(put("patient.1", &json!({"muted": ["LAB_RESULT"]}))).await;
    let mut ids = Vec::new();
    for priority in ["low", "high"] {
        let mut body = notification(&["patient:1"]);
        (body["type"], body["priority"]) = (json!("LAB_RESULT"), json!(priority));
        let answer = desk.call(post("/api/v1/notifications", KEY).set_json(body)).await;
        ids.push(answer.body["notifications"][0]["id"].clone());
    }
    let inbox = desk.call(get("/api/v1/notifications", "patient.1")).await.body;
    let seen = |n: usize| (&inbox["items"][n]["id"], &inbox["items"][n]["isRead"]);
    assert_eq!((seen(0), seen(1)), ((&ids[1], &json!(false)), (&ids[0], &json!(true))));
    assert_eq!(inbox["items"][1]["readAt"], inbox["items"][1]["createdAt"]);
    assert_eq!(inbox["unread"], 1);
    assert_eq!(inbox["items"].as_array().unwrap().len(), 2, "the change itself is nothing to read");
}

#[actix_web::test]
async fn wrong_preferences_are_refused_by_name_and_nothing_changes() {
    let desk = Desk::new();
    for (body, pointer) in [
        (json!({}), "/muted"),
        (json!({"muted": "NEWS"}), "/muted"),
        (json!({"muted": ["REVIEW_CREATED", "NEWS"]}), "/muted/1"),
        (json!({"muted": ["CARILLON_MUTED"]}), "/muted/0"),
        (json!({"muted": [1]}), "/muted/0"),
        (json!({"muted": vec!["REVIEW_CREATED"; 100]}), "/muted"),
        (json!({"muted": [], "sound": false}), "/sound"),
    ] {
        let answer = desk.call(put("patient.1", &body)).await;
        assert_eq!((answer.status, answer.pointers()), (422, vec![pointer]), "{body}");
    }
    assert_eq!(desk.call(put(KEY, &json!({"muted": []}))).await.status, 401);
    assert_eq!(desk.rows().await, 0);
}

#[actix_web::test]
async fn preferences_that_cannot_be_kept_are_503() {
    let desk = Desk::new();
    desk.mood.fail_after(0);
    for request in [get(PREFERENCES, "patient.1"), put("patient.1", &json!({"muted": ["REVIEW_CREATED"]}))] {
        let answer = desk.call(request).await;
        assert_eq!(
            (answer.status, answer.code(), answer.header("retry-after")),
            (503, "unavailable", Some("1"))
        );
    }
}

#[actix_web::test]
async fn one_who_changes_their_mind_for_ever_is_told_to_wait() {
    let desk = Desk::new();
    let wishes = [json!({"muted": ["REVIEW_CREATED"]}), json!({"muted": []})];
    // 500 spans are kept of one user.
    for wish in wishes.iter().cycle().take(1_000) {
        assert_eq!(desk.call(put("patient.1", wish)).await.status, 200);
    }
    let answer = desk.call(put("patient.1", &wishes[0])).await;
    assert_eq!(
        (answer.status, answer.code(), answer.header("retry-after")),
        (429, "rate_limited", Some("86400"))
    );
}
