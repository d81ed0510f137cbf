use serde_json::json;

use super::*;
use crate::ROUTES;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn pointers(faults: &Faults) -> Vec<&str> {
    faults.iter().map(|fault| fault.pointer.as_str()).collect()
}

fn direct(change: impl FnOnce(&mut Map<String, Value>)) -> Result<Draft, Faults> {
    let mut body = json!({"to": ["user:42"], "type": "NEWS", "title": "t", "message": "m"});
    change(body.as_object_mut().unwrap());
    Draft::parse_notification(body, now())
}

/// The contract's routing table once more, by hand: `data` holds every field any event could need.
#[test]
fn every_event_goes_to_the_rooms_of_the_contract() {
    let data = json!({
        "appointmentId": "a", "paymentId": "b", "prescriptionId": "c", "reviewId": "d", "scheduleId": "e",
        "doctorId": "D", "patientId": "P", "userId": "U", "status": "BLOCKED",
    });
    let expected: [(&str, &[&str], Priority); 8] = [
        ("appointment:created", &["doctor:D", "role:admin"], Priority::High),
        ("appointment:updated", &["patient:P", "doctor:D", "role:admin"], Priority::High),
        ("appointment:canceled", &["patient:P", "doctor:D", "role:admin"], Priority::High),
        ("payment:completed", &["patient:P", "role:admin"], Priority::High),
        ("prescription:created", &["patient:P"], Priority::Medium),
        ("review:created", &["doctor:D", "role:admin"], Priority::Low),
        ("schedule:updated", &["role:admin"], Priority::Medium),
        ("user:status_changed", &["user:U"], Priority::High),
    ];
    for (event, rooms, priority) in expected {
        let draft = Draft::parse_event(json!({"event": event, "data": data})).unwrap();
        let names: Vec<&str> = draft.rooms().iter().map(Room::as_str).collect();
        assert_eq!(names, rooms, "{event}");
        assert_eq!(draft.priority, priority, "{event}");
        assert_eq!(draft.kind.as_str(), event.replace(':', "_").to_uppercase());
    }
}

#[test]
fn each_event_names_every_field_it_lacks() {
    for route in &ROUTES {
        let faults = Draft::parse_event(json!({"event": route.name, "data": {}})).unwrap_err();
        let expected: Vec<String> = route.needs.iter().map(|field| format!("/data/{field}")).collect();
        assert_eq!(pointers(&faults), expected, "{}", route.name);
        // No data at all says the same.
        assert_eq!(Draft::parse_event(json!({"event": route.name})).unwrap_err(), faults);
    }
}

