//! What admins say to everyone: heard at once or on return, gone when it is over, acknowledged when it is urgent.

use std::time::{Duration, Instant};

use carillon_tests::users::{ann, ben, chen, eve, fay};
use carillon_tests::{Clinic, Connect, NodeSettings, PATIENCE, Postgres};
use jiff::ToSpan as _;
use serde_json::{Value, json};
use tokio::time::sleep;

/// An admin's broadcast, with these fields besides the usual ones.
async fn announce(clinic: &Clinic, more: Value) -> Value {
    let mut body =
        json!({"kind": "announcement", "title": "Closed on Monday", "message": "Back on Tuesday."});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    clinic.http.post("/api/v1/broadcasts", &body).by(&eve()).send().await.expect(201)
}

fn in_seconds(seconds: i64) -> Value {
    json!((jiff::Timestamp::now() + seconds.seconds()).to_string())
}

#[tokio::test]
async fn everyone_hears_it_now_or_when_they_come_back() {
    let clinic = Clinic::open().await;
    let mut away = clinic.online(&chen()).await;
    away.leave().await;
    let (mut online, mut polling) =
        (clinic.online(&ann()).await, clinic.client(Connect::by(&ben()).over(&["polling"])).await);
    polling.connected().await;
    let made = announce(&clinic, json!({"actionUrl": "/hours"})).await;
    assert_eq!((&made["status"], &made["late"]), (&json!("sent"), &json!(false)));
    for client in [&mut online, &mut polling] {
        let heard = client.notification().await;
        let expected = (&json!("ANNOUNCEMENT"), &json!("medium"), &json!("/hours"));
        assert_eq!((&heard["type"], &heard["priority"], &heard["actionUrl"]), expected);
        assert_eq!(heard["data"], json!({"broadcastId": made["id"]}));
    }
    let mut back = clinic.client(Connect::by(&chen()).over(&["websocket"])).await;
    assert_eq!(back.connected().await["unread"], 1);
    // One row for all of them.
    let uri = format!("/api/v1/events/{}", made["id"].as_str().unwrap());
    let became = clinic.http.get(&uri).by(&eve()).send().await.expect(200);
    assert_eq!(became["notifications"].as_array().unwrap().len(), 1);
    assert_eq!(became["notifications"][0]["room"], "all");

    // To a role: the others hear nothing.
    announce(&clinic, json!({"audience": ["role:doctor"], "title": "Rounds"})).await;
    assert_eq!(back.notification().await["title"], "Rounds");
    clinic.hears_nothing([&mut online]).await;
}

/// From the end on it is in no list and no count, nowhere to be found, and one that comes back by any way does not hear it.
#[tokio::test]
async fn what_is_over_vanishes_everywhere() {
    let clinic = Clinic::open().await;
    let mut online = clinic.online(&ann()).await;
    let mut early = clinic.client(Connect::by(&chen()).over(&["websocket"])).await;
    while !matches!(early.life().await, carillon_tests::Life::Connect { .. }) {}
    let since = early.hears("inbox:state").await[1].clone();
    early.leave().await;
    announce(&clinic, json!({"kind": "emergency", "expiresAt": in_seconds(6)})).await;
    let heard = online.notification().await;
    assert_eq!(heard["type"], "EMERGENCY");
    let began = Instant::now();
    loop {
        let unread =
            clinic.http.get("/api/v1/notifications/unread-count").by(&ann()).send().await.expect(200);
        if unread["unread"] == 0 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "it never ended");
        sleep(Duration::from_millis(50)).await;
    }
    let listed = clinic.http.get("/api/v1/notifications").by(&ann()).send().await.expect(200);
    assert_eq!(listed["items"], json!([]));
    let again = online.ask("notification:list", json!({})).await;
    assert_eq!((&again["items"], &again["unread"]), (&json!([]), &json!(0)));
    let path = format!("/api/v1/notifications/{}", heard["id"].as_str().unwrap());
    clinic.http.get(&path).by(&ann()).send().await.expect_problem(404, "not_found", "");
    let late = online.ask("announcement:ack", json!({"id": heard["id"]})).await;
    assert_eq!(late["error"]["code"], "not_found");
    let path = format!("/api/v1/stream?since={}", since.as_str().unwrap());
    let mut stream = clinic.http.get(&path).by(&chen()).stream().await;
    // After what it missed, of which there is nothing.
    let state = stream.hears("inbox:state").await.data;
    assert_eq!((&state["unread"], &state["recovered"]), (&json!(0), &json!(true)));
    let auth = json!({"token": chen().token(), "since": since});
    let mut back = clinic.client(Connect::by(&chen()).auth(auth).over(&["websocket"])).await;
    let state = back.connected().await;
    assert_eq!((&state["unread"], &state["recovered"]), (&json!(0), &json!(true)));
    clinic.hears_nothing([&mut online, &mut back]).await;
}

