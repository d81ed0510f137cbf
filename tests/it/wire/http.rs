//! H: the HTTP handshake and the limits of HTTP itself.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use carillon_tests::NodeSettings;
use carillon_tests::raw::{Heard, Raw, RawSocket, UPGRADE};
use tokio::time::interval;

use super::{POLLING, Stage, refusal};

/// Method, query, headers, code of the refusal.
const HANDSHAKES: [(&str, &str, &str, u8); 25] = [
    // H1: no transport, or none that exists.
    ("GET", "EIO=4", "", 0),
    ("GET", "EIO=4&transport=", "", 0),
    ("GET", "EIO=4&transport=webtransport", "", 0),
    ("GET", "EIO=4&transport=tobi", "", 0),
    ("GET", "EIO=4&transport=constructor", "", 0),
    ("GET", "EIO=4&transport=__proto__", "", 0),
    ("GET", "EIO=4&transport=Polling", "", 0),
    ("GET", "", "", 0),
    // H3: another protocol.
    ("GET", "EIO=3&transport=polling", "", 5),
    ("GET", "EIO=5&transport=polling", "", 5),
    ("GET", "EIO=4a&transport=polling", "", 5),
    ("GET", "transport=polling", "", 5),
    ("GET", "EIO=3&transport=websocket", UPGRADE, 5),
    ("GET", "transport=websocket", UPGRADE, 5),
    // H4 and P13: a session begins with a GET.
    ("POST", "EIO=4&transport=polling", "", 2),
    ("PUT", "EIO=4&transport=polling", "", 2),
    ("DELETE", "EIO=4&transport=polling", "", 2),
    ("PATCH", "EIO=4&transport=polling", "", 2),
    ("OPTIONS", "EIO=4&transport=polling", "", 2),
    // H5: sessions that are not there.
    ("GET", "EIO=4&transport=polling&sid=nobody", "", 1),
    ("GET", "EIO=4&transport=polling&sid=hasOwnProperty", "", 1),
    ("GET", "EIO=4&transport=polling&sid=__proto__", "", 1),
    ("POST", "EIO=4&transport=polling&sid=nobody", "", 1),
    ("GET", "EIO=4&transport=websocket&sid=nobody", UPGRADE, 1),
    // H6: a WebSocket without its header.
    ("GET", "EIO=4&transport=websocket", "", 3),
];

#[tokio::test]
async fn h01_to_h06_bad_handshakes_are_refused_in_the_official_words() {
    let mut stage = Stage::open().await;
    for (method, query, headers, code) in HANDSHAKES {
        let answer = stage.ask(method, &format!("/socket.io/?{query}"), headers, "").await;
        let expected = (400, refusal(code), Some("application/json"));
        let got = (answer.status, answer.body.as_str(), answer.header("content-type"));
        assert_eq!(got, expected, "{method} {query}");
    }
    let long = format!("{POLLING}&sid={}", "s".repeat(4096));
    let answer = stage.ask("GET", &long, "", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (400, refusal(1)));
    stage.is_unharmed_by("bad handshakes").await;
}

