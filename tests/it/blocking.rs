//! Users who are blocked: they hear so, leave, and stay out until they are active.

use carillon_tests::clinic::note;
use carillon_tests::raw::{Heard, RawSocket};
use carillon_tests::users::{ann, ben, eve};
use carillon_tests::{Clinic, Connect, Life, User};
use serde_json::{Value, json};

async fn status(clinic: &Clinic, user: &User, status: &str) {
    clinic.publish("user:status_changed", json!({"userId": user.id, "status": status})).await;
}

/// The gateway has followed the log to the block: new connections are refused, over both transports and for sessions that
/// are resumed.
async fn is_out(clinic: &Clinic, connect: Connect) {
    let refused = ("User is blocked".to_owned(), json!({"code": "user_blocked"}));
    for transport in ["websocket", "polling"] {
        let mut client = clinic.client(connect.clone().over(&[transport])).await;
        assert_eq!(client.refused().await, refused, "{transport}");
    }
}

// J13
#[tokio::test]
async fn one_who_is_blocked_hears_so_and_is_out_until_they_are_active() {
    let mut clinic = Clinic::open().await;
    let mut clients = Vec::new();
    for transports in [&["websocket"][..], &["polling"], &["polling", "websocket"]] {
        let mut client = clinic.client(Connect::by(&ann()).over(transports)).await;
        client.connected().await;
        clients.push(client);
    }
    let mut other = clinic.online(&ben()).await;
    clinic.tell(&ann(), "before").await;
    status(&clinic, &ann(), "BLOCKED").await;
    clinic.tell(&ann(), "after").await;
    for client in &mut clients {
        assert_eq!(client.notification().await["title"], "before");
        assert_eq!(client.notification().await["data"]["status"], "BLOCKED");
        // After this its client does not come back by itself.
        assert_eq!(client.disconnected().await, "io server disconnect");
    }
    is_out(&clinic, Connect::by(&ann())).await;
    for path in ["/api/v1/notifications", "/api/v1/notifications/unread-count"] {
        clinic.http.get(path).by(&ann()).send().await.expect_problem(403, "user_blocked", "");
    }
    clinic.hears_nothing([&mut other]).await;

    clinic.node.kill9().await;
    clinic.node.restart().await;
    is_out(&clinic, Connect::by(&ann())).await;

    status(&clinic, &ann(), "ACTIVE").await;
    let mut client = in_in_the_end(&clinic, &ann()).await;
    clinic.hears_nothing([&mut client]).await;
    let listed = client.ask("notification:list", json!({})).await;
    let titles: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| &item["title"]).collect();
    assert_eq!(titles, ["fence 1", "Account status changed", "after", "Account status changed", "before"]);
}

/// The node hears of it a moment after the publisher was answered.
async fn in_in_the_end(clinic: &Clinic, user: &User) -> carillon_tests::Client {
    let began = std::time::Instant::now();
    loop {
        let mut client = clinic.client(Connect::by(user).over(&["websocket"])).await;
        if matches!(client.life().await, Life::Connect { .. }) {
            client.hears("inbox:state").await;
            return client;
        }
        assert!(began.elapsed() < carillon_tests::PATIENCE, "never let in again");
    }
}

#[tokio::test]
async fn a_session_of_someone_who_was_blocked_is_not_resumed() {
    let clinic = Clinic::open().await;
    let mut socket = RawSocket::open(clinic.node.address()).await.unwrap().0;
    socket.text(&format!("40{}", json!({"token": ann().token()}))).await.unwrap();
    let Heard::Text(connected) = socket.hear().await else { panic!("refused") };
    let pid = serde_json::from_str::<Value>(&connected[2..]).unwrap()["pid"].clone();
    let Heard::Text(state) = socket.hear().await else { panic!("no state") };
    let offset = serde_json::from_str::<Value>(&state[2..]).unwrap()[2].clone();
    drop(socket);
    let mut fence = clinic.online(&ben()).await;
    status(&clinic, &ann(), "BLOCKED").await;
    clinic.hears_nothing([&mut fence]).await;
    let payload = json!({"token": ann().token(), "pid": pid, "offset": offset});
    is_out(&clinic, Connect::by(&ann()).auth(payload)).await;
    // Nor is a token of hers, be it fresh, one of an admin, or one that a socket of hers would bring.
    let admin = User { role: "ADMIN", ..ann() };
    is_out(&clinic, Connect::by(&admin)).await;
    let publish =
        clinic.http.post("/api/v1/notifications", &note(&["user:ben"], "x")).by(&admin).send().await;
    publish.expect_problem(403, "user_blocked", "");
}

#[tokio::test]
async fn blocking_someone_who_is_away_or_unknown_harms_nobody() {
    let clinic = Clinic::open().await;
    let mut client = clinic.online(&eve()).await;
    status(&clinic, &User::new("nobody", "PATIENT"), "BLOCKED").await;
    status(&clinic, &ben(), "ACTIVE").await;
    // The data of another notification says nothing.
    let mut body = note(&["user:eve"], "not an event");
    body["type"] = json!("USER_STATUS_CHANGED");
    body["data"] = json!({"userId": "eve", "status": "BLOCKED"});
    assert_eq!(clinic.http.post("/api/v1/notifications", &body).with_key().send().await.status, 201);
    assert_eq!(client.notification().await["title"], "not an event");
    clinic.hears_nothing([&mut client]).await;
}
