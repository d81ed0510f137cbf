//! What a connected client is told, and what it can ask about its inbox.

use carillon_tests::users::{ann, ben, eve};
use carillon_tests::{Clinic, Connect};
use serde_json::{Value, json};

/// `2026-11-22T19:27:00.123Z`.
fn is_timestamp(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

/// `<epoch in base36>.<position in base36>`.
fn is_offset(value: &Value) -> bool {
    let base36 =
        |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase());
    value
        .as_str()
        .and_then(|text| text.split_once('.'))
        .is_some_and(|(epoch, at)| base36(epoch) && base36(at))
}

#[tokio::test]
async fn the_first_event_is_the_state_of_the_inbox() {
    let clinic = Clinic::open().await;
    for unread in 0..3 {
        let mut client = clinic.client(Connect::by(&ann())).await;
        client.life().await;
        let args = client.hears("inbox:state").await;
        assert!(args.len() == 2 && is_offset(&args[1]), "{args:?}");
        let state = args[0].as_object().unwrap();
        assert_eq!(state.keys().collect::<Vec<_>>(), ["recovered", "serverTime", "unread"]);
        assert_eq!((&state["unread"], &state["recovered"]), (&json!(unread), &json!(false)));
        assert!(is_timestamp(&state["serverTime"]), "{state:?}");
        clinic.tell(&ann(), "one more").await;
    }
}

#[tokio::test]
async fn a_notification_has_every_field_and_the_listing_the_same() {
    let clinic = Clinic::open().await;
    let mut client = clinic.online(&ann()).await;
    let sent = json!({
        "to": ["user:ann"], "type": "LAB_RESULT", "title": "Your results", "message": "They are in.\nHave a look.",
        "data": {"labId": 7, "nested": {"list": [1, 2.5, null, true, "x"]}}, "priority": "urgent",
        "actionUrl": "/dashboard/results/7?tab=1#top", "expiresAt": "2099-01-02T03:04:05Z"
    });
    let answer = clinic.http.post("/api/v1/notifications", &sent).with_key().send().await;
    let id = answer.expect(201)["notifications"][0]["id"].clone();
    let args = client.hears("notification").await;
    assert!(args.len() == 2 && is_offset(&args[1]), "{args:?}");
    let heard = args[0].clone();
    let created = heard["createdAt"].clone();
    assert!(is_timestamp(&created), "{created}");
    let expected = json!({
        "id": id, "event": null, "type": "LAB_RESULT", "title": sent["title"], "message": sent["message"],
        "data": sent["data"], "priority": "urgent", "actionUrl": sent["actionUrl"], "isRead": false, "readAt": null,
        "createdAt": created, "updatedAt": created, "expiresAt": "2099-01-02T03:04:05.000Z", "timestamp": created
    });
    assert_eq!(heard, expected);
    let listed = client.ask("notification:list", json!({})).await;
    assert_eq!(listed, json!({"ok": true, "items": [expected], "page": {"next": null}, "unread": 1}));
}

#[tokio::test]
async fn what_the_publisher_leaves_out_has_its_default() {
    let clinic = Clinic::open().await;
    let mut client = clinic.online(&ann()).await;
    let published = clinic.tell(&ann(), "Plain").await;
    let heard = client.notification().await;
    let created = heard["createdAt"].clone();
    let expected = json!({
        "id": published, "event": null, "type": "NOTE", "title": "Plain", "message": "A note.", "data": {},
        "priority": "medium", "actionUrl": null, "isRead": false, "readAt": null, "createdAt": created,
        "updatedAt": created, "expiresAt": null, "timestamp": created
    });
    assert_eq!(heard, expected);

    let body = json!({
        "event": "prescription:created", "data": {"prescriptionId": "rx", "patientId": "ann"}, "title": "Mine",
        "message": "My own words.", "actionUrl": "https://clinic.example/rx", "priority": "low"
    });
    clinic.http.post("/api/v1/events", &body).with_key().send().await.expect(201);
    let heard = client.notification().await;
    for (field, value) in [
        ("event", &body["event"]),
        ("title", &body["title"]),
        ("message", &body["message"]),
        ("actionUrl", &body["actionUrl"]),
        ("priority", &body["priority"]),
        ("data", &body["data"]),
        ("type", &json!("PRESCRIPTION_CREATED")),
    ] {
        assert_eq!(&heard[field], value, "{field}");
    }
}

#[tokio::test]
async fn every_tab_hears_each_notification_once() {
    let clinic = Clinic::open().await;
    let mut tabs = [clinic.online(&ann()).await, clinic.online(&ann()).await, clinic.online(&ann()).await];
    let mut polling = clinic.client(Connect::by(&ann()).over(&["polling"])).await;
    polling.connected().await;
    let mut ben = clinic.online(&ben()).await;
    for number in 0..20 {
        let id = clinic.tell(&ann(), &format!("{number}")).await;
        for tab in tabs.iter_mut().chain([&mut polling]) {
            assert_eq!(tab.notification().await["id"], *id);
        }
    }
    let [one, two, three] = tabs.each_mut();
    clinic.hears_nothing([one, two, three, &mut polling, &mut ben]).await;
    // One that leaves takes nothing from the others.
    tabs[0].leave().await;
    tabs[0].disconnected().await;
    clinic.hears_nothing([&mut tabs[1], &mut polling]).await;
}

