use futures_util::future::join;
use serde_json::json;
use serde_json::value::RawValue;

use super::*;
use crate::ports::Log as _;
use crate::publisher::tests::{Flaky, publisher};
use crate::testing::{FixedClock, block_on, instant};
use crate::{Audience, Position};

fn emit(rooms: &[&str], args: &Value) -> Emit {
    Emit {
        name: "notification".into(),
        args: RawValue::from_string(args.to_string()).unwrap(),
        attachments: Vec::new(),
        audience: Audience { rooms: rooms.iter().map(ToString::to_string).collect(), except: Vec::new() },
        is_volatile: false,
    }
}

fn body(id: &Value) -> Value {
    json!([{"id": id, "type": "NOTE", "title": "t", "message": "m"}])
}

fn posting(emit: &Emit) -> Result<Posting, Faults> {
    Posting::read(emit, [emit.args.get().len().to_le_bytes()[0]; 32], "minted".into(), instant(0))
}

/// What becomes of these, one after the other, and the rooms of what is in the log then.
fn take(log: Flaky, postings: &[Posting]) -> (Vec<Intaken>, Vec<String>) {
    let (rows, log) = (log.inner.clone(), Arc::new(log));
    let (publisher, appender) = publisher(log, Arc::new(FixedClock::default()));
    let intake = Intake::new(Arc::clone(&publisher));
    block_on(async {
        let work = async {
            let mut taken = Vec::new();
            for posting in postings {
                taken.push(intake.take(posting).await);
            }
            publisher.close();
            taken
        };
        let (taken, ()) = join(work, appender.run()).await;
        let rows = rows.read(Position::START, 100).await.unwrap().rows;
        (taken, rows.iter().map(|row| row.room.to_string()).collect())
    })
}

#[test]
fn what_the_store_will_never_take_is_not_tried_for_ever() {
    let one = posting(&emit(&[], &body(&json!("a")))).unwrap();
    assert_eq!(take(Flaky::poisoned_by("t"), &[one]).0, [Intaken::Refused]);
}

#[test]
fn it_is_kept_in_its_rooms_once_for_each_id() {
    let first = posting(&emit(&["user:1", "role:admin"], &body(&json!("a")))).unwrap();
    let other = posting(&emit(&[], &body(&json!(7)))).unwrap();
    let kept = |known| Intaken::Kept { known };
    let (taken, rooms) = take(Flaky::default(), &[first.clone(), first, other]);
    assert_eq!(taken, [kept(false), kept(true), kept(false)]);
    assert_eq!(rooms, ["user:1", "role:admin", "all"]);
}

#[test]
fn an_id_is_for_one_notification() {
    let [first, second] = [json!("a"), json!("a")].map(|id| body(&id));
    let mut second = second;
    second[0]["title"] = json!("another");
    let postings = [&first, &second].map(|body| posting(&emit(&["user:1"], body)).unwrap());
    let (taken, rooms) = take(Flaky::default(), &postings);
    assert_eq!((&taken[1], rooms.len()), (&Intaken::Mismatch, 1));
}

#[test]
fn without_an_id_it_is_known_to_nobody_else() {
    assert!(posting(&emit(&[], &body(&json!("a")))).unwrap().has_id());
    assert!(!posting(&emit(&[], &body(&Value::Null))).unwrap().has_id());
}

#[test]
fn what_is_no_notification_is_refused() {
    for args in [
        json!([]),
        json!(["text"]),
        json!([{}, {}]),
        json!([{"id": ""}]),
        json!([{"id": 1.5}]),
        json!([{"id": {}}]),
        json!([{"id": "x".repeat(129)}]),
        json!([{"to": ["all"]}]),
        json!([{"id": 2, "title": "t"}]),
        json!([{"type": "NOTE", "title": "t", "message": "m", "expiresAt": "1999-01-01T00:00:00Z"}]),
    ] {
        assert!(posting(&emit(&[], &args)).is_err(), "{args}");
    }
    let mut except = emit(&[], &body(&json!("a")));
    except.audience.except.push("user:1".into());
    assert!(posting(&except).is_err());
    assert!(posting(&emit(&["nowhere"], &body(&json!(1)))).is_err());
}
