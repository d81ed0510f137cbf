use carillon_domain::Position;
use carillon_domain::ports::Log as _;
use serde_json::{Value, json};

use crate::desk::{Answer, Desk, KEY, notification, post};

const BATCH: &str = "/api/v1/notifications/batch";

fn items(n: usize) -> Vec<Value> {
    (0..n).map(|i| notification(&[&format!("user:{i}")])).collect()
}

async fn send(desk: &Desk, key: Option<&str>, items: &[Value]) -> Answer {
    let mut request = post(BATCH, KEY).set_json(json!({"items": items}));
    if let Some(key) = key {
        request = request.insert_header(("Idempotency-Key", key));
    }
    desk.call(request).await
}

fn statuses(answer: &Answer) -> Vec<u64> {
    let results = answer.body["results"].as_array().unwrap();
    results.iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

#[actix_web::test]
async fn a_faulty_item_in_the_middle_spoils_only_itself() {
    for key in [None, Some("k")] {
        let desk = Desk::new();
        let mut items = items(3);
        items[1]["title"] = json!("");
        items[1]["colour"] = json!("red");
        let answer = send(&desk, key, &items).await;
        assert_eq!(answer.status, 207);
        assert_eq!(statuses(&answer), [201, 422, 201]);
        let results = &answer.body["results"];
        assert_eq!(results[0]["notifications"][0]["room"], "user:0");
        assert_eq!(results[2]["notifications"][0]["room"], "user:2");
        let fault = &results[1];
        assert_eq!((&fault["code"], &fault["type"]), (&json!("validation"), &json!("/problems/validation")));
        assert_eq!(fault["errors"][0]["pointer"], "/title");
        assert_eq!(fault["errors"][1]["pointer"], "/colour");
        assert!(fault.get("requestId").is_none());
        assert_eq!(desk.rows().await, 2);
    }
}

#[actix_web::test]
async fn a_thousand_items_keep_their_order_and_one_more_is_too_many() {
    let desk = Desk::new();
    let answer = send(&desk, Some("k"), &items(1_000)).await;
    assert_eq!(statuses(&answer), [201; 1_000]);
    let rows = desk.log.read(Position::START, 2_000).await.unwrap().rows;
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row.room.as_str(), format!("user:{i}"));
        assert_eq!(answer.body["results"][i]["eventId"], json!(row.event_id));
    }
    assert_eq!(rows.len(), 1_000);
    let answer = send(&desk, None, &items(1_001)).await;
    assert_eq!((answer.status, answer.pointers()), (422, vec!["/items"]));
    let answer = send(&desk, None, &[]).await;
    assert_eq!((answer.status, answer.pointers()), (422, vec!["/items"]));
}

#[actix_web::test]
async fn the_same_key_and_batch_publishes_nothing_more() {
    let desk = Desk::new();
    let mut items = items(4);
    items[0]["title"] = json!("");
    let first = send(&desk, Some("k"), &items).await;
    let again = send(&desk, Some("k"), &items).await;
    assert_eq!(first.body, again.body);
    assert_eq!(statuses(&again), [422, 201, 201, 201]);
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(desk.rows().await, 3);
}

#[actix_web::test]
async fn a_key_of_another_batch_publishes_nothing_even_if_this_one_is_longer() {
    let desk = Desk::new();
    let mut faulty = items(3);
    faulty[0]["title"] = json!("");
    assert_eq!(statuses(&send(&desk, Some("k"), &faulty).await), [422, 201, 201]);
    // The first item, once mended, was never published: it must not be now, either.
    for other in [items(3), items(4), items(1)] {
        let answer = send(&desk, Some("k"), &other).await;
        assert_eq!((answer.status, answer.code()), (422, "idempotency_mismatch"));
    }
    assert_eq!(desk.rows().await, 2);
}

#[actix_web::test]
async fn items_that_are_not_known_to_be_stored_are_sent_again() {
    let desk = Desk::new();
    // The key is claimed by a commit of its own, some items are the next, and the rest fails.
    desk.mood.fail_after(2);
    let answer = send(&desk, Some("k"), &items(600)).await;
    assert_eq!(answer.status, 207);
    let stored = statuses(&answer).iter().filter(|status| **status == 201).count();
    assert!((1..600).contains(&stored), "{stored}");
    assert!(statuses(&answer)[stored..].iter().all(|status| *status == 503));
    assert_eq!(answer.body["results"][599]["code"], "unavailable");
    desk.mood.fail_after(u32::MAX);
    let answer = send(&desk, Some("k"), &items(600)).await;
    assert_eq!(statuses(&answer), [201; 600]);
    // Some of them are new.
    assert_eq!(answer.header("idempotency-replayed"), None);
    assert_eq!(desk.rows().await, 600);
}

#[actix_web::test]
async fn a_batch_of_which_nothing_is_kept_is_503_as_a_whole() {
    for desk in [Desk::new(), Desk::hanging()] {
        desk.mood.fail_after(0);
        for key in [None, Some("k")] {
            let answer = send(&desk, key, &items(3)).await;
            assert_eq!((answer.status, answer.code()), (503, "unavailable"));
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
}

#[actix_web::test]
async fn a_batch_costs_its_items() {
    let desk = Desk::limited(1, 50);
    // 45 at a time: whatever refills in between, two of these cannot follow each other within 40 s.
    assert_eq!(send(&desk, None, &items(45)).await.status, 207);
    let answer = send(&desk, None, &items(45)).await;
    assert_eq!((answer.status, answer.code()), (429, "rate_limited"));
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 1);
    assert_eq!(desk.rows().await, 45);
}
