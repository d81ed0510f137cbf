//! What is said to one person stays with them: out of logs, out of pushes where the operator wants it so, and gone when it
//! is to be.

use std::collections::BTreeSet;

use carillon_tests::node::PUBLISH_KEY;
use carillon_tests::users::{JWT_SECRET, ann, ben, eve};
use carillon_tests::{Client, Clinic, Connect, NodeSettings, User};
use serde_json::{Value, json};

/// Words that stand nowhere else.
const TITLE: &str = "Zwischenbefund";
const MESSAGE: &str = "Blutbild unauffaellig";
const DATA: &str = "Haemoglobin-13-9";

fn finding(to: &User) -> Value {
    json!({"to": [to.room()], "type": "LAB_RESULT", "title": TITLE, "message": MESSAGE, "data": {"value": DATA}})
}

async fn tell(clinic: &Clinic, body: &Value) -> String {
    let answer = clinic.http.post("/api/v1/notifications", body).with_key().send().await.expect(201);
    answer["notifications"][0]["id"].as_str().unwrap_or_default().to_owned()
}

async fn comes(clinic: &Clinic, user: &User, since: &Value) -> Client {
    let auth = json!({"token": user.token(), "since": since});
    let mut client = clinic.client(Connect::by(user).auth(auth).over(&["websocket"])).await;
    client.life().await;
    client
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn erase(clinic: &Clinic, user: &User) {
    let path = format!("/api/v1/users/{}/data", user.id);
    assert_eq!(clinic.http.call("DELETE", &path).by(&eve()).send().await.status, 204);
}

/// All that the product does with a notification and a token, at the level that tells the most.
#[tokio::test]
async fn no_log_line_has_a_title_a_message_data_a_token_or_a_key() {
    let mut clinic = Clinic::open_with(NodeSettings::default().set("RUST_LOG", "trace")).await;
    let mut clients = Vec::new();
    for transports in [&["websocket"][..], &["polling"], &["polling", "websocket"]] {
        let mut client = clinic.client(Connect::by(&ann()).over(transports)).await;
        client.connected().await;
        clients.push(client);
    }
    let mut stream = clinic.http.get("/api/v1/stream").by(&ann()).stream().await;
    stream.hears("inbox:state").await;
    let id = tell(&clinic, &finding(&ann())).await;
    for client in &mut clients {
        assert_eq!(client.notification().await["title"], TITLE);
    }
    assert_eq!(stream.hears("notification").await.data["data"]["value"], DATA);
    let fresh = clients[0].ask("auth:refresh", json!({"token": ann().token()})).await;
    assert_eq!(fresh["ok"], true);
    clients[0].ask("notification:read", json!({"ids": [id]})).await;
    clients[1].ask("notification:list", json!({})).await;
    clinic.http.get("/api/v1/notifications").by(&ann()).send().await.expect(200);
    let mut broken = finding(&ann());
    broken["priority"] = json!(MESSAGE);
    clinic.http.post("/api/v1/notifications", &broken).with_key().send().await.expect_problem(
        422,
        "validation",
        "/priority",
    );
    let strange = carillon_tests::users::sign(
        &json!({"userId": "ann", "role": DATA, "exp": 4_102_444_800_u64}),
        JWT_SECRET,
    );
    clinic.http.get("/api/v1/notifications").bearer(&strange).send().await.expect_problem(
        401,
        "token_invalid",
        "",
    );
    let mut refused =
        clinic.client(Connect::by(&ann()).auth(json!({"token": strange})).over(&["websocket"])).await;
    refused.refused().await;
    clinic.node.kill9().await;
    clinic.node.restart().await;
    for client in &mut clients {
        client.comes_back().await;
    }
    erase(&clinic, &ann()).await;
    clients[0].comes_back().await;
    clinic.node.terminate().await;

    let log = clinic.node.log();
    // At this level there is much, of every part.
    assert!(log.contains("socket connected") && log.contains("DEBUG"), "too little was logged");
    // Every token begins like this.
    assert!(strange.starts_with("eyJ"));
    for secret in [TITLE, MESSAGE, DATA, "eyJ", PUBLISH_KEY, JWT_SECRET] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret:?} was logged");
    }
}

