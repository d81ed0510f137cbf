//! Read and unread, told to the reader's other tabs and to them alone.

use carillon_tests::users::{ann, ben};
use carillon_tests::{Client, Clinic};
use serde_json::{Value, json};

/// Ann with two tabs that have heard `N` notifications; Ben with one.
async fn two_tabs<const N: usize>(clinic: &Clinic) -> (Client, Client, Client, [String; N]) {
    let (mut acting, mut other) = (clinic.online(&ann()).await, clinic.online(&ann()).await);
    let ben = clinic.online(&ben()).await;
    let mut ids = [const { String::new() }; N];
    for id in &mut ids {
        *id = clinic.tell(&ann(), "Hello").await;
        assert_eq!(acting.notification().await["id"], **id);
        assert_eq!(other.notification().await["id"], **id);
    }
    (acting, other, ben, ids)
}

async fn unread(client: &Client, of: &[&String]) {
    let listed = client.ask("notification:list", json!({"status": "unread", "limit": 100})).await;
    let ids: Vec<_> =
        listed["items"].as_array().unwrap().iter().rev().map(|item| item["id"].clone()).collect();
    assert_eq!(json!(ids), json!(of));
    assert_eq!(listed["unread"], json!(of.len()));
}

#[tokio::test]
async fn read_by_id() {
    let clinic = Clinic::open().await;
    let (mut acting, mut other, mut ben, [a, b, c]) = two_tabs(&clinic).await;
    let answer = acting.ask("notification:read", json!({"ids": [a, c]})).await;
    assert_eq!(answer, json!({"ok": true, "unread": 1}));
    assert_eq!(other.hears("notification:read").await, [json!({"ids": [a, c], "unread": 1})]);
    unread(&acting, &[&b]).await;
    let listed = acting.ask("notification:list", json!({"status": "read"})).await;
    for item in listed["items"].as_array().unwrap() {
        assert_eq!((&item["isRead"], &item["updatedAt"]), (&json!(true), &item["readAt"]), "{item}");
        assert!(item["readAt"].as_str() >= item["createdAt"].as_str(), "{item}");
    }
    // Again: the same, and the time of reading stays the first.
    let again = acting.ask("notification:read", json!({"ids": [a, c]})).await;
    assert_eq!(again["unread"], 1);
    assert_eq!(acting.ask("notification:list", json!({"status": "read"})).await, listed);
    assert_eq!(other.hears("notification:read").await[0]["unread"], 1);
    clinic.hears_nothing([&mut acting, &mut other, &mut ben]).await;
}

#[tokio::test]
async fn read_up_to_one_leaves_the_newer_unread() {
    let clinic = Clinic::open().await;
    let (mut acting, mut other, mut ben, [_a, b, c]) = two_tabs(&clinic).await;
    let answer = acting.ask("notification:read", json!({"upTo": b})).await;
    assert_eq!(answer, json!({"ok": true, "unread": 1}));
    assert_eq!(other.hears("notification:read").await, [json!({"upTo": b, "unread": 1})]);
    unread(&acting, &[&c]).await;
    clinic.hears_nothing([&mut acting, &mut other, &mut ben]).await;
}

#[tokio::test]
async fn read_all_leaves_a_newcomer_unread() {
    let clinic = Clinic::open().await;
    let (mut acting, mut other, mut ben, [_a, _b, c]) = two_tabs(&clinic).await;
    let answer = acting.ask("notification:read", json!({"all": true})).await;
    assert_eq!(answer, json!({"ok": true, "unread": 0}));
    // The other tab is told up to where, so that it does not mark what comes after.
    assert_eq!(other.hears("notification:read").await, [json!({"upTo": c, "unread": 0})]);
    let newcomer = clinic.tell(&ann(), "Newcomer").await;
    assert_eq!(other.notification().await["id"], *newcomer);
    unread(&other, &[&newcomer]).await;
    assert_eq!(acting.notification().await["id"], *newcomer);
    clinic.hears_nothing([&mut acting, &mut other, &mut ben]).await;
}

#[tokio::test]
async fn read_again_becomes_unread() {
    let clinic = Clinic::open().await;
    let (mut acting, mut other, mut ben, [a, b]) = two_tabs(&clinic).await;
    acting.ask("notification:read", json!({"all": true})).await;
    other.hears("notification:read").await;
    let answer = acting.ask("notification:unread", json!({"ids": [a]})).await;
    assert_eq!(answer, json!({"ok": true, "unread": 1}));
    assert_eq!(other.hears("notification:unread").await, [json!({"ids": [a], "unread": 1})]);
    unread(&acting, &[&a]).await;
    assert_eq!(acting.ask("notification:read", json!({"ids": [a]})).await["unread"], 0);
    assert_eq!(other.hears("notification:read").await, [json!({"ids": [a], "unread": 0})]);
    unread(&acting, &[]).await;
    clinic.hears_nothing([&mut acting, &mut other, &mut ben]).await;
    drop(b);
}

/// Over HTTP there is no acting socket: every tab is told.
#[tokio::test]
async fn marks_over_http_are_told_to_every_tab() {
    let clinic = Clinic::open().await;
    let (mut one, mut two, mut ben, [a, b, c]) = two_tabs(&clinic).await;
    let mark = |body: Value| clinic.http.post("/api/v1/notifications/read", &body).by(&ann());
    let patch = |id: &str, is_read: bool| {
        let path = format!("/api/v1/notifications/{id}");
        clinic.http.call("PATCH", &path).json(&json!({"isRead": is_read})).by(&ann())
    };
    let told = [
        (mark(json!({"ids": [a]})), "notification:read", json!({"ids": [a], "unread": 2})),
        (mark(json!({"upTo": b})), "notification:read", json!({"upTo": b, "unread": 1})),
        (patch(&b, false), "notification:unread", json!({"ids": [b], "unread": 2})),
        (patch(&c, true), "notification:read", json!({"ids": [c], "unread": 1})),
        (mark(json!({"all": true})), "notification:read", json!({"upTo": c, "unread": 0})),
    ];
    for (call, event, payload) in told {
        assert_eq!(call.send().await.status, 200, "{payload}");
        assert_eq!(one.hears(event).await, std::slice::from_ref(&payload));
        assert_eq!(two.hears(event).await, [payload]);
    }
    clinic.hears_nothing([&mut one, &mut two, &mut ben]).await;
}

#[tokio::test]
async fn what_one_reads_in_a_shared_room_stays_unread_for_the_others() {
    let clinic = Clinic::open().await;
    let (mut ann, mut ben) = (clinic.online(&ann()).await, clinic.online(&ben()).await);
    clinic.notify(&["role:patient"], "for all patients").await;
    let heard = ann.notification().await;
    assert_eq!(ben.notification().await, heard);
    assert_eq!(ann.ask("notification:read", json!({"ids": [heard["id"]]})).await["unread"], 0);
    let listed = ben.ask("notification:list", json!({})).await;
    assert_eq!((&listed["unread"], &listed["items"][0]["isRead"]), (&json!(1), &json!(false)));
    clinic.hears_nothing([&mut ann, &mut ben]).await;
}
