//! Who is here, on one node: told to admins and to those who watch, answered over HTTP.

use std::time::Duration;

use carillon_tests::users::{ann, ben, chen, diaz, eve, fay};
use carillon_tests::{Client, Clinic, NodeSettings, User};
use serde_json::{Value, json};
use tokio::time::sleep;

/// A clinic in which those who leave are gone soon.
async fn clinic() -> Clinic {
    Clinic::open_with(NodeSettings::default().set("PRESENCE_GRACE_MS", 400)).await
}

/// The next user of whom an admin hears that they are online or offline.
async fn hears(admin: &mut Client, event: &str) -> Value {
    let [heard] = &admin.hears(event).await[..] else { panic!("{event} has one argument") };
    heard.clone()
}

async fn leave(mut client: Client) {
    client.leave().await;
}

async fn hears_of(admin: &mut Client, event: &str, user: &User) {
    let heard = hears(admin, event).await;
    assert_eq!(heard["userId"], user.id, "{event}");
}

#[tokio::test]
async fn admins_hear_of_a_user_once_however_many_tabs_they_open() {
    let clinic = clinic().await;
    let mut admin = clinic.online(&eve()).await;
    hears_of(&mut admin, "user:online", &eve()).await;
    let (one, two) = (clinic.online(&ann()).await, clinic.online(&ann()).await);
    let online = hears(&mut admin, "user:online").await;
    assert_eq!(
        (&online["userId"], &online["email"], &online["role"]),
        (&json!("ann"), &json!("ann@clinic.example"), &json!("PATIENT"))
    );
    assert!(online["timestamp"].is_string() && online.get("reason").is_none());
    let patient = clinic.online(&ben()).await;
    // A second word about Ann would have come before.
    hears_of(&mut admin, "user:online", &ben()).await;
    leave(one).await;
    leave(two).await;
    let offline = hears(&mut admin, "user:offline").await;
    assert_eq!(offline["userId"], "ann");
    assert!(offline["reason"].as_str().is_some_and(|reason| reason.contains("client")), "{offline}");
    leave(patient).await;
    hears_of(&mut admin, "user:offline", &ben()).await;
}

#[tokio::test]
async fn a_page_change_is_silent() {
    let clinic = Clinic::open_with(NodeSettings::default().set("PRESENCE_GRACE_MS", 4_000)).await;
    let mut admin = clinic.online(&eve()).await;
    hears_of(&mut admin, "user:online", &eve()).await;
    for page in 0..5 {
        let client = clinic.online(&ann()).await;
        if page == 0 {
            hears_of(&mut admin, "user:online", &ann()).await;
        }
        leave(client).await;
    }
    // Had Ann come or gone in between, that would be heard first.
    let _doctor = clinic.online(&chen()).await;
    hears_of(&mut admin, "user:online", &chen()).await;
    hears_of(&mut admin, "user:offline", &ann()).await;
}

#[tokio::test]
async fn counts_are_of_users_by_role_and_of_connections() {
    let clinic = clinic().await;
    let mut admin = clinic.online(&eve()).await;
    let mut others = Vec::new();
    for user in [fay(), chen(), ann(), ann(), ben()] {
        others.push(clinic.online(&user).await);
    }
    let expected = json!({"admin": 2, "doctor": 1, "patient": 2, "connections": 6});
    while admin.hears("presence:counts").await != [expected.clone()] {}
    let counts = clinic.http.get("/api/v1/presence/counts").by(&eve()).send().await;
    assert_eq!(counts.expect(200), expected);
    for client in others {
        leave(client).await;
    }
    let expected = json!({"admin": 1, "doctor": 0, "patient": 0, "connections": 1});
    while admin.hears("presence:counts").await != [expected.clone()] {}
    assert_eq!(clinic.http.get("/api/v1/presence/counts").by(&ann()).send().await.status, 403);
}

