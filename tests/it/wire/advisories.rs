//! What went wrong in other implementations, by the number under which it was published, as far as it is not one of the
//! rows beside this file: CVE-2020-28481 is h09, CVE-2020-36048 p01, CVE-2022-2421 s13, CVE-2023-32695 s01 (an object as
//! event name), CVE-2026-33151 and CVE-2026-69185 s01 (attachment counts) and s11, CVE-2016-10542 w05.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use carillon_tests::NodeSettings;
use carillon_tests::raw::{Heard, RawSocket, UPGRADE, frame};
use serde_json::json;

use super::{POLLING, Stage, someone};

/// engine.io-parser and socket.io-parser read some packets in quadratic time.
#[tokio::test]
async fn cve_2020_36049_the_largest_packets_take_no_time() {
    let settings = NodeSettings::default().set("MAX_PAYLOAD_BYTES", 2_000_000).set("EVENT_RATE", 1000);
    let mut stage = Stage::open_with(settings.set("EVENT_BURST", 1000)).await;
    let size = 1_900_000;
    for packet in [
        format!("42[\"x\",\"{}\"]", "\\\\".repeat(size / 2)),
        format!("42[\"x\",[{}1]]", "1,".repeat(size / 2)),
        format!("40/{},", "/".repeat(size)),
        format!("40/{}", "n".repeat(size)),
        format!("42{}1[\"x\"]", "0".repeat(size)),
        format!("42[\"{}\"]", "\\u0041".repeat(size / 6)),
    ] {
        let mut socket = stage.joined().await;
        let started = Instant::now();
        socket.text(&packet).await.unwrap();
        socket.is_served().await;
        // Linear work takes some 20 ms in a debug build; quadratic work takes an hour.
        assert!(started.elapsed() < Duration::from_secs(60), "{packet:.20} took {:?}", started.elapsed());
    }
    stage.is_unharmed_by("the largest packets").await;
}

/// ws and engine.io crashed over frames that came with the handshake, before anyone listened for their errors.
#[tokio::test]
async fn cve_2022_21676_frames_that_come_with_the_handshake_are_frames() {
    let mut stage = Stage::open().await;
    let path = "/socket.io/?EIO=4&transport=websocket";
    for (bytes, code) in [
        (frame(0xf1, b"x"), 1002),
        (frame(0x91, b"x"), 1002),
        (vec![0x81, 1, b'x'], 1002),
        (frame(0x81, b"4\xff"), 1007),
    ] {
        let mut tcp = stage.tcp().await;
        tcp.send([format!("GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n").into_bytes(), bytes].concat())
            .await
            .unwrap();
        assert_eq!(tcp.response().await.unwrap().status, 101);
        assert_eq!(RawSocket { tcp }.end().await, Heard::Close(Some(code)));
    }
    // Good frames are read as well, if early.
    let mut tcp = stage.tcp().await;
    let connect = frame(0x81, format!("40{}", json!({"token": someone().token()})).as_bytes());
    tcp.send([format!("GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n").into_bytes(), connect].concat())
        .await
        .unwrap();
    assert_eq!(tcp.response().await.unwrap().status, 101);
    let mut socket = RawSocket { tcp };
    assert!(matches!(socket.hear().await, Heard::Text(open) if open.starts_with('0')));
    assert!(matches!(socket.hear().await, Heard::Text(accepted) if accepted.starts_with("40")));
    socket.is_served().await;
    stage.is_unharmed_by("early frames").await;
}

/// engine.io crashed when the client reset the connection while it was being refused or upgraded.
#[tokio::test]
async fn cve_2022_41940_a_reset_at_any_moment_hurts_nobody() {
    let mut stage = Stage::open().await;
    for query in [
        "EIO=4&transport=websocket",
        "EIO=3&transport=websocket",
        "EIO=4&transport=websocket&sid=nobody",
        "EIO=4&transport=polling",
    ] {
        let request = format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n");
        for cut in (0..=request.len()).step_by(23).chain([request.len()]) {
            let mut tcp = stage.tcp().await;
            tcp.send(&request[..cut]).await.unwrap();
            tcp.reset();
        }
        let mut tcp = stage.tcp().await;
        tcp.send(&request).await.unwrap();
        tcp.response().await.unwrap();
        tcp.reset();
    }
    // In the middle of an upgrade, at each of its steps; the session that polls outlives it.
    for steps in 0..3 {
        let path = stage.joined_poller().await;
        let sid = path.split("&sid=").nth(1).unwrap();
        let mut probe = RawSocket::upgrade(stage.address(), &format!("&sid={sid}")).await.unwrap();
        for packet in ["2probe", "2pro"].iter().take(steps) {
            probe.text(packet).await.unwrap();
        }
        probe.tcp.reset();
        assert_eq!(stage.ask("POST", &path, "", "3").await.body, "ok", "after {steps} steps");
    }
    stage.is_unharmed_by("resets").await;
}

