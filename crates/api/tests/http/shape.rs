//! What every answer has in common, and how HTTP itself is held to.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::json;

use crate::desk::{Desk, KEY, get, notification, post};

const NOTIFICATIONS: &str = "/api/v1/notifications";

#[actix_web::test]
async fn a_problem_has_the_members_of_rfc_9457_and_ours() {
    let desk = Desk::new();
    let request = post(NOTIFICATIONS, KEY).insert_header(("X-Request-Id", "req_1.a-B"));
    let answer = desk.call(request.set_json(json!({"title": "x"}))).await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let expected = json!({
        "type": "/problems/validation", "title": "The request is not valid", "status": 422, "code": "validation",
        "detail": "Some fields are missing, unknown or wrong; see errors.", "requestId": "req_1.a-B",
        "errors": [
            {"pointer": "/to", "detail": "is required"},
            {"pointer": "/type", "detail": "is required"},
            {"pointer": "/message", "detail": "is required"},
        ],
    });
    assert_eq!(answer.body, expected);
}

#[actix_web::test]
async fn every_answer_has_a_request_id_and_is_not_cached() {
    let desk = Desk::new();
    for uri in ["/healthz", "/readyz", "/api/v1/notifications/unread-count", "/api/nowhere"] {
        let answer = desk.call(get(uri, "patient.1").insert_header(("X-Request-Id", "mine"))).await;
        assert_eq!(answer.header("x-request-id"), Some("mine"), "{uri}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{uri}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{uri}");
        // What could forge a log line, or fill it, is replaced.
        for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
            let answer = desk.call(get(uri, "patient.1").insert_header(("X-Request-Id", bad))).await;
            assert_eq!(answer.header("x-request-id").unwrap().len(), 36, "{bad:?}");
        }
    }
}

#[actix_web::test]
async fn other_paths_are_404_and_other_methods_405() {
    let desk = Desk::new();
    for uri in
        ["/api", "/api/", "/api/v1", "/api/v2/events", "/api/v1/notifications/", "/api/v1/notifications/a/b"]
    {
        let answer = desk.call(get(uri, KEY)).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{uri}");
    }
    for (method, uri, allow) in [
        (Method::GET, "/api/v1/events", "POST"),
        (Method::DELETE, NOTIFICATIONS, "GET, HEAD, POST"),
        (Method::TRACE, NOTIFICATIONS, "GET, HEAD, POST"),
        (Method::GET, "/api/v1/notifications/batch", "POST"),
        (Method::GET, "/api/v1/notifications/read", "POST"),
        (Method::POST, "/api/v1/notifications/unread-count", "GET, HEAD"),
        (Method::PUT, "/api/v1/notifications/1", "GET, HEAD, PATCH"),
        (Method::POST, "/api/v1/stream", "GET, HEAD"),
        (Method::GET, "/api/v1/users/1/data", "DELETE"),
        (Method::POST, "/api/v1/preferences", "GET, HEAD, PUT"),
        (Method::DELETE, "/api/v1/events/1", "GET, HEAD"),
        (Method::POST, "/healthz", "GET, HEAD"),
        (Method::TRACE, "/readyz", "GET, HEAD"),
    ] {
        let answer = desk.call(TestRequest::with_uri(uri).method(method.clone())).await;
        assert_eq!((answer.status, answer.code()), (405, "method_not_allowed"), "{method} {uri}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {uri}");
    }
}

// R13
#[actix_web::test]
async fn head_is_answered_as_get_and_overrides_are_ignored() {
    let desk = Desk::new();
    for uri in [NOTIFICATIONS, "/api/v1/notifications/unread-count", "/healthz", "/readyz"] {
        let answer = desk.call(get(uri, "patient.1").method(Method::HEAD)).await;
        assert_eq!(answer.status, 200, "{uri}");
    }
    let request = get(NOTIFICATIONS, "admin.1").insert_header(("X-HTTP-Method-Override", "POST"));
    assert!(desk.call(request.set_json(notification(&["all"]))).await.body["items"].is_array());
    assert_eq!(desk.rows().await, 0);
}

