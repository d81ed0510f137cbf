//! What abuse costs while it lasts, and that nothing of it is kept.

use std::fs;
use std::time::Instant;

use carillon_tests::raw::{Heard, RawSocket, announce, frame};
use carillon_tests::{NodeSettings, PATIENCE};

use super::{POLLING, Stage};

/// What may be left afterwards: the allocator's slack, in bytes.
const SLACK: u64 = 5 << 20;
/// What all of it together may cost while it lasts, in bytes: a thousand sessions that wait for their token, and little else.
const AT_MOST: u64 = 32 << 20;

impl Stage {
    /// A figure of the node's process in bytes: `VmRSS` is what is resident, `VmHWM` the most that ever was.
    fn memory(&self, figure: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.node.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(figure)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// All of it once, each with the bystander told in the middle and at the end.
    async fn abuse(&mut self) {
        self.announced().await;
        self.fragments().await;
        self.packets().await;
        self.half_open().await;
        self.bomb().await;
    }

    /// 8 GiB that are announced, a hundred times.
    async fn announced(&mut self) {
        let rubbish = vec![0; 65_536];
        for _ in 0..100 {
            let mut socket = self.joined().await;
            socket.tcp.send(announce(0x82, 8 << 30)).await.unwrap();
            // As much of it as goes out before the server has looked.
            for _ in 0..16 {
                if socket.tcp.send(&rubbish).await.is_err() {
                    break;
                }
            }
            assert!(matches!(socket.end().await, Heard::Close(Some(1009)) | Heard::Gone));
        }
        self.is_unharmed_by("8 GiB announced").await;
    }

    /// 900,000 fragments of one byte, and as many of none.
    async fn fragments(&mut self) {
        let mut socket = self.joined().await;
        socket.tcp.send(frame(0x01, b"4")).await.unwrap();
        let thousand = frame(0x00, b"x").repeat(1000);
        for sent in 0..900 {
            if sent == 50 {
                self.is_unharmed_by("50,000 fragments").await;
            }
            if socket.tcp.send(&thousand).await.is_err() {
                break;
            }
        }
        assert!(matches!(socket.end().await, Heard::Close(Some(1009)) | Heard::Gone));
        let mut socket = self.joined().await;
        socket.tcp.send(frame(0x01, b"3")).await.unwrap();
        let thousand = frame(0x00, b"").repeat(1000);
        for _ in 0..900 {
            socket.tcp.send(&thousand).await.unwrap();
        }
        socket.tcp.send(frame(0x80, b"")).await.unwrap();
        socket.is_served().await;
        self.is_unharmed_by("fragments").await;
    }

    /// 10,000 packets in each of 20 bodies.
    async fn packets(&mut self) {
        let body = vec!["42[\"x\"]"; 10_000].join("\u{1e}");
        for _ in 0..20 {
            let path = self.joined_poller().await;
            assert_eq!(self.ask("POST", &path, "", &body).await.status, 400);
        }
        self.is_unharmed_by("10,000 packets in a body").await;
    }

    /// 2,000 sessions that say nothing, half of them WebSockets: 1,000 have a place on the doorstep, the others are
    /// told to come back, and whoever comes from elsewhere is still let in.
    async fn half_open(&mut self) {
        const CLIENT: &str = "X-Forwarded-For: 198.51.100.7\r\n";
        let (mut sockets, mut refused) = (Vec::new(), 0);
        let mut polling = self.tcp().await;
        for _ in 0..1000 {
            match RawSocket::upgrade_with(self.address(), "", CLIENT).await {
                Ok(mut socket) => {
                    assert!(matches!(socket.hear().await, Heard::Text(_)));
                    sockets.push(socket);
                }
                Err(_) => refused += 1,
            }
            let answer = polling.ask("GET", POLLING, CLIENT, "").await.unwrap();
            match answer.status {
                200 => {}
                503 => {
                    assert_eq!(answer.header("retry-after"), Some("1"));
                    refused += 1;
                }
                _ => panic!("{answer:?}"),
            }
        }
        assert!(refused >= 900, "only {refused} of 2,000 were refused");
        self.is_unharmed_by("2,000 half-open sessions").await;
        let elsewhere = self.ask("GET", POLLING, "X-Forwarded-For: 203.0.113.7\r\n", "").await;
        assert_eq!(elsewhere.status, 200, "{elsewhere:?}");
        for mut socket in sockets {
            assert_eq!(socket.end().await, Heard::Close(None));
        }
        // Soon there is room again for everyone.
        let patience = Instant::now();
        while self.ask("GET", POLLING, CLIENT, "").await.status != 200 {
            assert!(patience.elapsed() < PATIENCE, "the doorstep is never empty again");
        }
        self.is_unharmed_by("half-open sessions that are gone").await;
    }

    /// A body that says it is compressed is not looked into.
    async fn bomb(&mut self) {
        let gzip = "Content-Encoding: gzip\r\nContent-Type: application/json\r\nAuthorization: Bearer publish-key-for-tests-alone\r\n";
        let path = self.joined_poller().await;
        for path in [path.as_str(), "/api/v1/notifications", "/api/v1/events", "/api/v1/notifications/batch"]
        {
            let mut tcp = self.tcp().await;
            let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n{gzip}\r\n");
            tcp.send(head).await.unwrap();
            // The rest may find the connection closed.
            drop(tcp.send(b"\x1f\x8b\x08\0\0\0\0\0\0\x03".repeat(1000)).await);
            assert_eq!(tcp.response().await.unwrap().status, 415, "{path}");
        }
        self.is_unharmed_by("a gzip bomb").await;
    }
}

/// The first round fills what the allocator, the store and the kernel keep for the next; the second must find it enough.
#[tokio::test]
async fn abuse_leaves_nothing_behind() {
    let settings = NodeSettings::default().set("CONNECT_TIMEOUT_MS", 3000).set("EVENT_BURST", 1000);
    let mut stage = Stage::open_with(settings).await;
    let fresh = stage.memory("VmRSS");
    stage.abuse().await;
    let before = stage.memory("VmRSS");
    stage.abuse().await;
    let (after, most) = (stage.memory("VmRSS"), stage.memory("VmHWM"));
    assert!(after <= before + SLACK, "{} KiB before, {} KiB after", before >> 10, after >> 10);
    assert!(most <= fresh + AT_MOST, "{} KiB fresh, {} KiB at most", fresh >> 10, most >> 10);
}

/// A connection that once said something long costs no more than another, however long it stays.
#[tokio::test]
async fn what_long_events_were_read_into_is_given_back() {
    // What they would keep is more than twice the slack.
    const CLIENTS: u64 = 200;
    let stage = Stage::open().await;
    let long = format!("42777[\"notification:list\",{{{}}}]", " ".repeat(60_000));
    let mut sockets = Vec::new();
    for _ in 0..CLIENTS {
        let mut socket = stage.joined().await;
        socket.is_served().await;
        sockets.push(socket);
    }
    let before = stage.memory("VmRSS");
    for socket in &mut sockets {
        socket.text(&long).await.unwrap();
        socket.is_served().await;
    }
    let after = stage.memory("VmRSS");
    assert!(after <= before + SLACK, "{} KiB before, {} KiB after", before >> 10, after >> 10);
}
