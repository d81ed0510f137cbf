//! The server pings, the client answers (interval 1000, timeout 400).

use carillon_protocol::Frame;

use super::talk::Talk;

const DEAD: [&str; 4] =
    ["ws closed", "left /: ping timeout", "closed: ping timeout: no pong in time", "finished"];

#[test]
fn the_first_ping_comes_after_one_interval_and_the_next_after_the_pong() {
    let mut talk = Talk::joined();
    talk.at(999).nothing().at(1000).then(&["ws: 2"]);
    talk.at(1399).ws("3").nothing();
    talk.at(2398).nothing().at(2399).then(&["ws: 2"]);
}

#[test]
fn silence_ends_the_session_at_the_exact_moment() {
    let mut talk = Talk::joined();
    talk.at(1000).then(&["ws: 2"]);
    talk.at(1399).nothing().at(1400).then(&DEAD);
    talk.at(100_000).nothing();
}

#[test]
fn another_packet_is_a_sign_of_life_but_no_pong() {
    let mut talk = Talk::joined();
    talk.at(1000).then(&["ws: 2"]);
    talk.at(1300).ws(r#"42["a"]"#).then(&["/ a"]);
    talk.at(1699).nothing().at(1700).then(&DEAD);
}

#[test]
fn a_pong_that_nobody_asked_for_changes_nothing() {
    let mut talk = Talk::joined();
    talk.at(900).ws("3").ws("3probe").nothing();
    talk.at(1000).then(&["ws: 2"]);
    talk.at(1100).ws("3").at(1200).ws("3").nothing();
    talk.at(2099).nothing().at(2100).then(&["ws: 2"]);
}

#[test]
fn a_ping_from_the_client_closes() {
    for ping in ["2", "2probe"] {
        Talk::joined().ws(ping).then(&[
            "ws closed",
            "left /: transport error",
            "closed: transport error: invalid heartbeat direction",
            "finished",
        ]);
    }
}

#[test]
fn on_polling_a_ping_overtakes_the_data() {
    let mut talk = Talk::polling();
    talk.post("40").then(&["connect / -"]);
    talk.app(|c, _| {
        c.accept("/", "id", None);
        c.send(&Frame::event("/", "n", &()).unwrap()).unwrap();
    });
    talk.at(1000).nothing();
    talk.at(1100).get().then(&[r#"poll: 2|40{"sid":"id"}|42["n"]"#]);
    talk.get().at(1200).post("3").at(2199).nothing();
    talk.at(2200).then(&["poll: 2"]);
    talk.at(2600).then(&["left /: ping timeout", "closed: ping timeout: no pong in time", "finished"]);
}

#[test]
fn on_polling_a_dead_session_still_releases_its_get() {
    let mut talk = Talk::polling();
    talk.at(1000).nothing().at(1100).get().then(&["poll: 2"]);
    talk.get().at(1399).nothing();
    talk.at(1400).then(&["poll: 1", "closed: ping timeout: no pong in time", "finished"]);
}