#[tokio::test]
async fn notifications_come_in_the_order_of_their_acceptance() {
    let clinic = Clinic::open().await;
    let mut client = clinic.online(&ann()).await;
    let items: Vec<Value> =
        (0..1000).map(|n| carillon_tests::clinic::note(&["user:ann"], &format!("{n}"))).collect();
    let batch = clinic.http.post("/api/v1/notifications/batch", &json!({"items": items})).with_key();
    batch.send().await.expect(207);
    let mut offsets = Vec::new();
    for number in 0..1000 {
        let args = client.hears("notification").await;
        assert_eq!(args[0]["title"], format!("{number}"));
        let offset = args[1].as_str().unwrap().rsplit('.').next().unwrap();
        offsets.push(u64::from_str_radix(offset, 36).unwrap());
    }
    assert!(offsets.is_sorted_by(|a, b| a < b), "{offsets:?}");
}

#[tokio::test]
async fn the_list_is_paged_over_the_socket() {
    let clinic = Clinic::open().await;
    let client = clinic.online(&ann()).await;
    for number in 0..25 {
        clinic.tell(&ann(), &format!("{number}")).await;
    }
    let (mut before, mut titles) = (Value::Null, Vec::new());
    for expected in [10, 10, 5] {
        let page = client.ask("notification:list", json!({"limit": 10, "before": before})).await;
        let items = page["items"].as_array().unwrap();
        assert_eq!((items.len(), &page["unread"]), (expected, &json!(25)));
        titles.extend(items.iter().map(|item| item["title"].as_str().unwrap().to_owned()));
        before = page["page"]["next"].clone();
    }
    assert_eq!(before, Value::Null, "there is nothing after the last page");
    assert_eq!(titles, (0..25).rev().map(|n| n.to_string()).collect::<Vec<_>>());
    // Without a limit: 20. Without an argument at all: the same.
    let page = client.ask("notification:list", json!({})).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 20);
    assert_eq!(client.ask_with("notification:list", vec![]).await, page);
}

#[tokio::test]
async fn a_wrong_question_is_answered_with_what_is_wrong() {
    let clinic = Clinic::open().await;
    let mut client = clinic.online(&ann()).await;
    let mine = clinic.tell(&ann(), "mine").await;
    client.notification().await;
    let bens = clinic.tell(&ben(), "not hers").await;
    let nobodys = "0198f3a0-0000-7000-8000-000000000000";
    let wrong = [
        ("notification:list", json!({"limit": 0}), "bad_request"),
        ("notification:list", json!({"limit": 101}), "bad_request"),
        ("notification:list", json!({"limit": "ten"}), "bad_request"),
        ("notification:list", json!({"status": "new"}), "bad_request"),
        ("notification:list", json!({"before": "x"}), "bad_request"),
        ("notification:list", json!({"page": 2}), "bad_request"),
        ("notification:list", json!({"before": bens}), "not_found"),
        ("notification:read", json!({}), "bad_request"),
        ("notification:read", json!({"ids": []}), "bad_request"),
        ("notification:read", json!({"ids": "x"}), "bad_request"),
        ("notification:read", json!({"ids": [mine], "all": true}), "bad_request"),
        ("notification:read", json!({"all": false}), "bad_request"),
        ("notification:read", json!("all"), "bad_request"),
        ("notification:read", Value::Null, "bad_request"),
        ("notification:read", json!({"ids": [mine, bens]}), "not_found"),
        ("notification:read", json!({"upTo": nobodys}), "not_found"),
        ("notification:unread", json!({"all": true}), "bad_request"),
        ("notification:unread", json!({"ids": [nobodys]}), "not_found"),
        ("notification:delete", json!({"ids": [mine]}), "unknown_event"),
        ("toString", json!({}), "unknown_event"),
        ("__proto__", json!({}), "unknown_event"),
    ];
    for (event, argument, code) in wrong {
        let answer = client.ask(event, argument.clone()).await;
        assert_eq!(answer["ok"], false, "{event} {argument}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{event} {argument}: {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    }
    // None of it had an effect, and the connection is still good.
    assert_eq!(client.ask("notification:list", json!({})).await["unread"], 1);
    clinic.hears_nothing([&mut client]).await;
}

#[tokio::test]
async fn events_that_ask_for_no_answer_take_effect_all_the_same() {
    let clinic = Clinic::open().await;
    let (mut one, mut other) = (clinic.online(&ann()).await, clinic.online(&ann()).await);
    let id = clinic.tell(&ann(), "Hello").await;
    one.notification().await;
    other.notification().await;
    one.say("notification:read", json!({"ids": ["nonsense"]})).await;
    one.say("no-such-event", json!({})).await;
    one.say("notification:read", json!({"ids": [id]})).await;
    assert_eq!(other.hears("notification:read").await, [json!({"ids": [id], "unread": 0})]);
    clinic.hears_nothing([&mut one, &mut other]).await;
}

#[tokio::test]
async fn a_newcomer_sees_of_a_shared_room_what_came_since_the_first_visit() {
    let clinic = Clinic::open().await;
    clinic.notify(&["role:admin"], "before Eve").await;
    clinic.tell(&eve(), "to Eve herself").await;
    let eve = clinic.online(&eve()).await;
    clinic.notify(&["role:admin"], "since Eve").await;
    let listed = eve.ask("notification:list", json!({})).await;
    let titles: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| &item["title"]).collect();
    assert_eq!(titles, ["since Eve", "to Eve herself"]);
}