/// engine.io looked transports up on an object, and so found its prototype's.
#[tokio::test]
async fn cve_2023_31125_names_of_a_prototype_are_only_names() {
    let mut stage = Stage::open().await;
    for name in ["__proto__", "constructor", "hasOwnProperty", "toString", "prototype", "%5F%5Fproto%5F%5F"] {
        for query in [
            format!("EIO=4&transport={name}"),
            format!("EIO=4&transport=polling&sid={name}"),
            format!("EIO={name}&transport=polling"),
            format!("EIO=4&transport=websocket&sid={name}"),
        ] {
            for headers in ["", UPGRADE] {
                let answer = stage.ask("GET", &format!("/socket.io/?{query}"), headers, "").await;
                assert_eq!(answer.status, 400, "{query}: {answer:?}");
            }
        }
        assert_eq!(stage.ask("GET", &format!("{POLLING}&{name}=x"), "", "").await.status, 200);
    }
    stage.is_unharmed_by("names of a prototype").await;
}

/// socket.io crashed over an event called `error` that nobody listened for.
#[tokio::test]
async fn cve_2024_38355_an_event_called_error_is_an_event() {
    let mut stage = Stage::open().await;
    let mut socket = stage.joined().await;
    for packet in ["42[\"error\"]", "42[\"error\",{\"message\":\"x\"}]", "42[\"uncaughtException\"]"] {
        socket.text(packet).await.unwrap();
        socket.is_served().await;
    }
    stage.is_unharmed_by("events called error").await;
}

/// engine.io answered a binary POST and never ended the answer, and so ran out of connections.
#[tokio::test]
async fn cve_2026_59725_a_refused_post_is_answered_to_its_end() {
    let mut stage = Stage::open().await;
    for _ in 0..50 {
        let path = stage.poller().await;
        let mut tcp = stage.tcp().await;
        let answer =
            tcp.ask("POST", &path, "Content-Type: application/octet-stream\r\n", "\u{4}x").await.unwrap();
        assert_eq!((answer.status, answer.header("content-length")), (400, Some("0")));
        assert_eq!(tcp.ended().await, b"");
    }
    stage.is_unharmed_by("binary posts").await;
}

/// ws: an expression that took exponential time over a header, and a prototype's name in another.
#[tokio::test]
async fn cve_2021_32640_odd_handshake_headers_are_not_looked_into() {
    let mut stage = Stage::open().await;
    let path = "/socket.io/?EIO=4&transport=websocket";
    for header in [
        format!("Sec-WebSocket-Protocol: a{}b", " ".repeat(30_000)),
        format!("Sec-WebSocket-Extensions: a;{}b=\"c\"", " ".repeat(30_000)),
        "Sec-WebSocket-Extensions: constructor; __proto__=x".to_owned(),
        "Sec-WebSocket-Extensions: ;;;,,,=\"\\".to_owned(),
        "Sec-WebSocket-Protocol: , ,".to_owned(),
    ] {
        let started = Instant::now();
        let answer = stage.ask("GET", path, &format!("{UPGRADE}{header}\r\n"), "").await;
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None), "{header:.40}");
        assert_eq!(answer.header("sec-websocket-extensions"), None, "{header:.40}");
        assert!(started.elapsed() < Duration::from_secs(60), "{header:.40}");
    }
    stage.is_unharmed_by("odd handshake headers").await;
}

/// ws crashed over an upgrade with more headers than Node keeps.
#[tokio::test]
async fn cve_2024_37890_an_upgrade_with_too_many_headers_is_refused() {
    let mut stage = Stage::open().await;
    let many = (0..2000).fold(String::new(), |mut headers, n| {
        let _ = write!(headers, "X-{n}: y\r\n");
        headers
    });
    for headers in [format!("{many}{UPGRADE}"), format!("{UPGRADE}{many}")] {
        let mut tcp = stage.tcp().await;
        let request =
            format!("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        drop(tcp.send(request).await);
        let heard = String::from_utf8(tcp.ended().await).unwrap();
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 4"), "{heard}");
    }
    stage.is_unharmed_by("many headers").await;
}

/// HTTP/2 is not spoken on this port, so none of its floods.
#[tokio::test]
async fn rustsec_2024_0332_http_2_is_not_spoken() {
    let mut stage = Stage::open().await;
    let settings =
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n";
    let answer = stage.ask("GET", "/healthz", settings, "").await;
    assert_ne!(answer.status, 101, "{answer:?}");
    let mut tcp = stage.tcp().await;
    tcp.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0").await.unwrap();
    let heard = tcp.ended().await;
    assert!(heard.is_empty() || heard.starts_with(b"HTTP/1.1 4"), "{heard:?}");
    stage.is_unharmed_by("HTTP/2").await;
}