#[tokio::test]
async fn a_doctor_is_watched_by_either_id() {
    let clinic = clinic().await;
    let mut patient = clinic.online(&ann()).await;
    let answer = patient.ask("presence:watch", json!({"doctorIds": ["doc-7", "diaz", "chen"]})).await;
    let state = |id: &str, online: bool| json!({"doctorId": id, "online": online, "lastSeen": null});
    let expected = json!([state("doc-7", false), state("diaz", false), state("chen", false)]);
    assert_eq!(answer, json!({"ok": true, "doctors": expected}));

    let doctor = clinic.online(&diaz()).await;
    let mut heard = [patient.hears("presence:doctor").await, patient.hears("presence:doctor").await].concat();
    heard.sort_by_key(|state| state["doctorId"].to_string());
    assert_eq!(heard, [state("diaz", true), state("doc-7", true)]);

    assert_eq!(patient.ask("presence:unwatch", json!({"doctorIds": ["diaz"]})).await, json!({"ok": true}));
    leave(doctor).await;
    let gone = patient.hears("presence:doctor").await;
    assert_eq!((&gone[0]["doctorId"], &gone[0]["online"]), (&json!("doc-7"), &json!(false)));
    // It is kept soon after it is told.
    let kept = loop {
        let asked = patient.ask("presence:watch", json!({"doctorIds": ["diaz"]})).await;
        if asked["doctors"][0]["lastSeen"].is_string() {
            break asked["doctors"][0]["lastSeen"].clone();
        }
        sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(kept, gone[0]["lastSeen"]);
    clinic.hears_nothing([&mut patient]).await;
}

#[tokio::test]
async fn a_socket_watches_a_hundred_doctors_and_no_more() {
    let clinic = clinic().await;
    let patient = clinic.online(&ann()).await;
    let ids = |range: std::ops::Range<u32>| json!({"doctorIds": range.map(|n| format!("d{n}")).collect::<Vec<_>>()});
    assert_eq!(patient.ask("presence:watch", ids(0..100)).await["ok"], true);
    assert_eq!(patient.ask("presence:watch", ids(50..100)).await["ok"], true, "they are watched already");
    assert_eq!(patient.ask("presence:watch", ids(100..101)).await["error"]["code"], "bad_request");
    assert_eq!(patient.ask("presence:unwatch", ids(0..1)).await["ok"], true);
    assert_eq!(patient.ask("presence:watch", ids(100..101)).await["ok"], true);
    for wrong in [json!(null), json!({}), json!({"doctorIds": "d1"}), json!({"doctorIds": [""]})] {
        assert_eq!(patient.ask("presence:watch", wrong).await["error"]["code"], "bad_request");
    }
}

#[tokio::test]
async fn when_someone_was_last_here_outlives_the_node() {
    let mut clinic = Clinic::open_with(NodeSettings::default().set("PRESENCE_GRACE_MS", 600_000)).await;
    let (doctor, other) = (clinic.online(&diaz()).await, clinic.online(&chen()).await);
    leave(doctor).await;
    leave(other).await;
    // The node goes in the middle of their graces.
    assert!(clinic.node.terminate().await.success());
    clinic.node.restart().await;
    let path = "/api/v1/presence/doctors?ids=doc-7,chen,nobody";
    let body = clinic.http.get(path).by(&ann()).send().await.expect(200);
    let doctors = body["doctors"].as_array().unwrap();
    assert!(doctors.iter().all(|doctor| doctor["online"] == false), "{body}");
    let known: Vec<bool> = doctors.iter().map(|doctor| doctor["lastSeen"].is_string()).collect();
    assert_eq!(known, [true, true, false], "{body}");
}

#[tokio::test]
async fn this_nodes_sockets_are_listed() {
    let clinic = clinic().await;
    let clients = [clinic.online(&ann()).await, clinic.online(&ann()).await, clinic.online(&chen()).await];
    let first = clinic.http.get("/api/v1/connections?limit=2").by(&eve()).send().await.expect(200);
    let next = first["page"]["next"].as_str().unwrap();
    let path = format!("/api/v1/connections?limit=2&after={next}");
    let second = clinic.http.get(&path).by(&eve()).send().await.expect(200);
    let all = [&first, &second].map(|page| page["connections"].as_array().unwrap().clone()).concat();
    let mut users: Vec<_> = all.iter().map(|socket| socket["userId"].as_str().unwrap()).collect();
    users.sort_unstable();
    assert_eq!(users, ["ann", "ann", "chen"]);
    assert_eq!(second["page"]["next"], Value::Null);
    drop(clients);
}
