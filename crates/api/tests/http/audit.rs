use carillon_domain::ports::Audit as _;
use carillon_domain::{AuditQuery, AuditSince};
use serde_json::json;

use crate::desk::{Desk, KEY, get, post};

const ALL: AuditQuery = AuditQuery { since: AuditSince::Entry(0), limit: 100 };

fn blocking(user: &str, status: &str) -> serde_json::Value {
    json!({"event": "user:status_changed", "title": "private", "data": {"userId": user, "status": status}})
}

#[actix_web::test]
async fn who_blocked_whom_is_noted_and_listed_to_admins() {
    let desk = Desk::new();
    for (token, user, status) in
        [(KEY, "42", "BLOCKED"), ("admin.1", "43", "BLOCKED"), ("admin.1", "42", "ACTIVE")]
    {
        let answer = desk.call(post("/api/v1/events", token).set_json(blocking(user, status))).await;
        assert_eq!(answer.status, 201);
    }
    desk.publish(&["user:42"]).await;
    let answer = desk.call(get("/api/v1/audit", "admin.1")).await;
    let entry = |id: u64, actor: &str, subject: &str, status: &str| {
        json!({"id": id, "at": "2026-11-22T12:00:00.000Z", "actor": actor, "action": "user.status_changed",
            "subject": subject, "detail": {"status": status}})
    };
    let items = [
        entry(1, "booking", "42", "BLOCKED"),
        entry(2, "user:1", "43", "BLOCKED"),
        entry(3, "user:1", "42", "ACTIVE"),
    ];
    assert_eq!((answer.status, answer.body), (200, json!({"items": items, "page": {"next": null}})));

    let page = desk.call(get("/api/v1/audit?since=1&limit=1", "admin.1")).await.body;
    assert_eq!(page, json!({"items": [items[1]], "page": {"next": 2}}));
    let later = desk.call(get("/api/v1/audit?since=2026-11-22T12:00:00.001Z", "super_admin.2")).await.body;
    assert_eq!(later, json!({"items": [], "page": {"next": null}}));
}

#[actix_web::test]
async fn the_audit_table_is_for_admins_and_queries_are_checked() {
    let desk = Desk::new();
    for token in [KEY, "doctor.1", "patient.1"] {
        let status = desk.call(get("/api/v1/audit", token)).await.status;
        assert_eq!(status, if token == KEY { 401 } else { 403 });
    }
    let answer = desk.call(get("/api/v1/audit?since=soon&limit=0", "admin.1")).await;
    assert_eq!((answer.status, answer.pointers()), (422, vec!["/since", "/limit"]));
    desk.mood.fail_after(0);
    assert_eq!(desk.call(get("/api/v1/audit", "admin.1")).await.status, 503);
}

/// A change that could not be noted is not answered as done; sent again with its key it is published once and noted once.
#[actix_web::test]
async fn what_could_not_be_noted_is_sent_again() {
    let desk = Desk::new();
    // The append works, and nothing after it.
    desk.mood.fail_after(1);
    let publish = || {
        post("/api/v1/events", KEY)
            .insert_header(("Idempotency-Key", "k"))
            .set_json(blocking("42", "BLOCKED"))
    };
    assert_eq!(desk.call(publish()).await.status, 503);
    assert_eq!((desk.rows().await, desk.audit.entries(ALL).await.unwrap().len()), (1, 0));
    desk.mood.fail_after(9);
    for _ in 0..2 {
        let answer = desk.call(publish()).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, Some("true")));
    }
    assert_eq!((desk.rows().await, desk.audit.entries(ALL).await.unwrap().len()), (1, 1));
}
