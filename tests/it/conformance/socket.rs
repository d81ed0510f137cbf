//! What the suite of the Socket.IO protocol looks at, in the mode made for it: a CONNECT within one second.

use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Message;

use super::Server;
use super::raw::{Polls, Raw, sid};

/// A connection without any namespace.
async fn open() -> (Server, Raw) {
    let server = Server::patient("socket").await;
    let polls = Polls::new(format!("{}/socket.io/?", server.url));
    let mut websocket = polls.websocket("EIO=4&transport=websocket").await.unwrap();
    sid(&websocket.hears().await);
    (server, websocket)
}

/// A connection that has joined the main namespace.
async fn joined() -> (Server, Raw) {
    let (server, mut websocket) = open().await;
    websocket.joins("40", "40{", r#"42["auth",{}]"#).await;
    (server, websocket)
}

impl Raw {
    /// Sends CONNECT; the answer, and the event that brings the payload back.
    async fn joins(&mut self, connect: &str, answer: &str, auth: &str) {
        self.says(connect).await;
        let accepted = self.packet().await;
        assert!(accepted.starts_with(&format!("{answer}\"sid\":\"")), "{accepted}");
        assert!(!accepted.contains("pid"), "{accepted}");
        assert_eq!(self.packet().await, auth);
    }

    /// The next packet that is no ping; pings are answered.
    async fn packet(&mut self) -> String {
        loop {
            match self.hears().await {
                ping if ping == "2" => self.says("3").await,
                packet => return packet,
            }
        }
    }
}

#[tokio::test]
async fn namespaces_are_joined_with_or_without_a_payload() {
    for (connect, answer, auth) in [
        ("40", "40{", r#"42["auth",{}]"#),
        (r#"40{"token":"123"}"#, "40{", r#"42["auth",{"token":"123"}]"#),
        ("40/custom,", "40/custom,{", r#"42/custom,["auth",{}]"#),
        ("40/custom", "40/custom,{", r#"42/custom,["auth",{}]"#),
        (r#"40/custom,{"token":"abc"}"#, "40/custom,{", r#"42/custom,["auth",{"token":"abc"}]"#),
    ] {
        let (_server, mut websocket) = open().await;
        websocket.joins(connect, answer, auth).await;
    }
}

#[tokio::test]
async fn an_unknown_namespace_is_refused_and_the_connection_stays() {
    let (_server, mut websocket) = open().await;
    for connect in ["40/random", "40/random,"] {
        websocket.says(connect).await;
        assert_eq!(websocket.packet().await, r#"44/random,{"message":"Invalid namespace"}"#);
    }
    websocket.joins("40", "40{", r#"42["auth",{}]"#).await;
}

#[tokio::test]
async fn one_who_joins_nothing_is_closed_after_a_second() {
    let (_server, mut websocket) = open().await;
    let at = Instant::now();
    // Pings are answered, so that it is not for them.
    loop {
        match websocket.message().await {
            Message::Text(text) if text.as_str() == "2" => websocket.says("3").await,
            Message::Close(_) => break,
            other => panic!("{other:?}"),
        }
    }
    let took = at.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test]
async fn one_leaves_a_namespace_and_keeps_the_others() {
    let (_server, mut websocket) = joined().await;
    websocket.joins("40/custom,", "40/custom,{", r#"42/custom,["auth",{}]"#).await;
    websocket.says("41/custom,").await;
    websocket.says(r#"42["message","to the main one"]"#).await;
    assert_eq!(websocket.packet().await, r#"42["message-back","to the main one"]"#);
    websocket.says("41").await;
    // With no namespace left it still beats.
    assert_eq!(websocket.hears().await, "2");
}

#[tokio::test]
async fn events_and_acks_go_both_ways_with_their_bytes() {
    let (_server, mut websocket) = joined().await;
    for (event, answer) in [
        (r#"42["message",1,"2",{"3":[true]}]"#, r#"42["message-back",1,"2",{"3":[true]}]"#),
        (r#"42456["message-with-ack",1,"2",{"3":[false]}]"#, r#"43456[1,"2",{"3":[false]}]"#),
        (r#"420["message-with-ack"]"#, "430[]"),
    ] {
        websocket.says(event).await;
        assert_eq!(websocket.packet().await, answer);
    }
    let places = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    for (event, answer) in [
        (format!(r#"452-["message",{places}]"#), format!(r#"452-["message-back",{places}]"#)),
        (format!(r#"452-789["message-with-ack",{places}]"#), format!("462-789[{places}]")),
    ] {
        websocket.says(&event).await;
        websocket.says_bytes(&[1, 2, 3]).await;
        websocket.says_bytes(&[4, 5, 6]).await;
        assert_eq!(websocket.packet().await, answer);
        assert_eq!(websocket.message().await, Message::binary(vec![1, 2, 3]));
        assert_eq!(websocket.message().await, Message::binary(vec![4, 5, 6]));
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection() {
    for packet in [
        "4abc",
        "42{}",
        "42abc",
        r#"42{"toString":"foo"}"#,
        "42[]",
        "42[{}]",
        "47",
        "4",
        "40",
        "42/custom,[\"a\"]",
    ] {
        let (_server, mut websocket) = joined().await;
        websocket.says(packet).await;
        websocket.ends().await;
    }
    let (_server, mut websocket) = open().await;
    websocket.says("4abc").await;
    websocket.ends().await;
}
