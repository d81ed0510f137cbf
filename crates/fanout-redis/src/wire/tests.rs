use std::sync::Arc;

use carillon_domain::ports::{Appended, Log as _};
use carillon_domain::testing::{Drafts, MemoryLog, block_on};
use serde_json::{Value, json};

use super::*;

fn hint(rooms: &[&str]) -> Hint {
    let Appended { epoch, from, rows, .. } =
        block_on(MemoryLog::new().append(&[Drafts::new().publish(rooms)])).unwrap();
    let to = rows.last().unwrap().position;
    Hint { epoch, from, to, rows }
}

fn heard(signal: &Signal) -> Result<Signal, Ignored> {
    let json = write_signal("n1", signal).unwrap();
    let message = read(&json)?;
    assert_eq!(message.from, "n1");
    Ok(super::signal(message.body)?.unwrap())
}

fn heard_hint(json: &Value) -> Result<Hint, Ignored> {
    let body = read(&serde_json::to_vec(json).unwrap())?.body;
    match super::signal(body)? {
        Some(Signal::Hint(hint)) => Ok(Arc::unwrap_or_clone(hint)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hint_carries_its_rows() {
    let mut said = hint(&["all", "role:admin", "user:42"]);
    let row = Arc::make_mut(&mut said.rows[1]);
    row.notification.action_url = Some("/dashboard".parse().unwrap());
    row.notification.event = EventName::find("review:created");
    row.notification.expires_at = Timestamp::from_millis(1_900_000_000_000);
    row.notification.data = Data::from_stored(r#"{"a":[1,2.50,"\u00e4"]}"#.to_owned()).unwrap();
    let Ok(Signal::Hint(hint)) = heard(&Signal::Hint(Arc::new(said.clone()))) else { panic!("no hint") };
    assert_eq!((hint.epoch, hint.from, hint.to, &hint.rows), (said.epoch, said.from, said.to, &said.rows));
}

#[test]
fn a_hint_of_many_rows_says_only_how_far_the_log_has_come() {
    let mut said = hint(&["all"]);
    Arc::make_mut(&mut said.rows[0]).notification.message = "x".repeat(MOST_HINT_BYTES);
    let Ok(Signal::Hint(hint)) = heard(&Signal::Hint(Arc::new(said.clone()))) else { panic!("no hint") };
    // As a hole: whoever applied it would lose the rows.
    assert_eq!((hint.from, hint.to, hint.rows.len()), (said.to, said.to, 0));
}

#[test]
fn marks_and_resumptions_come_as_they_were() {
    let user_id: UserId = "42".parse().unwrap();
    let id = "01980000-0000-7000-8000-000000000001".parse().ok();
    let news = MarkNews {
        user_id: user_id.clone(),
        except: Some("socket".into()),
        read: true,
        ids: id.into_iter().collect(),
        up_to: id,
        unread: 7,
    };
    let Ok(Signal::Marked(marked)) = heard(&Signal::Marked(Arc::new(news.clone()))) else {
        panic!("no mark")
    };
    assert_eq!(*marked, news);
    let resumed = Resumed { user_id, socket_id: "socket".into(), claim: u64::MAX };
    let Ok(Signal::Resumed(again)) = heard(&Signal::Resumed(Arc::new(resumed.clone()))) else {
        panic!("none")
    };
    assert_eq!(*again, resumed);
}

#[test]
fn a_hint_that_does_not_hold_what_it_claims_is_ignored() {
    let said = write_signal("n1", &Signal::Hint(Arc::new(hint(&["all", "user:42"])))).unwrap();
    let good: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(heard_hint(&good).unwrap().rows.len(), 2);
    for (pointer, value) in [
        ("/body/hint/to", json!(1_000_000)),
        ("/body/hint/from", json!(1)),
        ("/body/hint/to", json!(-1)),
        ("/body/hint/to", json!(u64::MAX)),
        ("/body/hint/rows/0/at", json!(2)),
        ("/body/hint/rows/0/room", json!("role:nobody")),
        ("/body/hint/rows/0/data", json!("text")),
        ("/body/hint/rows/0/data", json!({"a": "x".repeat(Data::MAX_BYTES)})),
        ("/body/hint/rows/0/url", json!("javascript:alert(1)")),
        ("/body/hint/rows/0/id", json!("1")),
        ("/body/hint/rows/0/created", json!(i64::MAX)),
        ("/body/hint/rows/0", json!({})),
        ("/body", json!({"gossip": 1})),
        ("/from", json!(1)),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert_eq!(heard_hint(&bad).err(), Some(Ignored::Form), "{pointer}");
    }
    assert_eq!(read(&vec![b'['; 200_000]).err(), Some(Ignored::Form));
}
