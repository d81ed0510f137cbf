//! Tokens of sockets that are open: notice, a fresh one, the end.

use carillon_tests::raw::{Heard, RawSocket};
use carillon_tests::users::{ann, ben, chen, fay};
use carillon_tests::{Client, Clinic, Connect, Life, NodeSettings, User};
use serde_json::{Value, json};

async fn clinic() -> Clinic {
    let clinic = Clinic::open_with(NodeSettings::default().set("JWT_LEEWAY_SECONDS", 0)).await;
    // The process of the clients takes its time to start, and tokens here are short.
    clinic.online(&fay()).await;
    clinic
}

/// A socket of `user` by a token that is good for three seconds at most.
async fn briefly(clinic: &Clinic, user: &User) -> Client {
    let connect = Connect::by(user).auth(json!({"token": user.token_for(3)})).over(&["websocket"]);
    let mut client = clinic.client(connect).await;
    client.connected().await;
    client
}

/// Waits for the end of a token that was made after those of the test.
async fn three_seconds_pass(clinic: &Clinic) {
    let mut clock = RawSocket::join(clinic.node.address(), &ben().token_for(3)).await.unwrap();
    assert_eq!(clock.end().await, Heard::Close(Some(4001)));
}

#[tokio::test]
async fn at_the_end_of_its_token_a_client_comes_back_with_a_fresh_one() {
    let clinic = clinic().await;
    for transports in [&["websocket"][..], &["polling"], &["polling", "websocket"]] {
        let tokens = [ann().token_for(3), ann().token()];
        let mut client = clinic.client(Connect::by(&ann()).over(transports).tokens(&tokens)).await;
        client.connected().await;
        let said = client.hears("auth:expiring").await;
        assert!(said.len() == 1 && said[0]["expiresAt"].is_string(), "{said:?}");
        assert_eq!(client.disconnected().await, "transport close", "{transports:?}");
        // The same session, which has missed nothing.
        assert_eq!(client.connected().await["recovered"], true, "{transports:?}");
        clinic.hears_nothing([&mut client]).await;
    }
}

#[tokio::test]
async fn without_a_fresh_one_it_is_told_that_its_token_has_expired() {
    let clinic = clinic().await;
    let mut client = briefly(&clinic, &ann()).await;
    assert_eq!(client.disconnected().await, "transport close");
    let expired = ("Authentication token expired".to_owned(), json!({"code": "token_expired"}));
    assert_eq!(client.refused().await, expired);
}

#[tokio::test]
async fn a_long_token_gives_no_notice_yet() {
    let clinic = clinic().await;
    let mut socket = RawSocket::join(clinic.node.address(), &ann().token_for(70)).await.unwrap();
    socket.text("4277[\"notification:unread\",{\"ids\":[]}]").await.unwrap();
    let Heard::Text(next) = socket.hear().await else { panic!("the end") };
    assert!(next.starts_with("4377["), "{next}");
}

#[tokio::test]
async fn within_the_leeway_a_socket_stays_to_the_end_of_it() {
    let clinic = Clinic::open_with(NodeSettings::default().set("JWT_LEEWAY_SECONDS", 3)).await;
    let mut late = RawSocket::join(clinic.node.address(), &ann().token_for(-1)).await.unwrap();
    let Heard::Text(notice) = late.hear().await else { panic!("no notice") };
    assert!(notice.starts_with("42[\"auth:expiring\",{\"expiresAt\":\""), "{notice}");
    late.is_served().await;
    assert_eq!(late.end().await, Heard::Close(Some(4001)));
    assert!(RawSocket::join(clinic.node.address(), &ann().token_for(-4)).await.is_err(), "let in after it");
}

