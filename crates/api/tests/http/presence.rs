use carillon_domain::ports::Seen;
use carillon_domain::testing::instant;
use carillon_domain::{Person, Role, UserId};
use serde_json::json;

use crate::desk::{Answer, Desk, get};

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

/// Doctor 7, of profile p7, and admin 1 are here; doctor 8 and patient 42 were.
async fn desk() -> Desk {
    let desk = Desk::new();
    let here = |id, role, profile_id| Person { user_id: user(id), email: None, role, profile_id };
    for person in [here("7", Role::Doctor, Some(user("p7"))), here("1", Role::Admin, None)] {
        desk.reception.presence().roster().joined(person);
    }
    let seen = |id, role, at| Seen { user_id: user(id), role, profile_id: None, at: instant(at) };
    desk.reception.note(&[seen("8", Role::Doctor, 5), seen("42", Role::Patient, 6)]).await.unwrap();
    desk
}

async fn ask(desk: &Desk, path: &str, token: &str) -> Answer {
    desk.call(get(&format!("/api/v1/{path}"), token)).await
}

#[actix_web::test]
async fn anyone_may_ask_for_doctors_by_either_id() {
    let desk = desk().await;
    let answer = ask(&desk, "presence/doctors?ids=p7,8,42,7", "PATIENT.42").await;
    let state = |id: &str, online: bool, seen: Option<i64>| {
        let seen = seen.map(|at| instant(at).to_string());
        json!({"doctorId": id, "online": online, "lastSeen": seen})
    };
    let expected = [
        state("p7", true, None),
        state("8", false, Some(5)),
        state("42", false, None),
        state("7", true, None),
    ];
    assert_eq!((answer.status, &answer.body), (200, &json!({"doctors": expected})));
    assert_eq!(ask(&desk, "presence/doctors?ids=7", "").await.status, 401);
}

#[actix_web::test]
async fn all_else_is_for_admins() {
    let desk = desk().await;
    for path in ["presence/counts", "presence/users", "connections"] {
        assert_eq!(ask(&desk, path, "DOCTOR.7").await.code(), "forbidden");
        assert_eq!(ask(&desk, path, "nonsense").await.status, 401);
        assert_eq!(ask(&desk, path, "SUPER_ADMIN.1").await.status, 200);
    }
    let counts = ask(&desk, "presence/counts", "ADMIN.1").await;
    assert_eq!(counts.body, json!({"admin": 1, "doctor": 1, "patient": 0, "connections": 2}));
}

#[actix_web::test]
async fn users_are_listed_page_by_page() {
    let desk = desk().await;
    let ids = async |query: &str| {
        let answer = ask(&desk, &format!("presence/users?{query}"), "ADMIN.1").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let users = answer.body["users"].as_array().unwrap().iter();
        let ids: Vec<_> = users.map(|user| user["userId"].as_str().unwrap().to_owned()).collect();
        (ids.join(" "), answer.body["page"]["next"].as_str().map(str::to_owned))
    };
    assert_eq!(ids("").await, ("1 7".into(), None));
    assert_eq!(ids("limit=1").await, ("1".into(), Some("1".into())));
    assert_eq!(ids("limit=1&after=1").await, ("7".into(), Some("7".into())));
    assert_eq!(ids("online=true&role=doctor").await, ("7".into(), None));
    assert_eq!(ids("online=false").await, ("42 8".into(), None));
    let away = ask(&desk, "presence/users?online=false&role=PATIENT", "ADMIN.1").await;
    let seen = instant(6).to_string();
    let expected =
        json!([{"userId": "42", "email": null, "role": "PATIENT", "online": false, "lastSeen": seen}]);
    assert_eq!(away.body["users"], expected);
}

#[actix_web::test]
async fn this_nodes_sockets_are_listed_page_by_page() {
    let desk = desk().await;
    let page = ask(&desk, "connections?after=s3&limit=1", "ADMIN.1").await;
    let socket =
        json!({"socketId": "s4", "userId": "7", "role": "DOCTOR", "connectedAt": instant(4).to_string()});
    assert_eq!(page.body, json!({"connections": [socket], "page": {"next": "s4"}}));
    assert_eq!(ask(&desk, "connections?after=s3", "ADMIN.1").await.body["page"]["next"], json!(null));
}

#[actix_web::test]
async fn a_question_that_cannot_be_understood_is_named() {
    let desk = desk().await;
    let many = format!("presence/doctors?ids={}", vec!["7"; 101].join(","));
    for (path, pointer) in [
        ("presence/doctors", "/ids"),
        ("presence/doctors?ids=,", "/ids"),
        ("presence/doctors?ids=a%20b", "/ids"),
        ("presence/doctors?ids=1&ids=2", "/ids"),
        (many.as_str(), "/ids"),
        ("presence/users?online=perhaps", "/online"),
        ("presence/users?role=nurse", "/role"),
        ("presence/users?role=", "/role"),
        ("presence/users?limit=0", "/limit"),
        ("presence/users?limit=1001", "/limit"),
        ("presence/users?before=1", "/before"),
        ("connections?limit=-1", "/limit"),
    ] {
        let answer = ask(&desk, path, "ADMIN.1").await;
        assert_eq!((answer.status, answer.pointers()), (422, vec![pointer]), "{path}");
    }
}
