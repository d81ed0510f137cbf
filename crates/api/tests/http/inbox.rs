use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::desk::{Answer, Desk, get, post};

const LIST: &str = "/api/v1/notifications";
const ME: &str = "patient.1";
const OTHER: &str = "patient.2";
const UNKNOWN: &str = "01980000-0000-7000-8000-0000000fffff";

async fn list(desk: &Desk, query: &str) -> Answer {
    desk.call(get(&format!("{LIST}?{query}"), ME)).await
}

async fn mark(desk: &Desk, body: Value) -> Answer {
    desk.call(post("/api/v1/notifications/read", ME).set_json(body)).await
}

async fn patch(desk: &Desk, id: &str, body: Value) -> Answer {
    let request = TestRequest::patch().uri(&format!("{LIST}/{id}"));
    desk.call(request.insert_header(("Authorization", format!("Bearer {ME}"))).set_json(body)).await
}

async fn unread(desk: &Desk) -> u64 {
    let answer = desk.call(get("/api/v1/notifications/unread-count", ME)).await;
    assert_eq!(answer.status, 200);
    answer.body["unread"].as_u64().unwrap()
}

fn ids(answer: &Answer) -> Vec<String> {
    let items = answer.body["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// Publishes `n` to me, oldest first.
async fn some(desk: &Desk, n: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..n {
        all.extend(desk.publish(&["patient:1"]).await);
    }
    all
}

#[actix_web::test]
async fn pages_follow_each_other_newest_first() {
    let desk = Desk::new();
    desk.publish(&["patient:2"]).await;
    let mut all = some(&desk, 25).await;
    all.reverse();
    let answer = list(&desk, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(ids(&answer), all[..20]);
    assert_eq!(answer.body["unread"], 25);
    let next = answer.body["page"]["next"].as_str().unwrap();
    assert_eq!(next, all[19]);
    let answer = list(&desk, &format!("limit=10&before={next}")).await;
    assert_eq!(ids(&answer), all[20..]);
    assert_eq!(answer.body["page"], json!({"next": null}));
}

#[actix_web::test]
async fn a_listing_can_be_of_the_read_or_the_unread() {
    let desk = Desk::new();
    let all = some(&desk, 3).await;
    assert_eq!(mark(&desk, json!({"ids": [all[1]]})).await.body, json!({"unread": 2}));
    assert_eq!(ids(&list(&desk, "status=read").await), [all[1].clone()]);
    assert_eq!(ids(&list(&desk, "status=unread").await), [all[2].clone(), all[0].clone()]);
    assert_eq!(ids(&list(&desk, "status=all").await).len(), 3);
}

#[actix_web::test]
async fn a_bad_query_names_its_parameters() {
    let desk = Desk::new();
    for (query, pointers) in [
        ("limit=0", vec!["/limit"]),
        ("limit=101", vec!["/limit"]),
        ("limit=", vec!["/limit"]),
        ("limit=ten", vec!["/limit"]),
        ("limit=-1", vec!["/limit"]),
        ("limit=99999999999999999999999", vec!["/limit"]),
        ("limit=5&limit=6", vec!["/limit"]),
        ("before=12", vec!["/before"]),
        ("before=__proto__", vec!["/before"]),
        ("status=new&limit=0&page=2", vec!["/limit", "/status", "/page"]),
        ("a%2Fb=1", vec!["/a~1b"]),
    ] {
        let answer = list(&desk, query).await;
        assert_eq!((answer.status, answer.pointers()), (422, pointers), "{query}");
    }
}

#[actix_web::test]
async fn what_is_not_mine_is_not_there() {
    let desk = Desk::new();
    let mine = some(&desk, 1).await.remove(0);
    let theirs = desk.publish(&["patient:2"]).await.remove(0);
    let show = |id: &str, token: &str| get(&format!("{LIST}/{id}"), token);
    assert_eq!(desk.call(show(&mine, ME)).await.body["id"], mine);
    assert_eq!(desk.call(show(&theirs, OTHER)).await.status, 200);
    for id in [theirs.as_str(), UNKNOWN, "1", "__proto__", "%00", "%ff"] {
        for answer in [
            desk.call(show(id, ME)).await,
            patch(&desk, id, json!({"isRead": true})).await,
            patch(&desk, id, json!({"isRead": false})).await,
        ] {
            assert_eq!((answer.status, answer.code()), (404, "not_found"), "{id}");
        }
    }
    for body in [json!({"ids": [mine, theirs]}), json!({"upTo": theirs}), json!({"ids": [UNKNOWN]})] {
        assert_eq!(mark(&desk, body).await.status, 404);
    }
    assert_eq!(list(&desk, &format!("before={theirs}")).await.status, 404);
    // Nothing was marked on the way.
    assert_eq!(unread(&desk).await, 1);
}

#[actix_web::test]
async fn one_is_marked_read_and_unread_again() {
    let desk = Desk::new();
    let id = some(&desk, 2).await.remove(0);
    let answer = patch(&desk, &id, json!({"isRead": true})).await;
    assert_eq!((answer.status, &answer.body["isRead"]), (200, &json!(true)));
    assert_eq!(answer.body["id"], id);
    assert!(answer.body["readAt"].is_string());
    assert_eq!(unread(&desk).await, 1);
    let answer = patch(&desk, &id, json!({"isRead": false})).await;
    assert_eq!((&answer.body["isRead"], &answer.body["readAt"]), (&json!(false), &Value::Null));
    assert_eq!(unread(&desk).await, 2);
    for (body, pointers) in [
        (json!({}), vec!["/isRead"]),
        (json!({"isRead": "yes"}), vec!["/isRead"]),
        (json!({"isRead": true, "title": "x"}), vec!["/title"]),
    ] {
        let answer = patch(&desk, &id, body).await;
        assert_eq!((answer.status, answer.pointers()), (422, pointers));
    }
}

#[actix_web::test]
async fn many_are_marked_in_one_of_three_ways() {
    let desk = Desk::new();
    let all = some(&desk, 5).await;
    assert_eq!(mark(&desk, json!({"upTo": all[1]})).await.body, json!({"unread": 3}));
    assert_eq!(mark(&desk, json!({"ids": [all[2], all[2]]})).await.body, json!({"unread": 2}));
    assert_eq!(mark(&desk, json!({"all": true})).await.body, json!({"unread": 0}));
    some(&desk, 1).await;
    assert_eq!(unread(&desk).await, 1);
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"all": true, "upTo": all[0]}), ""),
        (json!({"all": 1}), "/all"),
        (json!({"ids": [1]}), "/ids/0"),
    ] {
        let answer = mark(&desk, body).await;
        assert_eq!((answer.status, answer.pointers()), (422, vec![pointer]));
    }
}

#[actix_web::test]
async fn a_store_that_is_away_is_503() {
    for desk in [Desk::new(), Desk::hanging()] {
        desk.mood.fail_after(0);
        for answer in [
            list(&desk, "").await,
            desk.call(get(&format!("{LIST}/{UNKNOWN}"), ME)).await,
            patch(&desk, UNKNOWN, json!({"isRead": true})).await,
            mark(&desk, json!({"all": true})).await,
        ] {
            assert_eq!((answer.status, answer.code()), (503, "unavailable"));
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
}