#[tokio::test]
async fn h05_awkward_queries_are_read_as_they_should() {
    let mut stage = Stage::open().await;
    for query in [
        "EIO=4&transport=polling&t=abc&b64=1",
        "EIO=4&transport=polling&j=0&%=%&=&&x=%ff",
        "EIO=%34&transport=pollin%67",
    ] {
        let answer = stage.ask("GET", &format!("/socket.io/?{query}"), "", "").await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert!(answer.body.starts_with("0{\"sid\":"), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for twice in [
        "EIO=4&EIO=4&transport=polling",
        "EIO=4&transport=polling&transport=websocket",
        "EIO=4&transport=polling&sid=a&sid=b",
    ] {
        let answer = stage.ask("GET", &format!("/socket.io/?{twice}"), "", "").await;
        assert_eq!((answer.status, answer.body.as_str()), (400, refusal(3)), "{twice}");
    }
    stage.is_unharmed_by("awkward queries").await;
}

#[tokio::test]
async fn h07_a_second_websocket_is_refused_and_the_first_lives() {
    let mut stage = Stage::open().await;
    let (mut first, sid) = RawSocket::open(stage.address()).await.unwrap();
    let path = format!("/socket.io/?EIO=4&transport=websocket&sid={sid}");
    for _ in 0..3 {
        let second = stage.ask("GET", &path, UPGRADE, "").await;
        assert_eq!((second.status, second.body.as_str()), (400, refusal(3)));
    }
    let token = super::someone().token();
    first.text(&format!("40{{\"token\":\"{token}\"}}")).await.unwrap();
    assert!(matches!(first.hear().await, Heard::Text(text) if text.starts_with("40{")));
    first.is_served().await;
    stage.is_unharmed_by("a second websocket").await;
}

#[tokio::test]
async fn h08_an_upgraded_session_is_not_polled_any_more() {
    let mut stage = Stage::open().await;
    let path = stage.joined_poller().await;
    let sid = path.split("&sid=").nth(1).unwrap();
    let mut socket = RawSocket::upgrade(stage.address(), &format!("&sid={sid}")).await.unwrap();
    socket.text("2probe").await.unwrap();
    assert_eq!(socket.hear().await, Heard::Text("3probe".into()));
    socket.text("5").await.unwrap();
    socket.is_served().await;
    for (method, body) in [("GET", ""), ("POST", "42[\"x\"]")] {
        let late = stage.ask(method, &path, "", body).await;
        assert_eq!((late.status, late.body.as_str()), (400, refusal(3)), "{method}");
    }
    socket.is_served().await;
    stage.is_unharmed_by("late polls").await;
}

#[tokio::test]
async fn h09_and_h11_a_foreign_page_gets_403_and_no_cors_header() {
    let ours = "https://app.example.com";
    let mut stage = Stage::open_with(NodeSettings::default().set("FRONTEND_URL", ours)).await;
    let preflight = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-y\r\n";
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.com.evil.io",
        "http://app.example.com",
        "",
        "\u{e9}",
    ] {
        let header = format!("Origin: {origin}\r\n");
        for (path, more) in [(POLLING, ""), ("/socket.io/?EIO=4&transport=websocket", UPGRADE)] {
            let answer = stage.ask("GET", path, &format!("{header}{more}"), "").await;
            assert_eq!(answer.status, 403, "{origin:?}");
            assert!(!answer.head.to_lowercase().contains("access-control-"), "{origin:?}: {}", answer.head);
        }
        let answer = stage.ask("OPTIONS", POLLING, &format!("{header}{preflight}"), "").await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{origin:?}");
        assert!(!answer.head.to_lowercase().contains("access-control-"), "{origin:?}: {}", answer.head);
    }
    let two =
        stage.ask("GET", POLLING, &format!("Origin: {ours}\r\nOrigin: https://evil.example\r\n"), "").await;
    assert_eq!(two.status, 403);
    let answer = stage.ask("OPTIONS", POLLING, &format!("Origin: {ours}\r\n{preflight}"), "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(ours)));
    stage.is_unharmed_by("foreign pages").await;
}

#[tokio::test]
async fn h12_a_bad_websocket_handshake_is_refused_before_101() {
    let mut stage = Stage::open().await;
    let path = "/socket.io/?EIO=4&transport=websocket";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let bad = [
        UPGRADE.replace("Version: 13", "Version: 8"),
        UPGRADE.replace("Version: 13", "Version: 130"),
        UPGRADE.replace("Sec-WebSocket-Version: 13\r\n", ""),
        UPGRADE.replace(key, ""),
        UPGRADE.replace(key, "Sec-WebSocket-Key: c2hvcnQ=\r\n"),
        UPGRADE.replace(key, "Sec-WebSocket-Key: !!!not base64!!!\r\n"),
        UPGRADE.replace(key, "Sec-WebSocket-Key: \r\n"),
        UPGRADE.replace("Connection: Upgrade\r\n", ""),
        UPGRADE.replace("Connection: Upgrade", "Connection: keep-alive"),
    ];
    for headers in bad {
        let answer = stage.ask("GET", path, &headers, "").await;
        assert!([400, 426].contains(&answer.status), "{headers}: {answer:?}");
        // A refused handshake on a session that polls leaves that session alone.
        let poller = stage.poller().await;
        let upgrade = poller.replace("transport=polling", "transport=websocket");
        assert!([400, 426].contains(&stage.ask("GET", &upgrade, &headers, "").await.status), "{headers}");
        assert_eq!(stage.ask("POST", &poller, "", "3").await.body, "ok", "{headers}");
    }
    stage.is_unharmed_by("bad websocket handshakes").await;
}

#[tokio::test]
async fn h14_too_many_or_too_large_headers_are_refused() {
    let mut stage = Stage::open().await;
    let many = (0..2000).fold(String::new(), |mut headers, n| {
        let _ = write!(headers, "X-{n}: y\r\n");
        headers
    });
    let large = format!("X-Large: {}\r\n", "y".repeat(128 * 1024));
    let endless = format!("X-{}", "y".repeat(4 * 1024 * 1024));
    for (what, headers) in
        [("many", format!("{many}\r\n")), ("large", format!("{large}\r\n")), ("endless", endless)]
    {
        for path in [POLLING, "/api/v1/notifications", "/healthz"] {
            let mut tcp = stage.tcp().await;
            // It may close before all is sent; then there may be no answer left to read.
            let sent = tcp.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}")).await;
            let heard = String::from_utf8(tcp.ended().await).unwrap();
            let refused = heard.starts_with("HTTP/1.1 400 ") || heard.starts_with("HTTP/1.1 431 ");
            assert!(refused || (heard.is_empty() && sent.is_err()), "{what} {path}: {heard}");
        }
    }
    stage.is_unharmed_by("headers").await;
}

#[tokio::test]
async fn h15_a_header_sent_byte_by_byte_is_cut_off() {
    let mut stage = Stage::open().await;
    let (took, heard) = drip(stage.tcp().await).await;
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 408 "), "{heard}");
    stage.is_unharmed_by("a slow header").await;
}

/// Sends a header one byte every 100 ms, which would take 34 s: how long that went well, and what was answered.
async fn drip(mut tcp: Raw) -> (Duration, String) {
    let started = Instant::now();
    let mut ticks = interval(Duration::from_millis(100));
    for byte in format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: {}\r\n\r\n", "y".repeat(300)).bytes() {
        ticks.tick().await;
        if tcp.send([byte]).await.is_err() {
            break;
        }
    }
    (started.elapsed(), String::from_utf8(tcp.ended().await).unwrap())
}

