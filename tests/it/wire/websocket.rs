//! W: frames that RFC 6455 forbids, or that a client in its right mind would not send.

use std::time::Duration;

use carillon_tests::clinic::note;
use carillon_tests::raw::{Heard, RawSocket, UPGRADE, announce, frame};
use carillon_tests::{NodeSettings, PATIENCE};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Stage, someone};

const TEXT: u8 = 0x81;
/// A text message's first fragment, and a continuation that is not the last.
const BEGIN: u8 = 0x01;
const MORE: u8 = 0x00;
const LAST: u8 = 0x80;
const PING: u8 = 0x89;

/// What is sent, and the code it must be closed with.
fn violations() -> Vec<(String, Vec<u8>, u16)> {
    let mut rows = Vec::new();
    let mut row = |what: &str, bytes: Vec<u8>, code: u16| rows.push((what.to_owned(), bytes, code));
    for bits in [0x40, 0x20, 0x10, 0x70] {
        row(&format!("w01: reserved bits {bits:#x}"), frame(TEXT | bits, b"3"), 1002);
        row(&format!("w01: reserved bits {bits:#x} on a ping"), frame(PING | bits, b""), 1002);
    }
    row("w02: no mask", vec![TEXT, 1, b'3'], 1002);
    row("w02: no mask on a ping", vec![PING, 0], 1002);
    for opcode in (3..=7).chain(11..=15) {
        row(&format!("w03: opcode {opcode}"), frame(0x80 | opcode, b"3"), 1002);
    }
    row("w04: a ping of 126 bytes", frame(PING, &[b'x'; 126]), 1002);
    row("w04: a close of 126 bytes", frame(0x88, &[3; 126]), 1002);
    row("w04: a fragmented ping", frame(0x09, b"x"), 1002);
    row("w05: 8 GiB announced", announce(0x82, 8 << 30), 1009);
    row("w05: 2^63 - 1 bytes announced", announce(0x82, i64::MAX as u64), 1009);
    row("w05: one byte over the limit announced", announce(TEXT, 100_001), 1009);
    row(
        "w05: over the limit in fragments",
        [frame(BEGIN, &[b'4'; 60_000]), frame(LAST, &[b'x'; 60_000])].concat(),
        1009,
    );
    row("w06: a continuation of nothing", frame(LAST, b"3"), 1002);
    row("w06: an unfinished continuation of nothing", frame(MORE, b"3"), 1002);
    row("w06: a text inside fragments", [frame(BEGIN, b"4"), frame(TEXT, b"3")].concat(), 1002);
    for (what, code) in [
        ("0", 0_u16),
        ("999", 999),
        ("1004", 1004),
        ("1005", 1005),
        ("1006", 1006),
        ("1015", 1015),
        ("2999", 2999),
        ("5000", 5000),
        ("65535", 65535),
    ] {
        row(&format!("w07: close code {what}"), frame(0x88, &code.to_be_bytes()), 1002);
    }
    row("w07: a close of one byte", frame(0x88, b"x"), 1002);
    row("w07: a close reason that is no text", frame(0x88, b"\x03\xe8\xff\xfe"), 1007);
    row("w08: bad UTF-8", frame(TEXT, b"4\xff"), 1007);
    row("w08: bad UTF-8 over fragments", [frame(BEGIN, b"4\xe2\x82"), frame(LAST, b"x")].concat(), 1007);
    row("w08: an unfinished character", frame(TEXT, b"4\xe2\x82"), 1007);
    row("w08: a surrogate", frame(TEXT, b"4\xed\xa0\x80"), 1007);
    rows
}

#[tokio::test]
async fn w01_to_w08_forbidden_frames_are_closed_with_the_right_code() {
    let mut stage = Stage::open().await;
    for (what, bytes, code) in violations() {
        let mut socket = stage.joined().await;
        // The rest of it may find the link closed.
        drop(socket.tcp.send(bytes).await);
        assert_eq!(socket.end().await, Heard::Close(Some(code)), "{what}");
        // The server ends the connection too, and does not wait for the client's politeness.
        socket.tcp.ended().await;
        stage.is_unharmed_by(&what).await;
    }
}

#[tokio::test]
async fn w01_to_w08_before_connect_and_during_an_upgrade_too() {
    let mut stage = Stage::open().await;
    for (what, bytes, code) in violations() {
        let (mut fresh, _) = RawSocket::open(stage.address()).await.unwrap();
        drop(fresh.tcp.send(&bytes).await);
        assert_eq!(fresh.end().await, Heard::Close(Some(code)), "{what}");
        // A probe that misbehaves takes only itself down: the session polls on.
        let path = stage.poller().await;
        let sid = path.split("&sid=").nth(1).unwrap().to_owned();
        let mut probe = RawSocket::upgrade(stage.address(), &format!("&sid={sid}")).await.unwrap();
        drop(probe.tcp.send(&bytes).await);
        assert_eq!(probe.end().await, Heard::Close(Some(code)), "{what}");
        assert_eq!(stage.ask("POST", &path, "", "3").await.body, "ok", "{what}");
    }
    stage.is_unharmed_by("bad frames of strangers").await;
}