#[test]
fn a_publisher_may_override_the_defaults_and_ids_may_be_integers() {
    let body = json!({
        "event": "payment:completed", "data": {"paymentId": 7, "patientId": 42.0},
        "title": "Paid", "message": "", "priority": "low", "actionUrl": "/payments/7",
    });
    let draft = Draft::parse_event(body).unwrap();
    assert_eq!(draft.rooms()[0].as_str(), "patient:42");
    assert_eq!((draft.title.as_str(), draft.message.as_str(), draft.priority), ("Paid", "", Priority::Low));
    assert_eq!(draft.data.as_str(), r#"{"patientId":42.0,"paymentId":7}"#);
    for wrong in [json!(42.5), json!(1e16), json!(-9_223_372_036_854_775_809.0)] {
        let body = json!({"event": "payment:completed", "data": {"paymentId": 7, "patientId": wrong}});
        assert_eq!(pointers(&Draft::parse_event(body).unwrap_err()), ["/data/patientId"]);
    }
}

#[test]
fn all_faults_of_a_body_are_named_at_once() {
    let body = json!({
        "event": "user:status_changed", "data": {"userId": "a b", "status": "GONE"}, "title": "",
        "priority": "top", "actionUrl": 3, "colour": "red",
    });
    assert_eq!(
        pointers(&Draft::parse_event(body).unwrap_err()),
        ["/data/userId", "/data/status", "/title", "/actionUrl", "/priority", "/colour"]
    );
    assert_eq!(pointers(&Draft::parse_event(json!([])).unwrap_err()), [""]);
    assert_eq!(pointers(&Draft::parse_event(json!({"event": "x"})).unwrap_err()), ["/event"]);
    let faults = Draft::parse_notification(json!({}), now()).unwrap_err();
    assert_eq!(pointers(&faults), ["/to", "/type", "/title", "/message"]);
}

#[test]
fn rooms_are_1_to_20_and_repeated_ones_count_once() {
    let rooms = |n: usize| (0..n).map(|i| json!(format!("user:{i}"))).collect::<Vec<_>>();
    assert_eq!(direct(|b| b["to"] = rooms(20).into()).unwrap().rooms().len(), 20);
    assert_eq!(direct(|b| b["to"] = json!(["all", "all", "user:1"])).unwrap().rooms().len(), 2);
    for (to, pointer) in [
        (json!(rooms(21)), "/to"),
        (json!([]), "/to"),
        (json!("all"), "/to"),
        (json!(["all", null]), "/to/1"),
        (json!(["everyone"]), "/to/0"),
    ] {
        assert_eq!(pointers(&direct(|b| b["to"] = to.clone()).unwrap_err()), [pointer], "{to}");
    }
}

#[test]
fn texts_are_bounded_in_characters_and_otherwise_left_alone() {
    let markup = "<img src=x onerror=alert(1)> \u{202e}gnp.exe \u{200b}";
    assert_eq!(direct(|b| b["title"] = markup.into()).unwrap().title, markup);
    assert!(direct(|b| b["title"] = "é".repeat(200).into()).is_ok());
    assert!(direct(|b| b["title"] = "é".repeat(201).into()).is_err());
    assert!(direct(|b| b["message"] = "x".repeat(2_000).into()).is_ok());
    assert!(direct(|b| b["message"] = "x".repeat(2_001).into()).is_err());
    assert!(direct(|b| b["title"] = "a\0b".into()).is_err());
    assert!(direct(|b| b["type"] = "news".into()).is_err());
}

#[test]
fn data_is_an_object_of_16_kib_and_16_levels() {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"a": inner}));
    assert!(direct(|b| b.insert("data".into(), nested(16)).map_or((), drop)).is_ok());
    assert!(direct(|b| b.insert("data".into(), nested(17)).map_or((), drop)).is_err());
    let sized = |n: usize| json!({"a": "x".repeat(n - r#"{"a":""}"#.len())});
    assert!(direct(|b| b.insert("data".into(), sized(16 * 1024)).map_or((), drop)).is_ok());
    assert!(direct(|b| b.insert("data".into(), sized(16 * 1024 + 1)).map_or((), drop)).is_err());
    assert!(direct(|b| b.insert("data".into(), json!([1])).map_or((), drop)).is_err());
}

#[test]
fn a_click_leads_to_our_own_pages_or_to_https() {
    for good in ["/", "/a//b?x=1#y", "/über", "https://example.com", "https://example.com:8443/a?b@c"] {
        assert!(good.parse::<ActionUrl>().is_ok(), "{good:?}");
    }
    for bad in [
        "",
        "a",
        "javascript:alert(1)",
        "JaVa\tScript:alert(1)",
        "//evil",
        "/\\evil",
        "\\\\evil",
        "/a\u{0}",
        "https://",
        "https:///x",
        "https://user@evil",
        "https://:1@evil/",
        "http://example.com",
        "data:text/html,x",
        "/\t/evil",
        "HTTPS://example.com",
        " /x",
    ] {
        assert!(bad.parse::<ActionUrl>().is_err(), "{bad:?}");
    }
}

#[test]
fn an_end_lies_in_the_future() {
    let end = |text: &str| direct(|b| b.insert("expiresAt".into(), text.into()).map_or((), drop));
    assert!(end("2026-11-22T12:00:01Z").is_ok());
    assert!(end("2026-11-22T12:00:00Z").is_err());
    assert!(end("2026-02-30T00:00:00Z").is_err());
    assert!(end("tomorrow").is_err());
}

#[test]
fn a_faulty_item_does_not_spoil_its_batch() {
    let good = json!({"to": ["user:1"], "type": "NEWS", "title": "t", "message": "m"});
    let body = json!({"items": [good, {"to": []}, good]});
    let items = Draft::parse_batch(body, now()).unwrap();
    assert_eq!(items.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(pointers(items[1].as_ref().unwrap_err()), ["/to", "/type", "/title", "/message"]);
    for (bad, pointer) in [
        (json!({}), "/items"),
        (json!({"items": []}), "/items"),
        (json!({"items": good}), "/items"),
        (json!({"items": vec![0; Draft::MAX_BATCH + 1]}), "/items"),
        (json!({"items": [good], "to": ["all"]}), "/to"),
        (json!([good]), ""),
    ] {
        assert_eq!(pointers(&Draft::parse_batch(bad, now()).unwrap_err()), [pointer]);
    }
}