#[tokio::test]
async fn h16_ambiguous_framing_is_refused_and_nothing_is_smuggled() {
    let mut stage = Stage::open().await;
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let path = stage.poller().await;
    for framing in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
    ] {
        let mut tcp = stage.tcp().await;
        let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{framing}\r\n0\r\n\r\n{smuggled}");
        tcp.send(request).await.unwrap();
        let heard = String::from_utf8(tcp.ended().await).unwrap();
        assert!(heard.starts_with("HTTP/1.1 400 "), "{framing}: {heard}");
        assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{framing}: {heard}");
    }
    stage.is_unharmed_by("ambiguous framing").await;
}

#[tokio::test]
async fn h17_http_1_0_and_nonsense_are_answered_and_closed() {
    let mut stage = Stage::open().await;
    let mut tcp = stage.tcp().await;
    tcp.send("GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    let heard = String::from_utf8(tcp.ended().await).unwrap();
    assert!(heard.starts_with("HTTP/1.0 200 ") || heard.starts_with("HTTP/1.1 200 "), "{heard}");
    for nonsense in [
        "\r\n\r\nHELO x\r\n\r\n",
        "GET /healthz HTTP/3.7\r\n\r\n",
        "\0\0\0\0",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "G\u{e9}T / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0",
    ] {
        let mut tcp = stage.tcp().await;
        tcp.send(nonsense).await.unwrap();
        let heard = String::from_utf8(tcp.ended().await).unwrap();
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 4"), "{nonsense:?}: {heard}");
    }
    stage.is_unharmed_by("nonsense").await;
}

#[tokio::test]
async fn h19_sessions_that_never_connect_are_gone_in_time() {
    let mut stage =
        Stage::open_with(NodeSettings::default().set("CONNECT_TIMEOUT_MS", 500).set("MAX_CONNECTIONS", 101))
            .await;
    let mut idle = Vec::new();
    for n in 0..100 {
        if n % 2 == 0 {
            stage.poller().await;
        } else {
            idle.push(RawSocket::open(stage.address()).await.unwrap().0);
        }
    }
    // The node is full with these and the bystander, or was; when they are gone there is room again for as many.
    for socket in &mut idle {
        assert!(matches!(socket.end().await, Heard::Close(None)));
    }
    let mut taken = Vec::new();
    let patience = Instant::now();
    while taken.len() < 100 {
        match RawSocket::join(stage.address(), &super::someone().token()).await {
            Ok(socket) => taken.push(socket),
            // A closed polling session waits for one more GET before its place is free.
            Err(_) => {
                assert!(patience.elapsed() < Duration::from_secs(40), "only {} are free again", taken.len());
            }
        }
    }
    stage.is_unharmed_by("half-open sessions").await;
}