#[tokio::test]
async fn w09_what_is_odd_and_allowed_goes_well() {
    let mut stage = Stage::open().await;
    let mut socket = stage.joined().await;
    let event = "42778[\"notification:list\",{}]".as_bytes();
    // Fragments, empty ones among them, with a ping between them.
    for bytes in [
        frame(BEGIN, b""),
        frame(MORE, b""),
        frame(MORE, &event[..7]),
        frame(PING, b"!"),
        frame(MORE, &event[7..]),
        frame(LAST, b""),
    ] {
        socket.tcp.send(bytes).await.unwrap();
    }
    assert_eq!(socket.hear().await, Heard::Pong(b"!".to_vec()));
    assert!(matches!(socket.hear().await, Heard::Text(text) if text.starts_with("43778[{\"ok\":true")));
    // A character split over fragments, byte by byte over the wire; a length in more bytes than it needs.
    for byte in [frame(BEGIN, b"42[\"\xe2\x82"), frame(LAST, b"\xac\"]")].concat() {
        socket.tcp.send([byte]).await.unwrap();
    }
    let mut roundabout = vec![TEXT, 0x80 | 127];
    roundabout.extend(1_u64.to_be_bytes());
    roundabout.extend([0, 0, 0, 0, b'3']);
    socket.tcp.send(roundabout).await.unwrap();
    socket.tcp.send(frame(0x8a, b"nobody asked")).await.unwrap();
    socket.is_served().await;
    // As much as is allowed, in one message.
    let exact = format!("42[\"x\",\"{}\"]", "y".repeat(100_000 - 10));
    assert_eq!(exact.len(), 100_000);
    socket.text(&exact).await.unwrap();
    socket.is_served().await;
    for farewell in [&b"\x03\xe8bye"[..], b"\x0f\xa0", b""] {
        let mut socket = stage.joined().await;
        socket.tcp.send(frame(0x88, farewell)).await.unwrap();
        let code = (farewell.len() > 1).then(|| u16::from_be_bytes([farewell[0], farewell[1]]));
        assert_eq!(socket.end().await, Heard::Close(code), "{farewell:?}");
        socket.tcp.ended().await;
    }
    stage.is_unharmed_by("odd frames").await;
}

#[tokio::test]
async fn w10_a_flood_of_pings_is_closed_for_policy() {
    let mut stage = Stage::open().await;
    for first in [PING, 0x8a] {
        let mut socket = stage.joined().await;
        let flood = frame(first, b"x").repeat(1000);
        for _ in 0..50 {
            if socket.tcp.send(&flood).await.is_err() {
                break;
            }
        }
        let end = socket.end().await;
        // What it had sent on may turn the close into a reset on its way.
        assert!(matches!(end, Heard::Close(Some(1008)) | Heard::Gone), "{first:#x}: {end:?}");
    }
    let log = stage.node.log();
    assert!(log.contains("forced server close"), "{log}");
    stage.is_unharmed_by("a flood of pings").await;
}

/// Fragments that make no message are no reason to read on and on: each worker has other connections. Two for each of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w10_a_flood_of_empty_fragments_keeps_nobody_waiting() {
    let mut stage = Stage::open().await;
    let mut floods = JoinSet::new();
    for _ in 0..2 * std::thread::available_parallelism().unwrap().get() {
        let mut socket = stage.joined().await;
        socket.tcp.send(frame(BEGIN, b"4")).await.unwrap();
        let many = frame(MORE, b"").repeat(10_000);
        floods.spawn(async move { while socket.tcp.send(&many).await.is_ok() {} });
    }
    for _ in 0..3 {
        stage.is_unharmed_by("a flood of empty fragments").await;
    }
    assert!(floods.try_join_next().is_none(), "a flood has ended");
}

#[tokio::test]
async fn w11_one_who_sends_and_never_reads_is_bounded() {
    let settings = NodeSettings::default().set("EVENT_RATE", 100_000).set("EVENT_BURST", 100_000);
    let mut stage = Stage::open_with(settings).await;
    let user = someone();
    for n in 0..20 {
        let mut note = note(&[&user.room()], &format!("{n}"));
        note["message"] = json!("x".repeat(2000));
        stage.http.post("/api/v1/notifications", &note).with_key().send().await.expect(201);
    }
    let mut socket = RawSocket::join(stage.address(), &user.token()).await.unwrap();
    // Each question of 40 bytes is answered with 40 KB. They fill the kernel's buffers, and then no more is read.
    let flood = frame(TEXT, b"421[\"notification:list\",{}]").repeat(100);
    let flooding = tokio::spawn(async move {
        let mut sent = 0;
        while socket.tcp.send(&flood).await.is_ok() {
            sent += flood.len();
        }
        sent
    });
    stage.is_unharmed_by("one who never reads, while it sends").await;
    let sent = timeout(Duration::from_secs(60), flooding).await.unwrap().unwrap();
    assert!(sent < 32 << 20, "{sent} bytes were taken from one who reads no answer");
    stage.is_unharmed_by("one who never reads").await;
    assert!(stage.node.log().contains("websocket failed"));
}

