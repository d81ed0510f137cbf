use std::sync::atomic::Ordering;

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::desk::Desk;

async fn ready(desk: &Desk) -> (u16, Value) {
    let answer = desk.call(TestRequest::get().uri("/readyz")).await;
    (answer.status, answer.body)
}

#[actix_web::test]
async fn a_node_is_ready_unless_it_drains_or_its_store_is_away() {
    let desk = Desk::new();
    assert_eq!(ready(&desk).await, (200, json!({"status": "ready", "reasons": []})));
    desk.mood.fail_after(0);
    assert_eq!(ready(&desk).await, (503, json!({"status": "unready", "reasons": ["store"]})));
    desk.draining.store(true, Ordering::SeqCst);
    assert_eq!(ready(&desk).await, (503, json!({"status": "unready", "reasons": ["draining", "store"]})));
    desk.mood.fail_after(u32::MAX);
    assert_eq!(ready(&desk).await, (503, json!({"status": "unready", "reasons": ["draining"]})));
    desk.draining.store(false, Ordering::SeqCst);
    assert_eq!(ready(&desk).await.0, 200);
}

#[actix_web::test]
async fn a_store_that_hangs_makes_a_node_unready_but_not_dead() {
    let desk = Desk::hanging();
    assert_eq!(ready(&desk).await, (503, json!({"status": "unready", "reasons": ["store"]})));
    let answer = desk.call(TestRequest::get().uri("/healthz")).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("ok")));
}

#[actix_web::test]
async fn a_node_without_word_of_the_others_serves_and_says_so() {
    let desk = Desk::new();
    desk.fanout.cut(true);
    assert_eq!(ready(&desk).await, (200, json!({"status": "degraded", "reasons": ["fanout"]})));
    desk.draining.store(true, Ordering::SeqCst);
    assert_eq!(ready(&desk).await, (503, json!({"status": "unready", "reasons": ["draining"]})));
}