#[actix_web::test]
async fn only_plain_json_is_read() {
    let desk = Desk::new();
    let body = notification(&["all"]).to_string();
    for (name, value, status) in [
        ("Content-Type", "application/json", 201),
        ("Content-Type", "Application/JSON; charset=\"UTF-8\"", 201),
        ("Content-Type", "application/json; charset=latin1", 415),
        ("Content-Type", "application/x-www-form-urlencoded", 415),
        ("Content-Type", "text/plain", 415),
        ("Content-Type", "", 415),
        ("Content-Encoding", "identity", 201),
        ("Content-Encoding", "gzip", 415),
        ("Content-Encoding", "identity, br", 415),
    ] {
        let request = post(NOTIFICATIONS, KEY).insert_header(("Content-Type", "application/json"));
        let answer = desk.call(request.insert_header((name, value)).set_payload(body.clone())).await;
        assert_eq!(answer.status, status, "{name}: {value}");
        assert_eq!(answer.code() == "unsupported_media_type", status == 415);
    }
    let untyped = post(NOTIFICATIONS, KEY).set_payload(body);
    assert_eq!(desk.call(untyped).await.status, 415);
}

#[actix_web::test]
async fn bad_json_is_told_by_its_place_and_not_by_its_content() {
    let desk = Desk::new();
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (body, place) in [
        ("{\n  \"title\": secret}", "line 2, column 12"),
        ("", "line 1, column 0"),
        ("{\"title\": \"secret", "line 1, column 17"),
        ("{} secret", "line 1, column 4"),
        ("\"\u{1}secret\"", "line 1, column 2"),
        (deep.as_str(), "line 1, column 128"),
    ] {
        let request = post(NOTIFICATIONS, KEY).insert_header(("Content-Type", "application/json"));
        let answer = desk.call(request.set_payload(body.to_owned())).await;
        assert_eq!((answer.status, answer.code()), (400, "bad_json"), "{body}");
        assert_eq!(answer.body["detail"], format!("Not JSON at {place}."), "{body}");
        assert!(!answer.body.to_string().contains("secret"));
    }
}

#[actix_web::test]
async fn a_body_has_its_bound_whether_announced_or_not() {
    let desk = Desk::new();
    for (uri, token, most) in [
        ("/api/v1/events", KEY, 192 * 1024),
        (NOTIFICATIONS, KEY, 192 * 1024),
        ("/api/v1/notifications/batch", KEY, 4 * 1024 * 1024),
        ("/api/v1/notifications/read", "patient.1", 64 * 1024),
    ] {
        for (length, announced, status) in
            [(most, true, 400), (most, false, 400), (most + 1, true, 413), (most + 1, false, 413)]
        {
            let request = post(uri, token).insert_header(("Content-Type", "application/json"));
            let answer = desk.send(request.set_payload(vec![b'x'; length]), announced).await;
            assert_eq!(answer.status, status, "{uri} {length} {announced}");
        }
    }
}

#[actix_web::test]
async fn a_body_that_is_announced_as_too_large_is_not_waited_for() {
    let desk = Desk::new();
    let request = post(NOTIFICATIONS, KEY).set_json(notification(&["all"]));
    let answer = desk.call(request.insert_header(("Content-Length", "196609"))).await;
    assert_eq!((answer.status, answer.code()), (413, "payload_too_large"));
}

/// A draft of full size in the longest spelling JSON has still fits.
#[actix_web::test]
async fn the_largest_draft_can_be_posted() {
    let desk = Desk::new();
    let emoji = "\\ud83d\\ude00";
    let (title, message, data) =
        (emoji.repeat(200), emoji.repeat(2_000), "\\u0061".repeat(16 * 1024 - r#"{"d":""}"#.len()));
    let body = format!(
        r#"{{"to":["all"],"type":"NEWS","title":"{title}","message":"{message}","data":{{"d":"{data}"}}}}"#
    );
    let request = post(NOTIFICATIONS, KEY).insert_header(("Content-Type", "application/json"));
    let answer = desk.call(request.set_payload(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}