#[tokio::test]
async fn a_fresh_token_in_time_keeps_the_socket() {
    let clinic = clinic().await;
    let mut client = briefly(&clinic, &ann()).await;
    let answer = client.ask("auth:refresh", json!({"token": ann().token()})).await;
    assert!(
        answer["ok"] == true && answer["expiresAt"].is_string() && answer["reload"].is_null(),
        "{answer}"
    );
    three_seconds_pass(&clinic).await;
    clinic.hears_nothing([&mut client]).await;
    // A shorter one counts too.
    assert_eq!(client.ask("auth:refresh", json!({"token": ann().token_for(3)})).await["ok"], true);
    client.hears("auth:expiring").await;
    assert_eq!(client.disconnected().await, "transport close");
}

// J15
#[tokio::test]
async fn no_other_token_does_and_its_socket_is_still_its_own() {
    let clinic = clinic().await;
    let mut client = clinic.online(&ann()).await;
    let bad = [
        (json!({"token": ben().token()}), "token_invalid"),
        (json!({"token": "no token"}), "token_invalid"),
        (json!({"token": ann().token_signed_with("another-secret-0123456789-0123456789")}), "token_invalid"),
        (json!({"token": ann().expired_token()}), "token_expired"),
        (json!({"token": ""}), "token_missing"),
        (json!({"token": 7}), "bad_request"),
        (json!({"token": ann().token(), "role": "ADMIN"}), "bad_request"),
        (json!({}), "bad_request"),
        (Value::Null, "bad_request"),
    ];
    for (argument, code) in bad {
        let answer = client.ask("auth:refresh", argument).await;
        assert!(answer["ok"] == false && answer["error"]["code"] == code, "{answer}");
    }
    clinic.tell(&ben(), "not ann's").await;
    clinic.hears_nothing([&mut client]).await;
    assert_eq!(client.ask("notification:list", json!({})).await["items"][0]["title"], "fence 0");
}

// C9
#[tokio::test]
async fn a_change_of_role_is_a_change_of_rooms() {
    let clinic = clinic().await;
    clinic.notify(&["role:admin"], "before chen was an admin").await;
    let mut client = clinic.online(&chen()).await;
    let admin = User { role: "ADMIN", ..chen() };
    let answer = client.ask("auth:refresh", json!({"token": admin.token()})).await;
    assert_eq!((&answer["ok"], &answer["reload"]), (&json!(true), &json!(true)), "{answer}");
    clinic.notify(&["role:doctor", "doctor:chen"], "for doctors").await;
    clinic.notify(&["role:admin"], "for admins").await;
    assert_eq!(client.notification().await["title"], "for admins");
    let titles = |answer: &Value| {
        let items = answer["items"].as_array().unwrap().iter();
        items.map(|item| item["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(titles(&client.ask("notification:list", json!({})).await), ["for admins"]);
    clinic.hears_nothing([&mut client]).await;

    // Asked in one breath, the list is answered by the new role.
    let refreshed = client.ask("auth:refresh", json!({"token": chen().token()}));
    let listed = client.ask("notification:list", json!({"limit": 2}));
    let (refreshed, listed) = tokio::join!(refreshed, listed);
    assert_eq!(refreshed["reload"], true);
    assert_eq!(titles(&listed), ["fence 0", "for doctors"]);
    clinic.notify(&["role:admin"], "for admins only").await;
    clinic.hears_nothing([&mut client]).await;
}

#[tokio::test]
async fn who_comes_back_with_another_role_begins_anew_and_reloads() {
    let clinic = clinic().await;
    let admin = User { role: "ADMIN", ..chen() };
    let tokens = [chen().token(), admin.token()];
    let mut client = clinic.client(Connect::by(&chen()).over(&["websocket"]).tokens(&tokens)).await;
    client.connected().await;
    assert_eq!(client.ask("auth:refresh", json!({"token": admin.token()})).await["reload"], true);
    clinic.notify(&["role:admin"], "heard").await;
    client.notification().await;
    client.cut().await;
    loop {
        if let Life::Connect { recovered, .. } = client.life().await {
            assert!(!recovered, "the pid is of the rooms it had");
            break;
        }
    }
    assert_eq!(client.hears("inbox:state").await[0]["recovered"], false);
    clinic.hears_nothing([&mut client]).await;
}
