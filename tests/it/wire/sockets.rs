//! S: Engine.IO and Socket.IO packets that no client sends.

use std::time::{Duration, Instant};

use carillon_tests::NodeSettings;
use carillon_tests::raw::{Heard, RawSocket, frame};
use serde_json::json;
use tokio::time::{interval, timeout};

use super::{Stage, someone};

/// What closes the connection of a joined socket, and a word of the reason in the log.
const CLOSING: [(&str, &str); 58] = [
    // S1: no Engine.IO packet. S19: a ping from the wrong side, a farewell.
    ("", "parse error"),
    ("7", "parse error"),
    ("9", "parse error"),
    ("x", "parse error"),
    ("b!", "parse error"),
    ("2", "transport error"),
    ("2probe", "transport error"),
    ("1", "transport close"),
    // S2: no Socket.IO packet.
    ("4", "parse error"),
    ("4x", "parse error"),
    ("47", "parse error"),
    ("48[\"x\"]", "parse error"),
    ("49", "parse error"),
    ("44{\"message\":\"x\"}", "parse error"),
    ("44\"x\"", "parse error"),
    // S3: events that are none.
    ("42{}", "parse error"),
    ("42[]", "parse error"),
    ("42[{}]", "parse error"),
    ("42[null]", "parse error"),
    ("42[true]", "parse error"),
    ("42[[\"x\"]]", "parse error"),
    ("42\"x\"", "parse error"),
    ("42[\"x\"", "parse error"),
    ("42[\"x\",]", "parse error"),
    ("42[\"x\"]x", "parse error"),
    ("42[\"x\"]42[\"x\"]", "parse error"),
    ("42[\"\\ud800\"]", "parse error"),
    ("42[\"connect\"]", "parse error"),
    ("42[\"connect_error\"]", "parse error"),
    ("42[\"disconnect\"]", "parse error"),
    ("42[\"disconnecting\"]", "parse error"),
    ("42[\"newListener\"]", "parse error"),
    ("42[\"removeListener\"]", "parse error"),
    ("42[\"\\u0063onnect\"]", "parse error"),
    // S4: payloads where there may be none, or another.
    ("41{}", "parse error"),
    ("41[\"x\"]", "parse error"),
    ("40[]", "parse error"),
    ("40\"x\"", "parse error"),
    ("40/x,[]", "parse error"),
    ("40{", "parse error"),
    ("43{}", "parse error"),
    ("43\"x\"", "parse error"),
    // S6: the states forbid it.
    ("40", "forced server close"),
    ("40{}", "forced server close"),
    ("42/x,[\"x\"]", "forced server close"),
    ("41/x", "forced server close"),
    ("43/x,1[]", "forced server close"),
    // S10: acknowledgement ids that are no numbers.
    ("4299999999999999999999[\"x\"]", "parse error"),
    ("42-1[\"x\"]", "parse error"),
    ("421e3[\"x\"]", "parse error"),
    ("421.5[\"x\"]", "parse error"),
    // S12: attachment counts.
    ("45[\"x\"]", "parse error"),
    ("450-[\"x\"]", "parse error"),
    ("4511-[\"x\"]", "parse error"),
    ("4599999999999999999999-[\"x\"]", "parse error"),
    ("45-1-[\"x\"]", "parse error"),
    ("451e0-[\"x\"]", "parse error"),
    ("451-/x,[\"x\",{\"_placeholder\":true,\"num\":0}]", "forced server close"),
];

#[tokio::test]
async fn s01_to_s12_what_is_no_packet_closes_its_sender_alone() {
    let mut stage = Stage::open().await;
    for (packet, reason) in CLOSING {
        let ends = |log: String| log.matches(&format!("session closed reason={reason}")).count();
        let mut socket = stage.joined().await;
        let before = ends(stage.node.log());
        socket.text(packet).await.unwrap();
        assert_eq!(socket.end().await, Heard::Close(None), "{packet}");
        stage.is_unharmed_by(packet).await;
        assert_eq!(ends(stage.node.log()), before + 1, "{packet}: another reason than {reason}");
    }
}

#[tokio::test]
async fn s05_nothing_may_be_said_before_connect() {
    let mut stage = Stage::open().await;
    for packet in [
        "42[\"notification:list\",{}]",
        "420[\"x\"]",
        "41",
        "430[]",
        "451-[\"x\",{\"_placeholder\":true,\"num\":0}]",
        "461-0[{\"_placeholder\":true,\"num\":0}]",
    ] {
        let (mut socket, _) = RawSocket::open(stage.address()).await.unwrap();
        socket.text(packet).await.unwrap();
        assert_eq!(socket.end().await, Heard::Close(None), "{packet}");
        // Nor in the same breath as CONNECT, which is not answered yet.
        let (mut socket, _) = RawSocket::open(stage.address()).await.unwrap();
        let connect = frame(0x81, format!("40{}", json!({"token": someone().token()})).as_bytes());
        socket.tcp.send([connect, frame(0x81, packet.as_bytes())].concat()).await.unwrap();
        assert!(matches!(socket.end().await, Heard::Close(None)), "{packet}");
    }
    stage.is_unharmed_by("early packets").await;
}

