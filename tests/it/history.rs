//! The inbox over HTTP.

use carillon_tests::users::{ann, ben, eve};
use carillon_tests::{Clinic, User};
use serde_json::{Value, json};

async fn get(clinic: &Clinic, who: &User, path: &str) -> Value {
    clinic.http.get(path).by(who).send().await.expect(200)
}

fn titles(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_list_is_newest_first_and_paged() {
    let clinic = Clinic::open().await;
    for number in 0..45 {
        clinic.tell(&ann(), &format!("{number}")).await;
    }
    clinic.tell(&ben(), "for Ben").await;
    let first = get(&clinic, &ann(), "/api/v1/notifications").await;
    assert_eq!(titles(&first).len(), 20);
    assert_eq!(first["unread"], 45);
    let (mut seen, mut path) = (Vec::new(), "/api/v1/notifications?limit=13".to_owned());
    loop {
        let page = get(&clinic, &ann(), &path).await;
        seen.extend(titles(&page).into_iter().map(str::to_owned));
        let Some(next) = page["page"]["next"].as_str() else { break };
        path = format!("/api/v1/notifications?limit=13&before={next}");
    }
    assert_eq!(seen, (0..45).rev().map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(
        get(&clinic, &eve(), "/api/v1/notifications").await,
        json!({"items": [], "page": {"next": null}, "unread": 0})
    );
}

#[tokio::test]
async fn the_list_is_filtered_by_status_and_counted() {
    let clinic = Clinic::open().await;
    let mut ids = Vec::new();
    for title in ["a", "b", "c"] {
        ids.push(clinic.tell(&ann(), title).await);
    }
    let body = json!({"ids": [ids[1]]});
    let answer = clinic.http.post("/api/v1/notifications/read", &body).by(&ann()).send().await.expect(200);
    assert_eq!(answer, json!({"unread": 2}));
    for (status, expected) in [("all", vec!["c", "b", "a"]), ("unread", vec!["c", "a"]), ("read", vec!["b"])]
    {
        let page = get(&clinic, &ann(), &format!("/api/v1/notifications?status={status}")).await;
        assert_eq!((titles(&page), &page["unread"]), (expected, &json!(2)), "{status}");
    }
    assert_eq!(get(&clinic, &ann(), "/api/v1/notifications/unread-count").await, json!({"unread": 2}));
}

#[tokio::test]
async fn one_notification_is_read_and_made_unread_by_its_address() {
    let clinic = Clinic::open().await;
    let id = clinic.tell(&ann(), "Hello").await;
    let path = format!("/api/v1/notifications/{id}");
    let patch =
        |is_read: bool| clinic.http.call("PATCH", &path).json(&json!({"isRead": is_read})).by(&ann()).send();
    let fresh = get(&clinic, &ann(), &path).await;
    assert_eq!((&fresh["id"], &fresh["isRead"], &fresh["readAt"]), (&json!(id), &json!(false), &Value::Null));
    patch(true).await.expect(200);
    let read = get(&clinic, &ann(), &path).await;
    assert_eq!((&read["isRead"], &read["updatedAt"]), (&json!(true), &read["readAt"]));
    assert!(read["readAt"].is_string());
    patch(false).await.expect(200);
    assert_eq!(get(&clinic, &ann(), &path).await, fresh);
}

#[tokio::test]
async fn the_notifications_of_others_are_not_found() {
    let clinic = Clinic::open().await;
    let id = clinic.tell(&ann(), "for Ann").await;
    for stranger in [ben(), eve()] {
        let path = format!("/api/v1/notifications/{id}");
        clinic.http.get(&path).by(&stranger).send().await.expect_problem(404, "not_found", "");
        let patch = clinic.http.call("PATCH", &path).json(&json!({"isRead": true})).by(&stranger);
        patch.send().await.expect_problem(404, "not_found", "");
        for body in [json!({"ids": [id]}), json!({"upTo": id})] {
            let read = clinic.http.post("/api/v1/notifications/read", &body).by(&stranger);
            read.send().await.expect_problem(404, "not_found", "");
        }
        let list = clinic.http.get(&format!("/api/v1/notifications?before={id}")).by(&stranger);
        list.send().await.expect_problem(404, "not_found", "");
    }
    assert_eq!(get(&clinic, &ann(), "/api/v1/notifications/unread-count").await, json!({"unread": 1}));
}

/// An expired one was heard when it was fresh; afterwards it is neither listed nor counted.
#[tokio::test]
async fn an_expired_notification_is_gone_from_the_inbox() {
    let clinic = Clinic::open().await;
    let mut client = clinic.online(&ann()).await;
    let soon = |title: &str, expires: Value| {
        let mut body = carillon_tests::clinic::note(&["user:ann"], title);
        body["expiresAt"] = expires;
        clinic.http.post("/api/v1/notifications", &body).with_key().send()
    };
    soon("stays", Value::Null).await.expect(201);
    let stays = client.notification().await;
    // Two seconds after the server's own clock, as the first notification tells it.
    let created = stays["createdAt"].as_str().unwrap();
    soon("goes", json!(two_seconds_after(created))).await.expect(201);
    assert_eq!(client.notification().await["title"], "goes");
    let both = get(&clinic, &ann(), "/api/v1/notifications").await;
    assert_eq!((titles(&both), &both["unread"]), (vec!["goes", "stays"], &json!(2)));
    let patience = std::time::Instant::now();
    loop {
        let now = get(&clinic, &ann(), "/api/v1/notifications").await;
        if titles(&now) == ["stays"] {
            assert_eq!(now["unread"], 1);
            break;
        }
        assert_eq!(now, both);
        assert!(patience.elapsed() < carillon_tests::PATIENCE, "it never expired");
    }
}

/// Adds to the seconds of `…T19:27:00.123Z`, near the end of a minute to the minutes.
fn two_seconds_after(timestamp: &str) -> String {
    let field = |range: std::ops::Range<usize>| timestamp[range].parse::<u32>().unwrap();
    let (hours, minutes, seconds) = (field(11..13), field(14..16), field(17..19));
    let total = hours * 3600 + minutes * 60 + seconds + 2;
    assert!(total < 86_400, "this test cannot run across midnight");
    format!("{}T{:02}:{:02}:{:02}Z", &timestamp[..10], total / 3600, total / 60 % 60, total % 60)
}
