//! By the bytes, most of them as notepack 3.0.1 wrote them for `@socket.io/redis-emitter` 5.1.0.

use super::*;

/// `emitter.to("user:42").emit("notification", {id: 7, title: "Hé 😀"})`
const EXAMPLE: &[u8] = b"\x93\xa7emitter\x83\xa4type\x02\xa4data\x92\xacnotification\x82\xa2id\x07\xa5title\xa8H\xc3\xa9 \xf0\x9f\x98\x80\
    \xa3nsp\xa1/\x83\xa5rooms\x91\xa7user:42\xa5flags\x80\xa6except\x90";

/// A broadcast to everyone of an event `x` with these arguments, so many.
fn with(count: u8, args: &[u8]) -> Vec<u8> {
    let mut message = b"\x93\xa1e\x82\xa4type\x02\xa4data".to_vec();
    message.extend_from_slice(&[0x91 + count, 0xa1, b'x']);
    message.extend_from_slice(args);
    message.push(0x80);
    message
}

/// What one argument becomes.
fn argument(bytes: &[u8]) -> Result<String, Ignored> {
    broadcast(&with(1, bytes)).map(|emit| emit.args.get().to_owned())
}

#[test]
fn the_emitters_own_bytes_are_understood() {
    let emit = broadcast(EXAMPLE).unwrap();
    assert_eq!((emit.name.as_str(), emit.args.get()), ("notification", r#"[{"id":7,"title":"Hé 😀"}]"#));
    assert_eq!(emit.audience, Audience { rooms: vec!["user:42".into()], except: vec![] });
    assert!(emit.attachments.is_empty() && !emit.is_volatile);
}

#[test]
fn flags_numeric_rooms_and_what_the_adapter_leaves_out_are_understood() {
    let message = b"\x93\xa6abcdef\x82\xa4type\x02\xa4data\x91\xa1x\
        \x83\xa6except\x92\xa1a\x07\xa5flags\x82\xa8volatile\xc3\xa8compress\xc2\xa5rooms\x92\xcd\x01\x00\xa1b";
    let emit = broadcast(message).unwrap();
    assert_eq!((emit.args.get(), emit.is_volatile), ("[]", true));
    let audience = Audience { rooms: vec!["256".into(), "b".into()], except: vec!["a".into(), "7".into()] };
    assert_eq!(emit.audience, audience);
}

#[test]
fn every_value_of_javascript_has_its_json() {
    for (bytes, json) in [
        (&b"\xc0"[..], "null"),
        (b"\xc3", "true"),
        (b"\x7f", "127"),
        (b"\xe0", "-32"),
        (b"\xd1\xfc\x18", "-1000"),
        (b"\xcf\x00\x00\x01\x00\x00\x00\x00\x00", "1099511627776"),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
        (b"\xcb\xbf\xf8\x00\x00\x00\x00\x00\x00", "-1.5"),
        (b"\xca\x3f\x00\x00\x00", "0.5"),
        (b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "null"),
        (b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "null"),
        (b"\xd9\x04\"\\\n\x01", r#""\"\\\n\u0001""#),
        (b"\xda\x00\x01a", r#""a""#),
        (b"\xdb\x00\x00\x00\x01a", r#""a""#),
        // Half of a surrogate pair.
        (b"\xa3\xed\xa0\x80", "\"\u{fffd}\u{fffd}\u{fffd}\""),
        (b"\xdc\x00\x02\x01\x02", "[1,2]"),
        (b"\xdd\x00\x00\x00\x00", "[]"),
        (b"\xde\x00\x01\xa1a\x80", r#"{"a":{}}"#),
        (b"\xd6\xff\x65\x53\xf1\x00", r#""2023-11-14T22:13:20.000Z""#),
        (b"\xd7\xff\x1d\x53\x53\x00\x65\x53\xf1\x00", r#""2023-11-14T22:13:20.123Z""#),
        (b"\xc7\x0c\xff\x3b\x4e\x81\xc0\xff\xff\xff\xff\xff\xff\xff\xff", r#""1969-12-31T23:59:59.995Z""#),
        (b"\xc7\x0c\xff\x00\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", "null"),
    ] {
        assert_eq!(argument(bytes).unwrap(), format!("[{json}]"), "{bytes:x?}");
    }
}

#[test]
fn binary_becomes_attachments_and_nobody_else_sends_placeholders() {
    let emit = broadcast(&with(2, b"\xc4\x02hi\x91\xc5\x00\x01!")).unwrap();
    assert_eq!(emit.args.get(), r#"[{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]"#);
    assert_eq!(emit.attachments, [b"hi".to_vec(), b"!".to_vec()]);
    let forged = b"\x82\xac_placeholder\xc3\xa3num\x00";
    assert!(argument(forged).is_ok(), "without attachments nobody looks for them");
    assert_eq!(broadcast(&with(2, &[&b"\xc4\x00"[..], forged].concat())).err(), Some(Ignored::Form));
    let many = |count: u8| with(count, &b"\xc4\x00".repeat(count.into()));
    assert!(broadcast(&many(10)).is_ok());
    assert_eq!(broadcast(&many(11)).err(), Some(Ignored::Attachments));
}

#[test]
fn lengths_that_lie_and_depths_cost_nothing() {
    for lie in [
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\xff",
        b"\xc1",
        b"\xd4\x00\x00",
        b"\xd5\xff\x00\x00",
        b"\x81\x01\x01",
        b"\x81\xa1a",
        b"",
    ] {
        assert_eq!(argument(lie).err(), Some(Ignored::Form), "{lie:x?}");
    }
    assert!(argument(&[&[0x91; 50][..], b"\xc0"].concat()).is_ok());
    assert_eq!(argument(&[&[0x91; 100][..], b"\xc0"].concat()).err(), Some(Ignored::Size));
    assert_eq!(argument(&[0x91; MOST_BYTES]).err(), Some(Ignored::Size));
    // Six times as long in JSON.
    let mut controls = b"\xdb\x00\x01\x00\x00".to_vec();
    controls.extend([1; 65_536]);
    assert_eq!(argument(&[&b"\x92"[..], &controls, b"\xc0"].concat()).err(), Some(Ignored::Size));
    let nils = [&b"\xdc\xff\xff"[..], &[0xc0; 65_535]].concat();
    assert_eq!(argument(&nils).err(), Some(Ignored::Size));
}

#[test]
fn an_audience_has_so_many_names_at_most() {
    let names = |count: u16| [&b"\xdc"[..], &count.to_be_bytes(), &b"\xa3all".repeat(count.into())].concat();
    let to = |rooms: u16, except: u16| {
        let parts =
            [&b"\x93\xa1e\x82\xa4type\x02\xa4data\x91\xa1x\x82\xa5rooms"[..], &names(rooms), b"\xa6except"];
        broadcast(&[parts.concat(), names(except)].concat()).map(|emit| emit.audience.rooms.len())
    };
    assert_eq!((to(999, 1), to(999, 2), to(21_000, 0)), (Ok(999), Err(Ignored::Size), Err(Ignored::Size)));
    let dismiss = |count| format!(r#"{{"type":4,"opts":{{"rooms":[{}"all"]}}}}"#, r#""all","#.repeat(count));
    assert!(request(dismiss(999).as_bytes()).is_ok());
    assert_eq!(request(dismiss(1_000).as_bytes()), Err(Ignored::Size));
}

#[test]
fn what_no_emitter_writes_is_ignored() {
    let other = String::from_utf8_lossy(EXAMPLE).contains("nsp");
    assert!(other);
    let at = EXAMPLE.windows(5).position(|bytes| bytes == b"\xa3nsp\xa1").unwrap();
    let mut foreign = EXAMPLE.to_vec();
    foreign.splice(at + 4..at + 6, *b"\xa3/ab");
    assert_eq!(broadcast(&foreign).err(), Some(Ignored::Namespace));
    for bad in [
        &b""[..],
        b"{}",
        b"garbage",
        b"\x90",
        b"\x93\xa1e\xc0\x80",
        b"\x93\xa1e\x82\xa4type\x02\xa4data\x90\x80",
        b"\x93\xa1e\x82\xa4type\x02\xa4data\x91\x07\x80",
        b"\x93\xa1e\x82\xa4type\x01\xa4data\x91\xa1x\x80",
        b"\x93\xa1e\x82\xa4type\x02\xa4data\x91\xa1x\x81\xa5rooms\x91\xc0",
        b"\x93\xa1e\x82\xa4type\x02\xa4data\x91\xa1x\x80\x00",
        b"\x94\xa1e\x82\xa4type\x02\xa4data\x91\xa1x\x80\x80",
    ] {
        assert_eq!(broadcast(bad).err(), Some(Ignored::Form), "{bad:x?}");
    }
    for cut in 0..EXAMPLE.len() {
        assert!(broadcast(&EXAMPLE[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn requests_are_done_answered_or_refused() {
    let all = |rooms: &[&str], except: &[&str]| {
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Request::Dismiss(Audience { rooms: own(rooms), except: own(except) })
    };
    let of = |json: &str| request(json.as_bytes());
    assert_eq!(
        of(r#"{"type":4,"opts":{"rooms":["user:1"],"except":["role:admin",7]},"close":true}"#),
        Ok(all(&["user:1"], &["role:admin", "7"]))
    );
    assert_eq!(of(r#"{"type":4,"opts":{"rooms":[],"except":[]},"close":false}"#), Ok(all(&[], &[])));
    // Never for want of an audience.
    assert_eq!(of(r#"{"type":4,"sid":"abc","close":true}"#), Ok(Request::Unsupported));
    for unsupported in [
        r#"{"type":2,"opts":{"rooms":[],"except":[]},"rooms":["r1"]}"#,
        r#"{"type":3,"opts":{"rooms":[],"except":[]},"rooms":["r1"]}"#,
        r#"{"uid":"emitter","type":6,"data":["x"]}"#,
        r#"{"type":0}"#,
    ] {
        assert_eq!(of(unsupported), Ok(Request::Unsupported), "{unsupported}");
    }
    for (kind, answer) in [
        (0, r#"{"requestId":"q","sockets":[]}"#),
        (1, r#"{"requestId":"q","rooms":[]}"#),
        (5, r#"{"requestId":"q","sockets":[]}"#),
        (6, r#"{"data":null,"requestId":"q","type":6}"#),
        (7, r#"{"clientCount":0,"requestId":"q","type":8}"#),
    ] {
        let asked = format!(r#"{{"uid":"abcdef","requestId":"q","type":{kind},"opts":{{"rooms":[]}}}}"#);
        assert_eq!(of(&asked), Ok(Request::Answer(answer.to_owned())));
    }
    assert_eq!(
        request(b"\x82\xa4type\x07\xa9requestId\xa1q").unwrap(),
        of(r#"{"type":7,"requestId":"q"}"#).unwrap()
    );
    for bad in ["", "{", "{}", r#"{"type":9}"#, r#"{"type":"4"}"#, r#"{"type":4,"opts":{"rooms":"all"}}"#] {
        assert_eq!(of(bad), Err(Ignored::Form), "{bad}");
    }
    assert_eq!(of(&format!("{{{}", "[".repeat(MOST_BYTES))), Err(Ignored::Size));
    assert_eq!(of(&format!(r#"{{"type":4,"opts":{}"#, "[".repeat(10_000))), Err(Ignored::Form));
}