#[tokio::test]
async fn s07_and_s08_there_is_one_namespace() {
    let mut stage = Stage::open().await;
    let mut socket = stage.joined().await;
    let long = format!("/{}", "n".repeat(10_000));
    for nsp in ["/unknown", "/admin", "/?token=x", "/__proto__", "//", "/\u{e9}", "/%2f", &long] {
        for packet in [format!("40{nsp},"), format!("40{nsp}"), format!("40{nsp},{{\"token\":\"x\"}}")] {
            socket.text(&packet).await.unwrap();
            let refused = format!("44{nsp},{{\"message\":\"Invalid namespace\"}}");
            assert_eq!(socket.hear().await, Heard::Text(refused));
        }
    }
    socket.is_served().await;
    // A hundred at once are no client's wish.
    let path = stage.joined_poller().await;
    let all: Vec<String> = (0..100).map(|n| format!("40/n{n},")).collect();
    stage.ask("POST", &path, "", &all.join("\u{1e}")).await;
    let last = stage.ask("GET", &path, "", "").await;
    assert!(last.body == "6\u{1e}1" || last.body.ends_with("\u{1e}1"), "{last:?}");
    stage.is_unharmed_by("namespaces").await;
}

#[tokio::test]
async fn s09_a_flood_of_connects_is_closed_for_policy() {
    let mut stage = Stage::open().await;
    for packet in ["40/x,", "40{\"token\":\"x\"}"] {
        let (mut socket, _) = RawSocket::open(stage.address()).await.unwrap();
        let mut answered = 0;
        let end = loop {
            if socket.text(packet).await.is_err() {
                break Heard::Gone;
            }
            match socket.hear().await {
                Heard::Text(text) if text.starts_with("44") => answered += 1,
                end => break end,
            }
            assert!(answered < 10_000, "{packet}: each of them is answered");
        };
        assert_eq!(end, Heard::Close(Some(1008)), "{packet} after {answered}");
        assert!(answered >= 40, "{packet}: closed after {answered}");
    }
    stage.is_unharmed_by("a flood of connects").await;
}

/// What a joined socket may say, odd as it is, and is not closed for.
const TOLERATED: [&str; 38] = [
    // S19: packets that mean nothing now.
    "3",
    "3probe",
    "5",
    "6",
    "0",
    "0{}",
    "3x",
    // S10: ids as large as they get, and with zeros before them.
    "4218446744073709551615[\"x\"]",
    "42000000000000000000000001[\"x\"]",
    // S15: acknowledgements of what was never asked.
    "430[]",
    "4399[1,2]",
    "4318446744073709551615[]",
    "43[]",
    "43",
    "4399",
    // S17: unknown events, and known ones with wrong arguments.
    "42",
    "420",
    "42/,[\"x\"]",
    "42[\"\"]",
    "42[\"unknown\"]",
    "42[\"error\",{}]",
    "42[\"connection\"]",
    "42[\"__proto__\",{}]",
    "42[\"toString\"]",
    "42[\"constructor\",{\"prototype\":1}]",
    "42[7]",
    "42[-1.5e300,{}]",
    "42[\"notification:list\"]",
    "42[\"notification:list\",7]",
    "42[\"notification:list\",{\"limit\":\"x\"}]",
    "42[\"notification:list\",{\"limit\":1e999}]",
    "42[\"notification:read\",null,null,null]",
    "42[\"notification:read\",{\"ids\":7}]",
    "42[\"notification:list\",{\"__proto__\":{\"limit\":1}}]",
    "42[\"x\",\"\\u0000\\u001e\"]",
    "42 [\"x\"]",
    "42[ \"x\" , { } ]\n",
    "42[\"x\",[[[[]]]]]",
];

