use carillon_domain::Position;
use carillon_domain::ports::{Inbox as _, Log as _};
use carillon_domain::testing::{instant, principal};
use serde_json::{Value, json};

use crate::desk::{Answer, Desk, KEY, get, post};

const ADMIN: &str = "admin.1";
const ROUTE: &str = "/api/v1/broadcasts";

fn text(more: &Value) -> Value {
    let mut body = json!({"kind": "announcement", "title": "Closed", "message": "On Monday."});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn create(desk: &Desk, more: Value) -> Value {
    let answer = desk.call(post(ROUTE, ADMIN).set_json(text(&more))).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body
}

async fn call(desk: &Desk, method: &str, broadcast: &Value, more: &str, body: Option<Value>) -> Answer {
    let uri = format!("{ROUTE}/{}{more}", broadcast["id"].as_str().unwrap());
    let method = method.parse().unwrap();
    let request = get(&uri, ADMIN).method(method);
    desk.call(if let Some(body) = body { request.set_json(body) } else { request }).await
}

#[actix_web::test]
async fn one_without_a_time_is_sent_at_once_as_one_row() {
    let desk = Desk::new();
    let made = create(&desk, json!({"kind": "emergency", "actionUrl": "/safety"})).await;
    let now = "2026-11-22T12:00:00.000Z";
    let expected = json!({
        "id": made["id"], "status": "sent", "version": 1, "kind": "emergency", "title": "Closed", "message": "On Monday.",
        "audience": ["all"], "actionUrl": "/safety", "publishAt": now, "startsAt": null, "endsAt": null,
        "expiresAt": null, "late": false, "sentAt": now, "createdBy": "user:1", "createdAt": now, "updatedAt": now,
    });
    assert_eq!(made, expected);
    assert_eq!(call(&desk, "GET", &made, "", None).await.body, expected);
    let rows = desk.log.read(Position::START, 9).await.unwrap().rows;
    assert_eq!((rows.len(), rows[0].room.as_str()), (1, "all"));
    // It can be looked up as any other publish.
    let uri = format!("/api/v1/events/{}", made["id"].as_str().unwrap());
    let explained = desk.call(get(&uri, ADMIN)).await;
    assert_eq!(explained.body["notifications"][0]["room"], "all");
    let inbox = desk.call(get("/api/v1/notifications", "patient.2")).await.body;
    assert_eq!(inbox["items"], json!([]), "nothing from before the first visit");
}

#[actix_web::test]
async fn maintenance_says_from_when_to_when() {
    let desk = Desk::new();
    desk.call(get("/api/v1/notifications", "doctor.2")).await;
    let span = json!({"kind": "maintenance", "startsAt": instant(60).to_string(), "endsAt": instant(120).to_string()});
    let made = create(&desk, span.clone()).await;
    let item = desk.call(get("/api/v1/notifications", "doctor.2")).await.body["items"][0].clone();
    let data = json!({"broadcastId": made["id"], "startsAt": span["startsAt"], "endsAt": span["endsAt"]});
    assert_eq!(
        (&item["type"], &item["priority"], &item["data"]),
        (&json!("MAINTENANCE"), &json!("high"), &data)
    );
}

#[actix_web::test]
async fn a_key_makes_one_broadcast() {
    let desk = Desk::new();
    let send = |more: Value| post(ROUTE, ADMIN).insert_header(("Idempotency-Key", "k")).set_json(text(&more));
    let first = desk.call(send(json!({}))).await;
    let again = desk.call(send(json!({}))).await;
    assert_eq!(
        (first.header("idempotency-replayed"), again.header("idempotency-replayed")),
        (None, Some("true"))
    );
    assert_eq!((again.status, &again.body["id"]), (201, &first.body["id"]));
    let other = desk.call(send(json!({"title": "Open"}))).await;
    assert_eq!((other.status, other.code()), (422, "idempotency_mismatch"));
    assert_eq!(desk.rows().await, 1);
}

#[actix_web::test]
async fn a_scheduled_one_is_changed_and_called_off_by_version() {
    let desk = Desk::new();
    let made =
        create(&desk, json!({"publishAt": instant(60).to_string(), "audience": ["role:doctor"]})).await;
    assert_eq!((&made["status"], &made["sentAt"]), (&json!("scheduled"), &Value::Null));
    let change = |body| call(&desk, "PATCH", &made, "", Some(body));
    let changed = change(json!({"version": 1, "title": "Open", "publishAt": instant(90).to_string()})).await;
    assert_eq!(
        (changed.status, &changed.body["title"], &changed.body["version"]),
        (200, &json!("Open"), &json!(2))
    );
    assert_eq!((&changed.body["message"], &changed.body["audience"]), (&made["message"], &made["audience"]));
    let stale = change(json!({"version": 1, "title": "x"})).await;
    assert_eq!((stale.status, stale.code()), (409, "version_mismatch"));
    assert_eq!(change(json!({"title": "x"})).await.pointers(), ["/version"]);
    let wrong = change(json!({"version": 2, "publishAt": instant(-1).to_string(), "title": ""})).await;
    assert_eq!((wrong.status, wrong.pointers()), (422, vec!["/title", "/publishAt"]));

    let stale = call(&desk, "DELETE", &made, "?version=1", None).await;
    assert_eq!((stale.status, stale.code()), (409, "version_mismatch"));
    let canceled = call(&desk, "DELETE", &made, "", None).await;
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")));
    for answer in
        [call(&desk, "DELETE", &made, "", None).await, change(json!({"version": 2, "title": "x"})).await]
    {
        assert_eq!((answer.status, answer.code()), (409, "not_scheduled"));
    }
    let sent = create(&desk, json!({})).await;
    assert_eq!(call(&desk, "DELETE", &sent, "", None).await.status, 409);
    assert_eq!(call(&desk, "DELETE", &sent, "?version=one", None).await.pointers(), ["/version"]);
    assert_eq!(call(&desk, "DELETE", &sent, "?versoin=1", None).await.pointers(), ["/versoin"]);
    let audit = desk.call(get("/api/v1/audit", ADMIN)).await.body;
    let noted = |action: &str| {
        let of_it = |entry: &&Value| entry["action"] == action && entry["subject"] == made["id"];
        audit["items"].as_array().unwrap().iter().find(of_it).cloned().unwrap_or_else(|| panic!("{audit}"))
    };
    let detail =
        json!({"version": 1, "fields": ["publishAt", "title"], "publishAt": instant(90).to_string()});
    assert_eq!(noted("broadcast.changed")["detail"], detail);
    assert_eq!(noted("broadcast.created")["actor"], noted("broadcast.canceled")["actor"]);
    let said = audit.to_string();
    assert!(!said.contains("Closed") && !said.contains("Open"), "{said}");
}

#[actix_web::test]
async fn a_listing_filters_and_goes_on() {
    let desk = Desk::new();
    let later = json!({"publishAt": instant(60).to_string()});
    let (a, b) = (create(&desk, later.clone()).await, create(&desk, json!({"kind": "emergency"})).await);
    let c = create(&desk, later).await;
    let ids = async |query: &str| {
        let answer = desk.call(get(&format!("{ROUTE}{query}"), ADMIN)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let ids: Vec<_> =
            answer.body["items"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
        (ids, answer.body["page"]["next"].clone())
    };
    let id = |one: &Value| one["id"].clone();
    assert_eq!(ids("").await, (vec![id(&c), id(&b), id(&a)], Value::Null));
    assert_eq!(ids("?limit=2").await, (vec![id(&c), id(&b)], id(&b)));
    let rest = format!("?limit=2&before={}", b["id"].as_str().unwrap());
    assert_eq!(ids(&rest).await, (vec![id(&a)], Value::Null));
    assert_eq!(ids("?status=sent").await.0, [id(&b)]);
    assert_eq!(ids("?kind=announcement&status=scheduled").await.0, [id(&c), id(&a)]);
    let wrong = desk.call(get(&format!("{ROUTE}?limit=0&before=x&kind=a&status=b&page=2"), ADMIN)).await;
    assert_eq!(wrong.pointers(), ["/limit", "/before", "/kind", "/status", "/page"]);
}

#[actix_web::test]
async fn an_emergency_is_acknowledged_by_those_who_have_it() {
    let desk = Desk::new();
    for user in ["doctor.2", "patient.3", "patient.4"] {
        desk.call(get("/api/v1/notifications", user)).await;
    }
    let made = create(&desk, json!({"kind": "emergency", "audience": ["role:patient", "role:doctor"]})).await;
    let who = desk.log.inbox().enter(&principal("3", carillon_domain::Role::Patient)).await.unwrap();
    let listing =
        desk.log.inbox().list(&who, carillon_domain::ListQuery::default(), instant(0)).await.unwrap();
    let id = listing.unwrap().items[0].notification.id;
    let ack = format!("/api/v1/notifications/{id}/ack");
    for _ in 0..2 {
        let answer = desk.call(post(&ack, "patient.3")).await;
        assert_eq!((answer.status, answer.body), (200, json!({"ackedAt": "2026-11-22T12:00:00.000Z"})));
    }
    for (uri, token) in [(ack.as_str(), "doctor.2"), ("/api/v1/notifications/x/ack", "patient.3")] {
        let answer = desk.call(post(uri, token)).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{uri}");
    }
    let acks = async |query: &str| call(&desk, "GET", &made, &format!("/acks{query}"), None).await;
    let share = |acked: u64, of: u64| json!({"acked": acked, "of": of});
    let recipient = |user: &str, role: &str, at: Value| json!({"userId": user, "role": role, "ackedAt": at});
    let [doctor, third, fourth] = [
        recipient("2", "doctor", Value::Null),
        recipient("3", "patient", json!("2026-11-22T12:00:00.000Z")),
        recipient("4", "patient", Value::Null),
    ];
    let expected = json!({
        "broadcastId": made["id"], "acked": 1, "of": 3, "byRole": {"doctor": share(0, 1), "patient": share(1, 2)},
        "items": [doctor, third, fourth], "page": {"next": null},
    });
    assert_eq!(acks("").await.body, expected);
    let page = acks("?acked=false&limit=1").await.body;
    assert_eq!((&page["items"], &page["page"]["next"]), (&json!([doctor]), &json!("doctor:2")));
    let page = acks("?acked=false&limit=1&after=doctor:2").await.body;
    assert_eq!((&page["items"], &page["page"]["next"]), (&json!([fourth]), &Value::Null));
    assert_eq!(acks("?role=nurse").await.pointers(), ["/role"]);
    let plain = create(&desk, json!({})).await;
    assert_eq!(call(&desk, "GET", &plain, "/acks", None).await.status, 404);
}

#[actix_web::test]
async fn only_admins_have_anything_to_do_with_them() {
    let desk = Desk::new();
    let made = create(&desk, json!({"kind": "emergency", "publishAt": instant(60).to_string()})).await;
    let one = format!("{ROUTE}/{}", made["id"].as_str().unwrap());
    let acks = format!("{one}/acks");
    for (token, status) in [(KEY, 401), ("doctor.1", 403), ("patient.1", 403)] {
        for (method, uri) in [
            ("GET", ROUTE),
            ("POST", ROUTE),
            ("GET", &one),
            ("PATCH", &one),
            ("DELETE", &one),
            ("GET", &acks),
        ] {
            let request = get(uri, token).method(method.parse().unwrap()).set_json(json!({"version": 1}));
            assert_eq!(desk.call(request).await.status, status, "{method} {uri} by {token}");
        }
    }
    for uri in [format!("{ROUTE}/x"), format!("{ROUTE}/01980000-0000-7000-8000-00000000abcd")] {
        let answer = desk.call(get(&uri, ADMIN)).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"));
    }
    assert_eq!(call(&desk, "GET", &made, "", None).await.body["status"], "scheduled");
}

/// After an outage the answers say what became of each.
#[actix_web::test]
async fn what_was_late_or_missed_is_shown() {
    let desk = Desk::new();
    let late = create(&desk, json!({"publishAt": instant(1_000).to_string()})).await;
    let missed = create(&desk, json!({"publishAt": instant(10).to_string()})).await;
    desk.broadcasts.clock.set(instant(4_000));
    let fanout = std::sync::Arc::clone(&desk.fanout);
    desk.broadcasts.broadcaster(fanout).step().await.unwrap();
    let shown = call(&desk, "GET", &late, "", None).await.body;
    assert_eq!((&shown["status"], &shown["late"]), (&json!("sent"), &json!(true)));
    assert_eq!(shown["sentAt"], instant(4_000).to_string());
    let shown = call(&desk, "GET", &missed, "", None).await.body;
    assert_eq!(
        (&shown["status"], &shown["late"], &shown["sentAt"]),
        (&json!("missed"), &json!(false), &Value::Null)
    );
    assert_eq!(desk.rows().await, 1);
}
