//! Erasing a user, over HTTP; and how often a user may ask.

use actix_web::test::TestRequest;
use serde_json::json;

use crate::desk::{Desk, get, post};

fn erase(id: &str, token: &str) -> TestRequest {
    let request = TestRequest::delete().uri(&format!("/api/v1/users/{id}/data"));
    request.insert_header(("Authorization", format!("Bearer {token}")))
}

#[actix_web::test]
async fn an_admin_erases_a_user_and_that_is_noted() {
    let desk = Desk::new();
    let ids = desk.publish(&["user:1", "patient:1", "all", "user:2"]).await;
    assert_eq!(desk.call(erase("1", "admin.9")).await.status, 204);
    for (id, status) in ids.iter().zip([404, 404, 404, 404]) {
        let answer = desk.call(get(&format!("/api/v1/notifications/{id}"), "patient.1")).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    let others = desk.call(get("/api/v1/notifications", "patient.2")).await.body;
    assert_eq!((&others["items"][0]["id"], &others["unread"]), (&json!(ids[3]), &json!(1)));
    let entries = desk.call(get("/api/v1/audit", "admin.9")).await.body;
    let entry = &entries["items"][0];
    let noted = (&entry["actor"], &entry["action"], &entry["subject"], &entry["detail"]);
    assert_eq!(noted, (&json!("user:9"), &json!("user.erased"), &json!("1"), &json!({})));
    // Once more is no harm.
    assert_eq!(desk.call(erase("1", "admin.9")).await.status, 204);
}

#[actix_web::test]
async fn nobody_else_erases_and_a_store_that_is_away_says_so() {
    let desk = Desk::new();
    for (token, status) in [("patient.1", 403), ("doctor.1", 403), ("nobody", 401)] {
        assert_eq!(desk.call(erase("1", token)).await.status, status, "{token}");
    }
    assert_eq!(desk.call(erase("a%20b", "admin.9")).await.status, 404);
    desk.mood.fail_after(0);
    assert_eq!(desk.call(erase("1", "admin.9")).await.code(), "unavailable");
    assert_eq!(desk.rows().await, 0);
}

#[actix_web::test]
async fn each_user_has_a_limit_and_every_answer_tells_what_is_left() {
    let desk = Desk::limited(1, 3);
    let (unread, none) = ("/api/v1/notifications/unread-count", "/api/v1/notifications/none");
    let left = |answer: &crate::desk::Answer| {
        ["ratelimit-limit", "ratelimit-remaining"].map(|name| answer.header(name).unwrap().to_owned())
    };
    for (uri, status, remaining) in [(unread, 200, "2"), (none, 404, "1"), (unread, 200, "0")] {
        let answer = desk.call(get(uri, "patient.1")).await;
        assert_eq!((answer.status, left(&answer)), (status, ["3".to_owned(), remaining.to_owned()]));
    }
    let refused =
        desk.call(post("/api/v1/notifications/read", "patient.1").set_json(json!({"all": true}))).await;
    assert_eq!(
        (refused.status, refused.code(), refused.header("retry-after")),
        (429, "rate_limited", Some("1"))
    );
    assert_eq!(left(&refused), ["3", "0"]);
    // The next one has not been here yet; and who is nobody has no limit to be told of.
    assert_eq!(desk.call(get(unread, "patient.2")).await.status, 200);
    assert_eq!(desk.call(get(unread, "expired")).await.header("ratelimit-limit"), None);
}