#[tokio::test]
async fn s10_to_s19_what_is_merely_odd_is_ignored() {
    let settings = NodeSettings::default().set("EVENT_RATE", 1000).set("EVENT_BURST", 1000);
    let mut stage = Stage::open_with(settings).await;
    let mut socket = stage.joined().await;
    for packet in TOLERATED {
        socket.text(packet).await.unwrap();
        assert!(timeout(Duration::from_secs(10), socket.is_served()).await.is_ok(), "{packet}");
    }
    // Asked for, the refusal has a reason.
    for (packet, code) in [
        ("429[\"unknown\"]", "unknown_event"),
        ("429[\"notification:read\",7]", "bad_request"),
        ("429[\"notification:list\",{\"limit\":\"x\"}]", "bad_request"),
    ] {
        socket.text(packet).await.unwrap();
        let Heard::Text(answer) = socket.hear().await else { panic!("{packet}: no answer") };
        assert!(answer.starts_with("439[{\"ok\":false") && answer.contains(code), "{packet}: {answer}");
    }
    stage.is_unharmed_by("odd packets").await;
}

#[tokio::test]
async fn s11_and_s14_attachments_come_in_turn_and_in_time() {
    let mut stage = Stage::open().await;
    let header = "451-[\"x\",{\"_placeholder\":true,\"num\":0}]";
    for after in ["42[\"x\"]", header, "41", "40/x,"] {
        let mut socket = stage.joined().await;
        socket.text(header).await.unwrap();
        socket.text(after).await.unwrap();
        assert_eq!(socket.end().await, Heard::Close(None), "{after}");
    }
    assert!(stage.node.log().contains("got plaintext data when reconstructing"));
    // Heartbeats may come between; a binary event is as welcome as any.
    let mut socket = stage.joined().await;
    socket.text(&header.replace("[\"x\"", "9[\"x\"")).await.unwrap();
    socket.text("3").await.unwrap();
    socket.tcp.send(frame(0x82, b"bytes")).await.unwrap();
    assert!(matches!(socket.hear().await, Heard::Text(text) if text.starts_with("439[{\"ok\":false")));
    // One that leaves in the middle is forgotten; one that never goes on is closed.
    let mut leaver = stage.joined().await;
    leaver.text(header).await.unwrap();
    leaver.tcp.reset();
    let mut silent = stage.joined().await;
    silent.text(header).await.unwrap();
    // Signs of life in between are not what it waits for.
    let mut ticks = interval(Duration::from_millis(200));
    let started = Instant::now();
    while silent.text("3").await.is_ok() {
        ticks.tick().await;
        assert!(started.elapsed() < Duration::from_secs(15), "it waits for ever");
    }
    assert!(stage.node.log().contains("attachments did not arrive in time"));
    stage.is_unharmed_by("attachments").await;
}

#[tokio::test]
async fn s13_bad_placeholders_close() {
    let mut stage = Stage::open().await;
    for num in ["\"splice\"", "1", "-1", "0.5", "null", "1e400", "\"0\"", "{}", "18446744073709551616"] {
        let mut socket = stage.joined().await;
        socket.text(&format!("451-[\"x\",{{\"_placeholder\":true,\"num\":{num}}}]")).await.unwrap();
        socket.tcp.send(frame(0x82, b"bytes")).await.unwrap();
        assert_eq!(socket.end().await, Heard::Close(None), "{num}");
    }
    stage.is_unharmed_by("placeholders").await;
}

#[tokio::test]
async fn s16_deep_and_large_json_is_refused_in_no_time() {
    let settings = NodeSettings::default().set("EVENT_RATE", 1000).set("EVENT_BURST", 1000);
    let mut stage = Stage::open_with(settings).await;
    let deep =
        |open: &str, close: &str| format!("42[\"x\",{}1{}]", open.repeat(15_000), close.repeat(15_000));
    for packet in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("42[\"x\",{}", "[".repeat(90_000)),
        "4".repeat(100_000),
        format!("42{}[\"x\"]", "9".repeat(90_000)),
        format!("45{}-[\"x\"]", "1".repeat(90_000)),
    ] {
        let mut socket = stage.joined().await;
        socket.text(&packet).await.unwrap();
        assert_eq!(socket.end().await, Heard::Close(None), "{packet:.20}");
    }
    let mut socket = stage.joined().await;
    for packet in [
        format!("42{}1[\"x\"]", "0".repeat(90_000)),
        format!("42[\"x\",{}]", vec!["1"; 49_000].join(",")),
        format!("42[\"{}\"]", "e".repeat(90_000)),
        format!("42[\"x\",{}]", "9".repeat(90_000)),
    ] {
        socket.text(&packet).await.unwrap();
        socket.is_served().await;
    }
    stage.is_unharmed_by("deep and large JSON").await;
}

#[tokio::test]
async fn s18_a_flood_of_events_is_closed_for_policy() {
    let mut stage = Stage::open().await;
    let mut socket = stage.joined().await;
    let flood = frame(0x81, b"42[\"notification:list\",{}]").repeat(1000);
    drop(socket.tcp.send(flood).await);
    assert_eq!(socket.end().await, Heard::Close(Some(1008)));
    stage.is_unharmed_by("a flood of events").await;
}
