//! P: bodies and overlaps of long polling.

use std::time::{Duration, Instant};

use carillon_tests::NodeSettings;
use carillon_tests::raw::{Raw, UPGRADE};
use tokio::time::interval;

use super::{Stage, refusal};

/// That the session is closed: it is not known any more, or is once told so and then not known.
async fn is_closed(stage: &Stage, path: &str, what: &str) {
    let mut answer = stage.ask("GET", path, "", "").await;
    if answer.body.ends_with("\u{1e}1") {
        answer = stage.ask("GET", path, "", "").await;
    }
    assert_eq!((answer.status, answer.body.as_str()), (400, refusal(1)), "{what}");
}

#[tokio::test]
async fn p01_a_body_over_the_limit_is_413_however_it_is_framed() {
    let mut stage = Stage::open_with(NodeSettings::default().set("MAX_PAYLOAD_BYTES", 10_000)).await;
    let large = format!("4{}", "x".repeat(10_000));
    for framing in ["announced", "chunked", "one chunk", "a lie"] {
        let path = stage.joined_poller().await;
        let mut tcp = stage.tcp().await;
        let (header, body) = match framing {
            "announced" => (format!("Content-Length: {}", large.len()), large.clone()),
            "a lie" => ("Content-Length: 9999999999".to_owned(), large.clone()),
            "one chunk" => (
                "Transfer-Encoding: chunked".to_owned(),
                format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len()),
            ),
            _ => {
                let chunks: String = large
                    .as_bytes()
                    .chunks(100)
                    .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), "x".repeat(chunk.len())))
                    .collect();
                ("Transfer-Encoding: chunked".to_owned(), format!("{chunks}0\r\n\r\n"))
            }
        };
        tcp.send(format!("POST {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n{body}")).await.unwrap();
        let answer = tcp.response().await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (413, ""), "{framing}");
        is_closed(&stage, &path, framing).await;
    }
    // The limit itself is allowed, chunked too, and split anywhere.
    let path = stage.joined_poller().await;
    let exact = format!("42[\"nothing\",\"{}\u{e9}\"]", "x".repeat(9_982));
    assert_eq!(exact.len(), 10_000);
    let chunks: Vec<u8> = exact
        .as_bytes()
        .chunks(4999)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .collect();
    let mut tcp = stage.tcp().await;
    tcp.send(format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")).await.unwrap();
    tcp.send(chunks).await.unwrap();
    tcp.send("0\r\n\r\n").await.unwrap();
    assert_eq!(tcp.response().await.unwrap().body, "ok");
    stage.is_unharmed_by("large bodies").await;
}

#[tokio::test]
async fn p02_a_body_sent_byte_by_byte_is_cut_off() {
    let mut stage = Stage::open().await;
    let paths = [stage.joined_poller().await, "/api/v1/notifications".to_owned()];
    let mut slow = Vec::new();
    for path in &paths {
        let mut tcp = stage.tcp().await;
        let key = "Authorization: Bearer publish-key-for-tests-alone\r\nContent-Type: application/json\r\n";
        tcp.send(format!("POST {path} HTTP/1.1\r\nHost: x\r\n{key}Content-Length: 200\r\n\r\n"))
            .await
            .unwrap();
        slow.push(tokio::spawn(drip(tcp)));
    }
    for (path, slow) in paths.iter().zip(slow) {
        let (took, heard) = slow.await.unwrap();
        assert!(took < Duration::from_secs(30), "{path}: it took {took:?}");
        assert!(heard.starts_with("HTTP/1.1 408 "), "{path}: {heard}");
        assert!(heard.to_lowercase().contains("connection: close"), "{path}: {heard}");
    }
    is_closed(&stage, &paths[0], "a slow body").await;
    stage.is_unharmed_by("slow bodies").await;
}

/// Sends a body one byte every 200 ms, which would take 40 s: how long that went well, and what was answered.
async fn drip(mut tcp: Raw) -> (Duration, String) {
    let started = Instant::now();
    let mut ticks = interval(Duration::from_millis(200));
    for _ in 0..200 {
        ticks.tick().await;
        if tcp.send("x").await.is_err() {
            break;
        }
    }
    (started.elapsed(), String::from_utf8(tcp.ended().await).unwrap())
}

#[tokio::test]
async fn p03_a_second_get_closes_the_session() {
    let mut stage = Stage::open().await;
    let path = stage.joined_poller().await;
    let mut first = stage.tcp().await;
    first.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await.unwrap();
    // The server takes the two in any order; one of them is told of the overlap, the other of the end.
    let second = stage.ask("GET", &path, "", "").await;
    let first = first.response().await.unwrap();
    let mut answers = [(first.status, first.body.as_str()), (second.status, second.body.as_str())];
    answers.sort_unstable();
    assert_eq!(answers, [(200, "1"), (400, refusal(3))]);
    is_closed(&stage, &path, "overlapping polls").await;
    stage.is_unharmed_by("overlapping polls").await;
}