#[tokio::test]
async fn w12_a_silent_websocket_is_closed() {
    let settings = NodeSettings::default().set("CONNECT_TIMEOUT_MS", 300).set("UPGRADE_TIMEOUT_MS", 300);
    let mut stage = Stage::open_with(settings).await;
    let (mut silent, _) = RawSocket::open(stage.address()).await.unwrap();
    assert_eq!(silent.end().await, Heard::Close(None));
    let path = stage.joined_poller().await;
    let sid = path.split("&sid=").nth(1).unwrap();
    let mut probe = RawSocket::upgrade(stage.address(), &format!("&sid={sid}")).await.unwrap();
    assert_eq!(probe.end().await, Heard::Close(None));
    let mut probe = RawSocket::upgrade(stage.address(), &format!("&sid={sid}")).await.unwrap();
    probe.text("2probe").await.unwrap();
    assert_eq!(probe.hear().await, Heard::Text("3probe".into()));
    assert_eq!(probe.end().await, Heard::Close(None));
    assert_eq!(stage.ask("POST", &path, "", "3").await.body, "ok");
    stage.is_unharmed_by("silence").await;
}

#[tokio::test]
async fn w13_compression_is_not_negotiated() {
    let mut stage = Stage::open().await;
    for offer in [
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=9",
        "x-webkit-deflate-frame",
    ] {
        let headers = format!("{UPGRADE}Sec-WebSocket-Extensions: {offer}\r\n");
        let answer = stage.ask("GET", "/socket.io/?EIO=4&transport=websocket", &headers, "").await;
        assert_eq!((answer.status, answer.header("sec-websocket-extensions")), (101, None), "{offer}");
    }
    stage.is_unharmed_by("offers").await;
}

#[tokio::test]
async fn w14_binary_that_nobody_announced_closes() {
    let mut stage = Stage::open().await;
    for bytes in [frame(0x82, b""), frame(0x82, b"x"), frame(0x82, &[0; 100_000]), frame(TEXT, b"bAAAA")] {
        let mut socket = stage.joined().await;
        socket.tcp.send(bytes).await.unwrap();
        assert_eq!(socket.end().await, Heard::Close(None));
    }
    assert!(stage.node.log().contains("got binary data when not reconstructing"));
    stage.is_unharmed_by("binary").await;
}

/// However messages are cut into segments, each is taken as it was sent and each ping is answered: the codec is made anew between
/// them, and nothing of what came with them may go with the old one.
#[tokio::test]
async fn messages_of_all_lengths_come_whole_however_they_are_cut() {
    let stage = Stage::open_with(NodeSettings::default().set("EVENT_BURST", 1000)).await;
    let asked = |id: usize, padding: usize| {
        format!("42{id}[\"notification:list\",{{{}}}]", " ".repeat(padding)).into_bytes()
    };
    let paddings = [300, 0, 126, 70_000, 64, 1_000, 0, 65_500, 90];
    for is_fragmented in [false, true] {
        for length in [usize::MAX, 50_000, 1_000, 333, 129, 128, 61] {
            let mut socket = stage.joined().await;
            let mut sent = Vec::new();
            for (id, padding) in paddings.into_iter().enumerate() {
                let (message, ping) = (asked(id, padding), frame(PING, id.to_string().as_bytes()));
                if is_fragmented && id == 3 {
                    let (begin, end) = message.split_at(20_000);
                    sent.extend([frame(BEGIN, begin), ping, frame(LAST, end)].concat());
                } else {
                    sent.extend([frame(TEXT, &message), ping].concat());
                }
            }
            // A turn of the server's own between most of them.
            let delivers = async {
                for segment in sent.chunks(length.min(sent.len())) {
                    socket.tcp.send(segment).await.unwrap();
                    tokio::task::yield_now().await;
                }
                let (mut answers, mut pongs) = (0, 0);
                while (answers, pongs) != (paddings.len(), paddings.len()) {
                    match socket.hear().await {
                        Heard::Text(text) if text.starts_with(&format!("43{answers}[{{\"ok\":true")) => {
                            answers += 1;
                        }
                        Heard::Pong(payload) if payload == pongs.to_string().as_bytes() => pongs += 1,
                        Heard::Text(text) if !text.starts_with("43") => {}
                        other => panic!("{other:?} after {answers} answers and {pongs} pongs"),
                    }
                }
            };
            timeout(PATIENCE, delivers).await.unwrap_or_else(|_| panic!("in segments of {length}: silence"));
        }
    }
}
