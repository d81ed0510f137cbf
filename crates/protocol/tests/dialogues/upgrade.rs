//! From polling to the WebSocket (upgrade timeout 700, GETs released each 100).

use std::time::Duration;

use carillon_protocol::engine::{HandshakeError, Input, Request, Transport};
use carillon_protocol::{Config, Frame, Reason};

use super::talk::{Talk, config};

const BAD: HandshakeError = HandshakeError::BAD_REQUEST;

fn joined() -> Talk {
    let mut talk = Talk::polling();
    talk.get().post("40").then(&["connect / -"]);
    talk.app(|c, _| assert!(c.accept("/", "id", None))).then(&[r#"poll: 40{"sid":"id"}"#]);
    talk
}

fn send(talk: &mut Talk, name: &str) {
    talk.app(|c, _| c.send(&Frame::event("/", name, &()).unwrap()).unwrap());
}

/// Polling still works after a probe that came to nothing.
fn still_polls(talk: &mut Talk) {
    send(talk, "alive");
    talk.get().then(&[r#"poll: 42["alive"]"#]);
    talk.post(r#"42["a"]"#).then(&["/ a"]);
}

#[test]
fn the_whole_way() {
    let mut talk = joined();
    talk.at(10).get().probe().nothing();
    talk.at(20).ws("2probe").then(&["ws: 3probe", "poll: 6"]);
    talk.at(30).post(r#"42["posted"]"#).then(&["/ posted"]);
    send(&mut talk, "buffered");
    talk.at(40).ws("5").then(&["upgraded", r#"ws: 42["buffered"]"#]);
    send(&mut talk, "direct");
    talk.then(&[r#"ws: 42["direct"]"#]);
    talk.ws(r#"42["a"]"#).then(&["/ a"]);
    talk.refused(Request::Poll, BAD).refused(Request::Body("3".into()), BAD).nothing();
    talk.refused(Request::Probe, BAD).input(Input::PollAborted).nothing();
    // Neither the upgrade's timer nor the release of GETs is left behind.
    talk.at(999).nothing().at(1000).then(&["ws: 2"]);
}

#[test]
fn each_get_during_the_upgrade_is_released() {
    let mut talk = joined();
    talk.at(10).get().probe().ws("2probe").then(&["ws: 3probe", "poll: 6"]);
    talk.at(20).get().nothing();
    talk.at(109).nothing().at(110).then(&["poll: 6"]);
    talk.at(150).get().at(209).nothing().at(210).then(&["poll: 6"]);
    // With something to say it goes there instead of the noop.
    talk.at(220).get();
    send(&mut talk, "n");
    talk.then(&[r#"poll: 42["n"]"#]);
    talk.at(230).get().ws("5").then(&["poll: 6", "upgraded"]);
}

#[test]
fn a_get_is_not_released_before_the_probe_speaks() {
    let mut talk = joined();
    talk.at(10).get().probe().at(300).nothing();
    talk.ws("2probe").then(&["ws: 3probe", "poll: 6"]);
}

#[test]
fn a_lost_probe_leaves_polling_as_it_was() {
    for lost in [Input::SocketClosed, Input::SocketFailed] {
        let mut talk = joined();
        talk.at(10).probe().ws("2probe").then(&["ws: 3probe"]);
        talk.input(lost).nothing();
        still_polls(&mut talk);
        talk.at(50).get().at(999).nothing();
        talk.at(1000).then(&["poll: 2"]);
        // And another try is welcome.
        talk.post("3").probe().ws("5").then(&["upgraded"]);
    }
}

#[test]
fn anything_but_the_probe_closes_only_the_websocket() {
    for odd in ["2", "3", "40", "6", "1", "x", "", "2probes"] {
        let mut talk = joined();
        talk.probe().ws(odd).then(&["ws closed"]);
        talk.ws("5").ws_closed().nothing();
        still_polls(&mut talk);
    }
    joined().probe().ws_bytes(&[1]).then(&["ws closed"]);
}

#[test]
fn a_slow_upgrade_loses_only_the_websocket() {
    let mut talk = joined();
    talk.at(10).probe().ws("2probe").then(&["ws: 3probe"]);
    talk.at(709).nothing().at(710).then(&["ws closed"]);
    still_polls(&mut talk);
}

#[test]
fn a_second_websocket_is_refused() {
    let mut talk = joined();
    talk.probe().refused(Request::Probe, BAD).nothing();
    talk.ws("2probe").then(&["ws: 3probe"]);
    talk.refused(Request::Probe, BAD).ws("5").then(&["upgraded"]);
}

#[test]
fn without_upgrades_a_probe_is_refused() {
    let never = Config { allow_upgrades: false, ..config() };
    let mut connection = carillon_protocol::Connection::open(never, "s", Transport::Polling, Duration::ZERO);
    assert_eq!(connection.request(Request::Probe, Duration::ZERO), Err(BAD));
}

#[test]
fn a_pong_may_come_back_on_either_transport() {
    let mut talk = joined();
    talk.at(950).get().probe().ws("2probe").then(&["ws: 3probe", "poll: 6"]);
    talk.at(1000).nothing().at(1010).get().then(&["poll: 2"]);
    talk.at(1020).ws("5").then(&["upgraded"]);
    talk.at(1030).ws("3").nothing();
    talk.at(2029).nothing().at(2030).then(&["ws: 2"]);

    // A ping that no GET took goes out over the websocket.
    let mut talk = joined();
    talk.at(950).probe().ws("2probe").then(&["ws: 3probe"]);
    talk.at(1010).ws("5").then(&["upgraded", "ws: 2"]);
}

#[test]
fn the_session_may_end_during_the_upgrade() {
    let close = |talk: &mut Talk| {
        talk.app(|c, now| c.close(Reason::ForcedClose, None, now));
        talk.then(&["left /: forced close", "closed: forced close: closed by the application"]);
    };
    // The official client stops polling once its probe is answered. It is told where it looks next.
    let mut talk = joined();
    talk.probe().ws("2probe").then(&["ws: 3probe"]);
    send(&mut talk, "buffered");
    close(&mut talk);
    talk.ws("2probe").nothing();
    talk.ws("5").then(&[r#"ws: 42["buffered"]"#, "ws closed", "finished"]);

    // Or by a GET that it had sent before.
    let mut talk = joined();
    talk.probe().ws("2probe").then(&["ws: 3probe"]);
    close(&mut talk);
    talk.get().then(&["poll: 6|1", "ws closed", "finished"]);

    // It never moved.
    let mut talk = joined();
    talk.at(10).probe().ws("2probe").then(&["ws: 3probe"]);
    close(&mut talk);
    talk.ws_closed().nothing();
    let late = 10 + u64::try_from(config().close_timeout.as_millis()).unwrap();
    talk.at(late - 1).nothing().at(late).then(&["ws closed", "finished"]);

    // Before the probe speaks, its client still polls.
    let mut talk = joined();
    talk.probe();
    talk.app(|c, now| c.close(Reason::ForcedClose, None, now));
    talk.then(&["ws closed", "left /: forced close", "closed: forced close: closed by the application"]);
    talk.ws("5").get().then(&["poll: 6|1", "finished"]);

    let mut talk = joined();
    talk.get().probe().input(Input::PollAborted);
    talk.then(&[
        "ws closed",
        "left /: transport error",
        "closed: transport error: poll abandoned",
        "finished",
    ]);
}