#[tokio::test]
async fn p04_a_second_post_closes_the_session() {
    let mut stage = Stage::open().await;
    let path = stage.joined_poller().await;
    let mut first = stage.tcp().await;
    first
        .send(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"))
        .await
        .unwrap();
    // The invitation to send the body shows that it is being read.
    assert_eq!(first.response().await.unwrap().status, 100);
    let second = stage.ask("POST", &path, "", "3").await;
    assert_eq!((second.status, second.body.as_str()), (400, refusal(3)));
    is_closed(&stage, &path, "overlapping posts").await;
    first.send("4xx").await.unwrap();
    assert_eq!(first.response().await.unwrap().status, 400);
    stage.is_unharmed_by("overlapping posts").await;
}

#[tokio::test]
async fn p05_an_abandoned_poll_or_post_closes_the_session_at_once() {
    let mut stage = Stage::open().await;
    for request in [
        "GET {} HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n42[\"x",
    ] {
        for is_reset in [false, true] {
            let path = stage.joined_poller().await;
            let mut tcp = stage.tcp().await;
            tcp.send(request.replace("{}", &path)).await.unwrap();
            // So that the request has arrived before its connection goes.
            stage.is_unharmed_by("an open request").await;
            if is_reset {
                tcp.reset();
            } else {
                drop(tcp);
            }
            let patience = Instant::now();
            loop {
                // A WebSocket that comes and goes leaves a session alone, and is told when there is none.
                let upgrade = path.replace("transport=polling", "transport=websocket");
                let answer = stage.ask("GET", &upgrade, UPGRADE, "").await;
                if answer.body == refusal(1) {
                    break;
                }
                assert!(patience.elapsed() < Duration::from_secs(10), "it lives on: {answer:?}");
            }
        }
    }
    stage.is_unharmed_by("abandoned requests").await;
}

#[tokio::test]
async fn p06_and_p07_a_body_that_is_no_packets_closes_the_session() {
    let mut stage = Stage::open_with(NodeSettings::default().set("MAX_PAYLOAD_BYTES", 5_000_000)).await;
    let three_megabytes = format!("b{}", "AAAA".repeat(750_000));
    let bodies = [
        "\u{1e}",
        "3\u{1e}",
        "\u{1e}3",
        "3\u{1e}\u{1e}3",
        "7",
        "9",
        "x",
        "b!!!",
        "bAA=A",
        "b\u{e9}",
        "2",
        "2probe",
        &three_megabytes,
    ];
    for body in bodies {
        let path = stage.joined_poller().await;
        let answer = stage.ask("POST", &path, "", body).await;
        let what = format!("{body:.10}");
        // A ping and a binary message nobody announced can be read; it is the session that breaks over them.
        assert!(answer.status == 400 || body.starts_with('2') || body.len() > 100, "{what}: {answer:?}");
        is_closed(&stage, &path, &what).await;
    }
    let path = stage.joined_poller().await;
    let mut tcp = stage.tcp().await;
    tcp.send(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")).await.unwrap();
    assert_eq!(tcp.response().await.unwrap().status, 400);
    is_closed(&stage, &path, "an empty body").await;
    let path = stage.joined_poller().await;
    let mut tcp = stage.tcp().await;
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n").into_bytes();
    request.extend([b'4', 0xff, 0xfe]);
    tcp.send(request).await.unwrap();
    assert_eq!(tcp.response().await.unwrap().status, 400);
    is_closed(&stage, &path, "a body that is no UTF-8").await;
    stage.is_unharmed_by("bad bodies").await;
}

#[tokio::test]
async fn p08_so_many_packets_in_a_body_and_no_more() {
    let mut stage = Stage::open().await;
    let pongs = |count: usize| vec!["3"; count].join("\u{1e}");
    let path = stage.joined_poller().await;
    assert_eq!(stage.ask("POST", &path, "", &pongs(1000)).await.body, "ok");
    let answer = stage.ask("POST", &path, "", &pongs(10_000)).await;
    assert_eq!((answer.status, answer.body.as_str()), (400, refusal(3)));
    is_closed(&stage, &path, "10,000 packets").await;
    stage.is_unharmed_by("10,000 packets").await;
}

#[tokio::test]
async fn p09_and_p10_only_plain_text_is_read() {
    let mut stage = Stage::open().await;
    for (header, status) in [
        ("Content-Type: application/octet-stream", 400),
        ("Content-Type: Application/Octet-Stream; x=y", 400),
        ("Content-Encoding: gzip", 415),
        ("Content-Encoding: deflate", 415),
        ("Content-Encoding: br", 415),
        ("Content-Encoding: zstd", 415),
        ("Content-Encoding: identity, gzip", 415),
        ("Content-Encoding: identity\r\nContent-Encoding: gzip", 415),
    ] {
        let path = stage.joined_poller().await;
        let answer = stage.ask("POST", &path, &format!("{header}\r\n"), "3").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{header}");
        is_closed(&stage, &path, header).await;
    }
    for header in ["Content-Type: text/html", "Content-Type: \r\nX: y", "Content-Encoding: identity"] {
        let path = stage.joined_poller().await;
        let answer = stage.ask("POST", &path, &format!("{header}\r\n"), "3").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"), "{header}");
        assert_eq!(answer.header("content-type"), Some("text/html"));
    }
    stage.is_unharmed_by("other contents").await;
}

#[tokio::test]
async fn p13_other_methods_are_refused_and_leave_the_session_alone() {
    let mut stage = Stage::open().await;
    let path = stage.joined_poller().await;
    for method in ["DELETE", "PUT", "PATCH", "TRACE", "OPTIONS", "HEAD", "BREW"] {
        let mut tcp = stage.tcp().await;
        tcp.send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await.unwrap();
        let heard = String::from_utf8(tcp.ended().await).unwrap();
        assert!(
            heard.starts_with("HTTP/1.1 400 ") || heard.starts_with("HTTP/1.1 405 "),
            "{method}: {heard}"
        );
    }
    assert_eq!(stage.ask("POST", &path, "", "421[\"notification:list\",{}]").await.body, "ok");
    assert!(stage.ask("GET", &path, "", "").await.body.starts_with("431[{\"ok\":true"));
    stage.is_unharmed_by("other methods").await;
}
