//! Acknowledgements in both directions (at most 2 owed).

use carillon_protocol::SendError;
use carillon_protocol::socket::AckId;

use super::talk::Talk;

#[test]
fn the_client_is_answered() {
    let mut talk = Talk::joined();
    talk.ws(r#"4212["add",2]"#).then(&["/ add 2 ack 12"]);
    talk.app(|c, _| c.ack("/", AckId(12), &(3, "x"), &[]).unwrap()).then(&[r#"ws: 4312[3,"x"]"#]);
    talk.app(|c, _| c.ack("/", AckId(12), &(), &[]).unwrap()).then(&["ws: 4312[]"]);
}

#[test]
fn an_id_is_any_number_of_64_bits() {
    let mut talk = Talk::joined();
    talk.ws(r#"42007["a"]"#).then(&["/ a ack 7"]);
    talk.ws(r#"4218446744073709551615["a"]"#).then(&["/ a ack 18446744073709551615"]);
    talk.app(|c, _| c.ack("/", AckId(u64::MAX), &(), &[]).unwrap()).then(&["ws: 4318446744073709551615[]"]);
}

#[test]
fn an_answer_after_the_socket_has_gone_is_refused() {
    let mut talk = Talk::joined();
    talk.ws(r#"421["a"]"#).ws("41").then(&["/ a ack 1", "left /: client namespace disconnect"]);
    talk.app(|c, _| assert!(matches!(c.ack("/", AckId(1), &(), &[]), Err(SendError::NotJoined)))).nothing();
}

#[test]
fn the_server_asks_and_is_answered_once() {
    let mut talk = Talk::joined();
    let ask = |talk: &mut Talk| {
        let mut id = None;
        talk.app(|c, _| id = Some(c.emit_with_ack("/", "ask", &["x"], &[]).unwrap()));
        id.unwrap()
    };
    assert_eq!((ask(&mut talk), ask(&mut talk)), (AckId(0), AckId(1)));
    talk.then(&[r#"ws: 420["ask","x"]"#, r#"ws: 421["ask","x"]"#]);
    talk.app(|c, _| {
        let third = c.emit_with_ack("/", "ask", &["x"], &[]);
        assert!(matches!(third, Err(SendError::TooManyAcks)));
    });
    talk.ws("431[1,2]").then(&["/ acked 1 1 2"]);
    // Twice, never asked for, without an id: ignored.
    talk.ws("431[1,2]").ws("4399[]").ws("43[1]").ws("43").nothing();
    // Without arguments.
    talk.ws("430").then(&["/ acked 0"]);
}

#[test]
fn what_is_no_longer_waited_for_is_ignored() {
    let mut talk = Talk::joined();
    let ask = |c: &mut carillon_protocol::Connection| c.emit_with_ack("/", "ask", &(), &[]);
    talk.app(|c, _| {
        let id = ask(c).unwrap();
        c.forget_ack(id);
    });
    talk.then(&[r#"ws: 420["ask"]"#]).ws("430[]").nothing();
    // Leaving the namespace ends the waiting, and so the debt.
    talk.app(|c, _| assert!(ask(c).is_ok() && ask(c).is_ok() && ask(c).is_err()));
    talk.then(&[r#"ws: 421["ask"]"#, r#"ws: 422["ask"]"#]);
    talk.ws("41").then(&["left /: client namespace disconnect"]).join();
    talk.ws("431[]").nothing();
    talk.app(|c, _| assert!(ask(c).is_ok())).then(&[r#"ws: 423["ask"]"#]);
}

#[test]
fn an_answer_counts_only_in_its_namespace() {
    let mut talk = Talk::joined();
    talk.ws("40/b,").then(&["connect /b -"]).app(|c, _| assert!(c.accept("/b", "b", None)));
    talk.then(&[r#"ws: 40/b,{"sid":"b"}"#]);
    talk.app(|c, _| assert!(c.emit_with_ack("/", "ask", &(), &[]).is_ok())).then(&[r#"ws: 420["ask"]"#]);
    talk.ws("43/b,0[]").nothing().ws("430[]").then(&["/ acked 0"]);
}

#[test]
fn what_cannot_be_encoded_is_not_owed() {
    let mut talk = Talk::joined();
    talk.app(|c, _| {
        for _ in 0..3 {
            let sent = c.emit_with_ack("/", "connect", &(), &[]);
            assert!(matches!(sent, Err(SendError::Encode(_))));
        }
        let sent = c.emit_with_ack("/nope", "ask", &(), &[]);
        assert!(matches!(sent, Err(SendError::NotJoined)));
    });
    talk.nothing();
}
