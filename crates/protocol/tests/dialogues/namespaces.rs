//! Joining, being refused, leaving (connect timeout 5000, at most 3 namespaces).

use std::time::Duration;

use carillon_protocol::engine::Transport;
use carillon_protocol::{Config, Frame, SendError};
use serde_json::value::RawValue;

use super::talk::{Talk, config};

#[test]
fn a_connect_is_accepted() {
    let mut talk = Talk::websocket();
    talk.ws(r#"40{"token":"t"}"#).then(&[r#"connect / {"token":"t"}"#]);
    talk.app(|c, _| assert!(!c.is_joined("/") && c.accept("/", "a", Some("p")) && c.is_joined("/")));
    talk.then(&[r#"ws: 40{"sid":"a","pid":"p"}"#]);
    talk.app(|c, _| assert!(!c.accept("/", "b", None) && !c.refuse("/", "no", None))).nothing();
}

#[test]
fn a_namespace_may_have_any_name() {
    let mut talk = Talk::joined();
    talk.ws("40/custom,").then(&["connect /custom -"]);
    talk.app(|c, _| assert!(c.accept("/custom", "b", None))).then(&[r#"ws: 40/custom,{"sid":"b"}"#]);
    talk.ws(r#"40/custom?token=x,{"a":1}"#).then(&[r#"connect /custom?token=x {"a":1}"#]);
    talk.app(|c, _| assert!(c.refuse("/custom?token=x", "Invalid namespace", None)));
    talk.then(&[r#"ws: 44/custom?token=x,{"message":"Invalid namespace"}"#]);
    talk.ws(r#"42/custom,["a"]"#).then(&["/custom a"]);
    talk.app(|c, _| c.send(&Frame::event("/custom", "n", &[1]).unwrap()).unwrap());
    talk.then(&[r#"ws: 42/custom,["n",1]"#]);
    talk.ws("41/custom").then(&["left /custom: client namespace disconnect"]);
}

#[test]
fn a_refused_client_may_ask_again() {
    let mut talk = Talk::websocket();
    let data = RawValue::from_string(r#"{"code":"token_missing"}"#.into()).unwrap();
    for _ in 0..5 {
        talk.ws("40").then(&["connect / -"]);
        talk.app(|c, _| assert!(c.refuse("/", r#"No "token""#, Some(&data))));
        talk.then(&[r#"ws: 44{"message":"No \"token\"","data":{"code":"token_missing"}}"#]);
    }
    talk.join();
}

/// A session that has left everything would otherwise be kept for as long as it answers pings, and count for nobody.
#[test]
fn one_who_has_left_everything_has_as_long_again_to_join() {
    let config = Config { connect_timeout: Duration::from_millis(300), ..config() };
    let mut talk = Talk::over(Transport::Websocket, config);
    talk.join();
    talk.at(400).nothing().ws("41").then(&["left /: client namespace disconnect"]);
    talk.at(699).nothing().at(700).then(&[
        "ws closed",
        "closed: forced server close: no namespace joined in time",
        "finished",
    ]);
}

#[test]
fn nobody_joined_in_time() {
    let timed_out = ["ws closed", "closed: forced server close: no namespace joined in time", "finished"];
    let beat = |talk: &mut Talk, until| {
        for ping in 1..=until {
            talk.at(ping * 1000).then(&["ws: 2"]).ws("3").nothing();
        }
    };
    let mut talk = Talk::websocket();
    beat(&mut talk, 4);
    talk.at(4999).nothing().at(5000);
    // Both are due: the ping comes first and goes nowhere.
    let mut expected = vec!["ws: 2"];
    expected.extend(timed_out);
    talk.then(&expected);

    // A refused connect does not count, nor does one that nobody answers.
    let mut talk = Talk::websocket();
    talk.ws("40").then(&["connect / -"]).app(|c, _| assert!(c.refuse("/", "no", None)));
    talk.then(&[r#"ws: 44{"message":"no"}"#]);
    beat(&mut talk, 4);
    talk.at(4500).ws("40").then(&["connect / -"]);
    talk.at(5000).then(&expected);

    let mut talk = Talk::joined();
    beat(&mut talk, 6);
}

#[test]
fn after_leaving_the_connection_stays_and_the_socket_may_come_back() {
    let mut talk = Talk::joined();
    talk.ws("41").then(&["left /: client namespace disconnect"]);
    talk.app(|c, _| {
        let frame = Frame::event("/", "n", &()).unwrap();
        assert!(matches!(c.send(&frame), Err(SendError::NotJoined)) && !c.disconnect("/"));
    });
    talk.join();
}

#[test]
fn the_server_disconnects_a_socket() {
    let mut talk = Talk::joined();
    talk.app(|c, _| assert!(c.disconnect("/") && !c.disconnect("/")));
    talk.then(&["left /: server namespace disconnect", "ws: 41"]);
    talk.join();
}

#[test]
fn the_server_disconnects_them_all() {
    let mut talk = Talk::joined();
    talk.ws("40/b,").then(&["connect /b -"]).app(|c, _| assert!(c.accept("/b", "b", None)));
    talk.then(&[r#"ws: 40/b,{"sid":"b"}"#]);
    talk.ws("40/c,").then(&["connect /c -"]);
    talk.app(|c, now| c.disconnect_all(now));
    talk.then(&[
        "left /: server namespace disconnect",
        "left /b: server namespace disconnect",
        "ws: 41",
        "ws: 41/b,",
        "ws closed",
        "closed: forced close: closed by the application",
        "finished",
    ]);
    talk.app(|c, _| assert!(!c.accept("/c", "c", None))).nothing();
}

#[test]
fn each_violation_of_the_state_closes_the_connection() {
    let cases = [
        (r#"42["a"]"#, "packet for a namespace that is not joined"),
        ("42", "packet for a namespace that is not joined"),
        ("430[]", "packet for a namespace that is not joined"),
        ("41", "packet for a namespace that is not joined"),
        (r#"451-["a",{"_placeholder":true,"num":0}]"#, "packet for a namespace that is not joined"),
        ("40", "second connect of a namespace"),
    ];
    for (packet, detail) in cases {
        let mut talk = Talk::websocket();
        // Also while the application has not yet answered.
        talk.ws("40").then(&["connect / -"]).ws(packet);
        talk.then(&["ws closed", &format!("closed: forced server close: {detail}"), "finished"]);
    }
    for (packet, detail) in &cases[..5] {
        let mut talk = Talk::websocket();
        talk.ws(packet).then(&["ws closed", &format!("closed: forced server close: {detail}"), "finished"]);
    }
    let mut talk = Talk::joined();
    talk.ws("40");
    let second = "closed: forced server close: second connect of a namespace";
    talk.then(&["ws closed", "left /: forced server close", second, "finished"]);
}

#[test]
fn on_polling_a_violation_is_told_by_the_next_get_and_the_rest_is_not_read() {
    let mut talk = Talk::polling();
    talk.post(r#"40|42["early"]|40/b,|1"#);
    let why = "closed: transport close: close packet";
    talk.then(&["connect / -", why, "finished"]);

    let mut talk = Talk::polling();
    talk.post(r#"40|42["early"]|40/b,"#);
    let why = "closed: forced server close: packet for a namespace that is not joined";
    talk.then(&["connect / -", why]).get().then(&["poll: 6|1", "finished"]);
}

#[test]
fn namespaces_are_bounded() {
    let mut talk = Talk::joined();
    talk.ws("40/b,").ws("40/c,").then(&["connect /b -", "connect /c -"]);
    talk.ws("40/d,").then(&[
        "ws closed",
        "left /: forced server close",
        "closed: forced server close: too many namespaces",
        "finished",
    ]);
}

#[test]
fn a_long_namespace_is_only_a_name() {
    let name = format!("/{}", "n".repeat(900));
    let mut talk = Talk::joined();
    talk.ws(&format!("40{name}")).then(&[&format!("connect {name} -")]);
    talk.app(|c, _| assert!(c.refuse(&name, "Invalid namespace", None)));
    talk.then(&[&format!(r#"ws: 44{name},{{"message":"Invalid namespace"}}"#)]);
}