/// On whichever of two nodes someone acknowledges, the admins of both are told; there is nothing between them but the store.
#[tokio::test]
async fn an_emergency_is_acknowledged_and_admins_see_it_live() {
    let database = Postgres::create().await;
    let settings = || NodeSettings::default().set("DATABASE_URL", database.url());
    let (here, there) = (Clinic::open_with(settings()).await, Clinic::open_with(settings()).await);
    let (mut patient, mut doctor) = (here.online(&ann()).await, there.online(&chen()).await);
    let (mut admin, mut chief) = (here.online(&eve()).await, there.online(&fay()).await);
    let made = announce(&here, json!({"kind": "emergency", "title": "Leave the building"})).await;
    let heard = patient.notification().await;
    assert_eq!((&heard["type"], &heard["priority"]), (&json!("EMERGENCY"), &json!("urgent")));
    for client in [&mut doctor, &mut admin, &mut chief] {
        assert_eq!(client.notification().await["id"], heard["id"]);
    }
    let first = patient.ask("announcement:ack", json!({"id": heard["id"]})).await;
    assert!(first["ok"] == true && first["ackedAt"].is_string(), "{first}");
    assert_eq!(patient.ask("announcement:ack", json!({"id": heard["id"]})).await, first);
    let share = |acked: u32, of: u32| json!({"acked": acked, "of": of});
    let tally = |acked: u32, doctors: u32| {
        let by_role = json!({"admin": share(0, 2), "doctor": share(doctors, 1), "patient": share(1, 1)});
        json!({"broadcastId": made["id"], "acked": acked, "of": 4, "byRole": by_role})
    };
    for client in [&mut admin, &mut chief] {
        assert_eq!(client.hears("broadcast:acks").await, [tally(1, 0)]);
    }
    let ack = format!("/api/v1/notifications/{}/ack", heard["id"].as_str().unwrap());
    there.http.post(&ack, &json!({})).by(&chen()).send().await.expect(200);
    for client in [&mut admin, &mut chief] {
        assert_eq!(client.hears("broadcast:acks").await, [tally(2, 1)]);
    }
    let uri = format!("/api/v1/broadcasts/{}/acks?acked=false", made["id"].as_str().unwrap());
    let acks = there.http.get(&uri).by(&fay()).send().await.expect(200);
    let names: Vec<_> =
        acks["items"].as_array().unwrap().iter().map(|one| one["userId"].as_str().unwrap()).collect();
    assert_eq!((names, &acks["acked"]), (vec!["eve", "fay"], &json!(2)));

    // What is no emergency, or not theirs, is not to be acknowledged.
    announce(&here, json!({"audience": ["role:patient"]})).await;
    let plain = patient.notification().await;
    let theirs = announce(&here, json!({"kind": "emergency", "audience": ["role:doctor"]})).await;
    assert_eq!(doctor.notification().await["data"]["broadcastId"], theirs["id"]);
    for argument in [json!({"id": plain["id"]}), json!({"id": theirs["id"]})] {
        assert_eq!(patient.ask("announcement:ack", argument).await["error"]["code"], "not_found");
    }
    for argument in [json!({}), json!({"id": 7}), json!({"id": "x", "by": "eve"})] {
        assert_eq!(patient.ask("announcement:ack", argument).await["error"]["code"], "bad_request");
    }
}

/// What is scheduled is sent without anyone asking; its node was killed meanwhile.
#[tokio::test]
async fn a_schedule_outlives_its_node() {
    let mut clinic = Clinic::open().await;
    let mut online = clinic.online(&ann()).await;
    let mut times =
        json!({"publishAt": in_seconds(2), "startsAt": in_seconds(60), "endsAt": in_seconds(120)});
    times["kind"] = json!("maintenance");
    let made = announce(&clinic, times.clone()).await;
    assert_eq!(made["status"], "scheduled");
    let canceled = announce(&clinic, json!({"publishAt": in_seconds(2), "title": "Never"})).await;
    let uri = format!("/api/v1/broadcasts/{}", canceled["id"].as_str().unwrap());
    let call = clinic.http.call("DELETE", &uri).by(&eve()).send().await.expect(200);
    assert_eq!(call["status"], "canceled");
    clinic.node.kill9().await;
    clinic.node.restart().await;
    online.comes_back().await;
    let heard = online.notification().await;
    assert_eq!((&heard["type"], &heard["priority"]), (&json!("MAINTENANCE"), &json!("high")));
    let data = json!({"broadcastId": made["id"], "startsAt": made["startsAt"], "endsAt": made["endsAt"]});
    assert_eq!(heard["data"], data);
    clinic.http.call("DELETE", &uri).by(&eve()).send().await.expect_problem(409, "not_scheduled", "");
    clinic.hears_nothing([&mut online]).await;
}
