use actix_web::test::TestRequest;
use carillon_domain::Position;
use carillon_domain::ports::Log as _;
use serde_json::{Value, json};

use crate::desk::{Answer, Desk, KEY, OTHER_KEY, notification, post};

const EVENTS: &str = "/api/v1/events";
const NOTIFICATIONS: &str = "/api/v1/notifications";

fn event() -> Value {
    json!({"event": "payment:completed", "data": {"paymentId": "p-1", "patientId": "7"}})
}

async fn keyed(desk: &Desk, caller: &str, uri: &str, key: &str, body: &Value) -> Answer {
    desk.call(post(uri, caller).insert_header(("Idempotency-Key", key)).set_json(body)).await
}

#[actix_web::test]
async fn an_event_is_stored_in_each_of_its_rooms_before_the_answer() {
    let desk = Desk::new();
    let answer = desk.call(post(EVENTS, KEY).set_json(event())).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let rows = desk.log.read(Position::START, 10).await.unwrap().rows;
    let places: Vec<Value> =
        rows.iter().map(|row| json!({"id": row.notification.id, "room": row.room})).collect();
    let expected = json!({"eventId": rows[0].event_id, "notifications": places});
    assert_eq!(answer.body, expected);
    assert_eq!(places.iter().map(|place| &place["room"]).collect::<Vec<_>>(), ["patient:7", "role:admin"]);
    assert_eq!(answer.header("ratelimit-limit"), Some("4000"));
    assert_eq!(answer.header("ratelimit-remaining"), Some("3999"));
    assert_eq!(answer.header("ratelimit-reset"), Some("1"));
    assert_eq!(answer.header("idempotency-replayed"), None);
}

#[actix_web::test]
async fn repeated_rooms_count_once() {
    let desk = Desk::new();
    assert_eq!(desk.publish(&["all", "user:1", "all"]).await.len(), 2);
}

#[actix_web::test]
async fn every_fault_of_a_body_is_named_and_nothing_is_stored() {
    let desk = Desk::new();
    let with = |field: &str, value: Value| {
        let mut body = notification(&["all"]);
        body[field] = value;
        body
    };
    let rooms: Vec<String> = (0..21).map(|i| format!("user:{i}")).collect();
    for (uri, body, pointers) in [
        (NOTIFICATIONS, with("colour", json!("red")), vec!["/colour"]),
        (NOTIFICATIONS, with("title", json!(7)), vec!["/title"]),
        (NOTIFICATIONS, with("title", json!("x".repeat(201))), vec!["/title"]),
        (NOTIFICATIONS, with("to", json!([null])), vec!["/to/0"]),
        (NOTIFICATIONS, with("to", json!([])), vec!["/to"]),
        (NOTIFICATIONS, with("to", json!(rooms)), vec!["/to"]),
        (NOTIFICATIONS, with("actionUrl", json!("javascript:alert(1)")), vec!["/actionUrl"]),
        (NOTIFICATIONS, with("expiresAt", json!("2020-01-01T00:00:00Z")), vec!["/expiresAt"]),
        (NOTIFICATIONS, json!({}), vec!["/to", "/type", "/title", "/message"]),
        (NOTIFICATIONS, json!([]), vec![""]),
        (
            EVENTS,
            json!({"event": "payment:completed", "data": {}}),
            vec!["/data/paymentId", "/data/patientId"],
        ),
        (EVENTS, json!({"event": "payment:lost", "data": {}}), vec!["/event"]),
    ] {
        let answer = desk.call(post(uri, KEY).set_json(&body)).await;
        assert_eq!((answer.status, answer.code()), (422, "validation"), "{body}");
        assert_eq!(answer.pointers(), pointers, "{body}");
    }
    assert_eq!(desk.rows().await, 0);
}

#[actix_web::test]
async fn the_same_key_and_body_answers_the_first_result() {
    let desk = Desk::new();
    let first = keyed(&desk, KEY, EVENTS, "k", &event()).await;
    let again = keyed(&desk, KEY, EVENTS, "k", &event()).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(desk.rows().await, 2);
}

#[actix_web::test]
async fn a_key_belongs_to_one_caller_and_one_request() {
    let desk = Desk::new();
    let body = notification(&["all"]);
    assert_eq!(keyed(&desk, KEY, NOTIFICATIONS, "k", &body).await.status, 201);
    for (uri, other) in [(NOTIFICATIONS, notification(&["user:1"])), (EVENTS, event())] {
        let answer = keyed(&desk, KEY, uri, "k", &other).await;
        assert_eq!((answer.status, answer.code()), (422, "idempotency_mismatch"), "{uri}");
    }
    assert_eq!(desk.rows().await, 1);
    for caller in [OTHER_KEY, "admin.booking", "admin.2"] {
        let answer = keyed(&desk, caller, NOTIFICATIONS, "k", &body).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, None), "{caller}");
    }
    assert_eq!(desk.rows().await, 4);
}

#[actix_web::test]
async fn a_key_has_1_to_255_characters() {
    let desk = Desk::new();
    for (key, status) in [("x".repeat(255), 201), ("x".repeat(256), 422), (String::new(), 422)] {
        let answer = keyed(&desk, KEY, EVENTS, &key, &event()).await;
        assert_eq!(answer.status, status, "{}", key.len());
        assert_eq!(answer.code() == "idempotency_key_invalid", status == 422);
    }
}

#[actix_web::test]
async fn who_publishes_too_fast_is_told_when_to_come_back() {
    let desk = Desk::limited(1, 5);
    // However slow this machine is: with one a second and five at once, one of these is too many.
    let mut refused = None;
    for _ in 0..100 {
        let answer = desk.call(post(EVENTS, KEY).set_json(event())).await;
        if answer.status != 201 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("ratelimit-limit"), Some("5"));
    assert_eq!(refused.header("ratelimit-remaining"), Some("0"));
    assert_eq!(refused.header("ratelimit-reset"), Some("1"));
    // Another caller has a burst of their own.
    assert_eq!(desk.call(post(EVENTS, "admin.1").set_json(event())).await.status, 201);
}

#[actix_web::test]
async fn a_store_that_is_away_is_503_and_the_retry_succeeds_once() {
    let desk = Desk::new();
    desk.mood.fail_after(0);
    let answer = keyed(&desk, KEY, EVENTS, "k", &event()).await;
    assert_eq!((answer.status, answer.code()), (503, "unavailable"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    desk.mood.fail_after(u32::MAX);
    assert_eq!(keyed(&desk, KEY, EVENTS, "k", &event()).await.status, 201);
    assert_eq!(desk.rows().await, 2);
}

#[actix_web::test]
async fn a_store_that_hangs_is_503_too() {
    let desk = Desk::hanging();
    let answer = desk.call(post(EVENTS, KEY).set_json(event())).await;
    assert_eq!((answer.status, answer.code()), (503, "unavailable"));
}

#[actix_web::test]
async fn a_gateway_that_goes_down_takes_no_more() {
    let desk = Desk::new();
    desk.publisher.close();
    let answer = desk.call(post(EVENTS, KEY).set_json(event())).await;
    assert_eq!((answer.status, answer.code()), (503, "unavailable"));
}

#[actix_web::test]
async fn the_bare_key_is_taken_and_a_body_is_not_read_for_strangers() {
    let desk = Desk::new();
    let bare = TestRequest::post().uri(EVENTS).insert_header(("Authorization", KEY));
    assert_eq!(desk.call(bare.set_json(event())).await.status, 201);
    let stranger = TestRequest::post().uri(EVENTS).set_payload("x".repeat(1 << 20));
    assert_eq!(desk.call(stranger).await.status, 401);
}
