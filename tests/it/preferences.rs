//! What users mute: no way of hearing brings it, on any node, and in the inbox it is read.

use carillon_tests::users::{ann, ben};
use carillon_tests::{Client, Clinic, Connect, NodeSettings, Postgres, User};
use serde_json::{Value, json};

/// From the moment this is answered it holds.
async fn mute(clinic: &Clinic, user: &User, kinds: &[&str]) {
    let body = json!({"muted": kinds});
    let answer = clinic.http.call("PUT", "/api/v1/preferences").by(user).json(&body).send().await;
    assert_eq!(answer.expect(200), body);
}

/// A prescription, which is of medium priority unless another is given.
async fn prescribe(clinic: &Clinic, user: &User, title: &str, priority: Option<&str>) -> String {
    let data = json!({"prescriptionId": "rx-1", "patientId": user.id});
    let body = json!({"event": "prescription:created", "data": data, "title": title, "priority": priority});
    let answer = clinic.http.post("/api/v1/events", &body).with_key().send().await.expect(201);
    answer["notifications"][0]["id"].as_str().unwrap_or_default().to_owned()
}

async fn unread(clinic: &Clinic, user: &User) -> Value {
    clinic.http.get("/api/v1/notifications/unread-count").by(user).send().await.expect(200)["unread"].clone()
}

fn titles(listed: &Value) -> Vec<&str> {
    listed["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect()
}

async fn comes(clinic: &Clinic, user: &User, since: Option<&Value>) -> Client {
    let auth = json!({"token": user.token(), "since": since});
    let mut client = clinic.client(Connect::by(user).auth(auth).over(&["websocket"])).await;
    client.life().await;
    client
}

#[tokio::test]
async fn what_is_muted_is_heard_by_no_way_and_is_in_the_inbox_as_read() {
    let mut clinic = Clinic::open().await;
    let mut clients = Vec::new();
    for transports in [&["websocket"][..], &["polling"], &["polling", "websocket"]] {
        let mut client = clinic.client(Connect::by(&ann()).over(transports)).await;
        client.connected().await;
        clients.push(client);
    }
    let mut stream = clinic.http.get("/api/v1/stream").by(&ann()).stream().await;
    stream.hears("inbox:state").await;

    prescribe(&clinic, &ann(), "before", None).await;
    mute(&clinic, &ann(), &["PRESCRIPTION_CREATED"]).await;
    let muted = prescribe(&clinic, &ann(), "muted", None).await;
    prescribe(&clinic, &ann(), "important", Some("high")).await;
    clinic.tell(&ann(), "other").await;
    mute(&clinic, &ann(), &[]).await;
    prescribe(&clinic, &ann(), "after", None).await;
    for title in ["before", "important", "other", "after"] {
        for client in &mut clients {
            assert_eq!(client.notification().await["title"], title);
        }
        assert_eq!(stream.hears("notification").await.data["title"], title);
    }
    // Unmuted since, it is still read, and its reader may say otherwise.
    assert_eq!(unread(&clinic, &ann()).await, 4);
    let read = clients[0].ask("notification:list", json!({"status": "read"})).await;
    assert_eq!((titles(&read), &read["items"][0]["isRead"]), (vec!["muted"], &json!(true)));
    assert_eq!(clients[0].ask("notification:unread", json!({"ids": [muted]})).await["unread"], 5);
    assert_eq!(clients[1].hears("notification:unread").await[0]["unread"], 5);

    clinic.node.kill9().await;
    clinic.node.restart().await;
    assert_eq!(unread(&clinic, &ann()).await, 5);
}

#[tokio::test]
async fn one_who_comes_back_hears_nothing_of_what_they_mute() {
    let mut clinic = Clinic::open().await;
    let mut client = comes(&clinic, &ann(), None).await;
    let offset = client.hears("inbox:state").await[1].clone();
    client.leave().await;
    mute(&clinic, &ann(), &["PRESCRIPTION_CREATED", "REVIEW_CREATED"]).await;
    for n in 0..5 {
        prescribe(&clinic, &ann(), &format!("muted {n}"), None).await;
    }
    clinic.tell(&ann(), "first").await;
    mute(&clinic, &ann(), &["REVIEW_CREATED"]).await;
    prescribe(&clinic, &ann(), "second", None).await;
    for restarted in [false, true] {
        if restarted {
            // More than a node keeps at hand: what was missed is read from the store.
            clinic.publish_many("user:nobody", 4_200, 1).await;
            clinic.node.kill9().await;
            clinic.node.restart().await;
        }
        let mut client = comes(&clinic, &ann(), Some(&offset)).await;
        for title in ["first", "second"] {
            assert_eq!(client.notification().await["title"], title);
        }
        let state = client.hears("inbox:state").await;
        assert_eq!((&state[0]["recovered"], &state[0]["unread"]), (&json!(true), &json!(2)));
        client.leave().await;
    }
}

#[tokio::test]
async fn every_node_keeps_to_it_from_the_moment_it_is_answered() {
    let database = Postgres::create().await;
    let settings = || NodeSettings::default().set("DATABASE_URL", database.url());
    let (here, there) = (Clinic::open_with(settings()).await, Clinic::open_with(settings()).await);
    let (mut ann_there, mut ben_there) = (there.online(&ann()).await, there.online(&ben()).await);
    for round in 0..5 {
        mute(&here, &ann(), &["PRESCRIPTION_CREATED"]).await;
        for user in [ann(), ben()] {
            prescribe(&there, &user, &format!("muted {round}"), None).await;
        }
        assert_eq!(ben_there.notification().await["title"], format!("muted {round}"));
        mute(&there, &ann(), &[]).await;
        prescribe(&here, &ann(), &format!("heard {round}"), None).await;
        assert_eq!(ann_there.notification().await["title"], format!("heard {round}"));
        assert_eq!(
            (unread(&here, &ann()).await, unread(&there, &ann()).await),
            (json!(round + 1), json!(round + 1))
        );
    }
}
