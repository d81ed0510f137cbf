use serde_json::json;

use super::*;
use crate::testing::instant;
use crate::{BroadcastId, BroadcastStatus};

fn parse(change: Value) -> Result<BroadcastDraft, Vec<String>> {
    let mut body = json!({"kind": "announcement", "title": "t", "message": "m"});
    let Value::Object(change) = change else { panic!("{change} is no object") };
    body.as_object_mut().unwrap().extend(change);
    BroadcastDraft::parse(body, instant(0))
        .map_err(|faults| faults.iter().map(|f| f.pointer.clone()).collect())
}

fn at(seconds: i64) -> String {
    instant(seconds).to_string()
}

fn rooms(draft: &BroadcastDraft) -> Vec<&str> {
    draft.audience.iter().map(Room::as_str).collect()
}

#[test]
fn everyone_hears_unless_said_otherwise() {
    assert_eq!(rooms(&parse(json!({})).unwrap()), ["all"]);
    let two = parse(json!({"audience": ["role:doctor", "role:admin", "role:doctor"]})).unwrap();
    assert_eq!(rooms(&two), ["role:doctor", "role:admin"]);
    // Nobody hears it twice.
    assert_eq!(rooms(&parse(json!({"audience": ["role:doctor", "all"]})).unwrap()), ["all"]);
    for (bad, pointer) in [
        (json!([]), "/audience"),
        (json!("all"), "/audience"),
        (json!(["user:1"]), "/audience/0"),
        (json!(["all", null]), "/audience/1"),
        (json!(["role:super_admin"]), "/audience/0"),
    ] {
        assert_eq!(parse(json!({"audience": bad})), Err(vec![pointer.to_owned()]), "{bad}");
    }
}

#[test]
fn times_lie_ahead_and_in_order() {
    let year = 366 * 86_400;
    for (good, bad, pointer) in [
        (json!({"publishAt": at(1)}), json!({"publishAt": at(0)}), "/publishAt"),
        (json!({"publishAt": at(year)}), json!({"publishAt": at(year + 1)}), "/publishAt"),
        (
            json!({"publishAt": "2027-02-28T00:00:00Z"}),
            json!({"publishAt": "2027-02-30T00:00:00Z"}),
            "/publishAt",
        ),
        (json!({"expiresAt": at(1)}), json!({"expiresAt": at(0)}), "/expiresAt"),
        (
            json!({"publishAt": at(5), "expiresAt": at(6)}),
            json!({"publishAt": at(5), "expiresAt": at(5)}),
            "/expiresAt",
        ),
        (json!({}), json!({"startsAt": at(5)}), "/startsAt"),
    ] {
        assert!(parse(good.clone()).is_ok(), "{good}");
        assert_eq!(parse(bad.clone()), Err(vec![pointer.to_owned()]), "{bad}");
    }
}

#[test]
fn maintenance_alone_has_a_start_and_an_end() {
    let span = |from: i64, to: i64| json!({"kind": "maintenance", "startsAt": at(from), "endsAt": at(to)});
    assert!(parse(span(10, 20)).is_ok());
    // It may have begun.
    assert!(parse(span(-10, 20)).is_ok());
    for (from, to) in [(20, 20), (20, 10), (-20, 0)] {
        assert_eq!(parse(span(from, to)), Err(vec!["/endsAt".to_owned()]));
    }
    let missing = parse(json!({"kind": "maintenance", "startsAt": "soon"}));
    assert_eq!(missing, Err(vec!["/startsAt".to_owned(), "/endsAt".to_owned()]));
    assert_eq!(parse(json!({"kind": "emergency", "endsAt": at(5)})), Err(vec!["/endsAt".to_owned()]));
}

#[test]
fn every_fault_is_named_at_once() {
    let body = json!({"kind": "rumour", "title": "", "actionUrl": "//evil", "priority": "low"});
    let faults = BroadcastDraft::parse(body, instant(0)).unwrap_err();
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/kind", "/title", "/message", "/actionUrl", "/priority"]);
}

fn scheduled() -> Broadcast {
    let draft = parse(json!({"publishAt": at(60), "expiresAt": at(900), "actionUrl": "/x"})).unwrap();
    Broadcast {
        id: BroadcastId::from_uuid(uuid::Uuid::from_u128(1)),
        status: BroadcastStatus::Scheduled,
        version: 3,
        draft,
        late: false,
        sent_at: None,
        created_by: "user:ada".into(),
        created_at: instant(0),
        updated_at: instant(0),
    }
}

#[test]
fn a_change_leaves_the_rest_as_it_was() {
    let current = scheduled();
    let body = json!({"version": 3, "title": "new", "expiresAt": null, "audience": ["role:doctor"]});
    let (version, draft, mut names) = BroadcastDraft::parse_change(&current, body, instant(1)).unwrap();
    names.sort_unstable();
    assert_eq!((version, names), (3, vec!["audience".into(), "expiresAt".into(), "title".into()]));
    let audience = vec![RoleName::Doctor.room()];
    let expected =
        BroadcastDraft { title: "new".into(), expires_at: None, audience, ..current.draft.clone() };
    assert_eq!(draft, expected);
    // Its time may come while it is being changed, but it is not moved into the past.
    let change = |body: Value, now: i64| BroadcastDraft::parse_change(&current, body, instant(now));
    assert!(change(json!({"version": 3, "title": "new"}), 61).is_ok());
    assert!(change(json!({"version": 3, "publishAt": at(50)}), 55).is_err());
    // At once.
    assert_eq!(change(json!({"version": 3, "publishAt": null}), 5).unwrap().1.publish_at, None);
}

#[test]
fn a_change_names_its_version_and_not_the_kind() {
    let current = scheduled();
    for (bad, pointer) in [
        (json!({"title": "new"}), "/version"),
        (json!({"version": "3"}), "/version"),
        (json!({"version": 3, "kind": "emergency"}), "/kind"),
        (json!({"version": 3, "title": null}), "/title"),
        (json!({"version": 3, "status": "sent"}), "/status"),
        (json!([3]), ""),
    ] {
        let faults = BroadcastDraft::parse_change(&current, bad.clone(), instant(1)).unwrap_err();
        assert_eq!(faults.iter().next().unwrap().pointer, pointer, "{bad}");
    }
}

#[test]
fn a_late_one_says_so_and_for_when_it_was_meant() {
    let broadcast = scheduled();
    let data = |now: i64| {
        let id = crate::NotificationId::from_uuid(uuid::Uuid::from_u128(2));
        let notification = broadcast.notification(id, instant(now)).unwrap();
        serde_json::from_str::<Value>(notification.data.as_str()).unwrap()
    };
    let id = broadcast.id.to_string();
    assert_eq!(data(120), json!({"broadcastId": id}));
    assert_eq!(data(121), json!({"broadcastId": id, "late": true, "publishAt": at(60)}));
    assert!(!broadcast.is_missed(instant(899)) && broadcast.is_missed(instant(900)));
    let mut lasting = scheduled();
    lasting.draft.expires_at = None;
    assert!(!lasting.is_missed(instant(3_660)) && lasting.is_missed(instant(3_661)));
}