#[tokio::test]
async fn of_a_sensitive_type_nothing_is_pushed_but_that_there_is_something() {
    let settings = NodeSettings::default().set("SENSITIVE_TYPES", "LAB_RESULT,PRESCRIPTION_CREATED");
    let clinic = Clinic::open_with(settings).await;
    let mut clients = Vec::new();
    for transports in [&["websocket"][..], &["polling"]] {
        let mut client = clinic.client(Connect::by(&ann()).over(transports)).await;
        client.connected().await;
        clients.push(client);
    }
    let mut stream = clinic.http.get("/api/v1/stream").by(&ann()).stream().await;
    let start = stream.hears("inbox:state").await.id.unwrap();
    let id = tell(&clinic, &finding(&ann())).await;
    clinic.tell(&ann(), "plain").await;
    let mut late = comes(&clinic, &ann(), &json!(start)).await;
    let mut pushed = vec![stream.hears("notification").await.data, late.notification().await];
    for client in &mut clients {
        pushed.push(client.notification().await);
        assert_eq!(client.notification().await["title"], "plain");
    }
    let expected = ["createdAt", "event", "id", "isRead", "priority", "sensitive", "type"];
    for told in &pushed {
        assert_eq!(keys(told), BTreeSet::from(expected), "{told}");
        assert_eq!((&told["id"], &told["sensitive"]), (&json!(id), &json!(true)));
    }
    // Whoever it is for asks for the rest, and nobody else.
    let path = format!("/api/v1/notifications/{id}");
    let whole = clinic.http.get(&path).by(&ann()).send().await.expect(200);
    assert_eq!((&whole["title"], &whole["data"]["value"]), (&json!(TITLE), &json!(DATA)));
    clinic.http.get(&path).by(&ben()).send().await.expect_problem(404, "not_found", "");
}

#[tokio::test]
async fn one_who_is_erased_reloads_and_finds_nothing() {
    let mut clinic = Clinic::open().await;
    let (mut online, mut other) = (clinic.online(&ann()).await, clinic.online(&ben()).await);
    let mut stream = clinic.http.get("/api/v1/stream").by(&ann()).stream().await;
    let offset = json!(stream.hears("inbox:state").await.id.unwrap());
    tell(&clinic, &finding(&ann())).await;
    clinic.notify(&["all"], "to all").await;
    for title in [TITLE, "to all"] {
        assert_eq!(online.notification().await["title"], title);
        assert_eq!(stream.hears("notification").await.data["title"], title);
    }
    erase(&clinic, &ann()).await;
    // Its client comes back by itself, and is told that what it has is not the truth; nothing else is said to anyone.
    let state = online.comes_back().await;
    assert_eq!((&state["recovered"], &state["unread"]), (&json!(false), &json!(0)));
    stream.ends().await;
    assert_eq!(other.notification().await["title"], "to all");
    clinic.hears_nothing([&mut online, &mut other]).await;
    // So is one who was away meanwhile, on a node that has not heard of it live.
    clinic.node.kill9().await;
    clinic.node.restart().await;
    let mut away = comes(&clinic, &ann(), &offset).await;
    let state = away.hears("inbox:state").await;
    assert_eq!(state[0]["recovered"], false);
    let listed = away.ask("notification:list", json!({})).await;
    let titles: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| &item["title"]).collect();
    assert_eq!(titles, ["fence 0"], "what was said since");
    // Another's is as it was.
    let kept = clinic.http.get("/api/v1/notifications").by(&ben()).send().await.expect(200);
    assert_eq!(kept["items"].as_array().unwrap().len(), 2);
    let audit = clinic.http.get("/api/v1/audit").by(&eve()).send().await.expect(200);
    assert_eq!(
        (&audit["items"][0]["action"], &audit["items"][0]["subject"]),
        (&json!("user.erased"), &json!("ann"))
    );
    assert!(!clinic.node.log().contains(TITLE));
}
