//! `GET /api/v1/stream`: the log as server-sent events, for a plain HTTP client and for a standard `EventSource`.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use carillon_tests::events::End;
use carillon_tests::users::{JWT_SECRET, ann, ben, eve, sign};
use carillon_tests::{Clinic, Connect, Events, Life, NodeSettings, PATIENCE, User};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const STREAM: &str = "/api/v1/stream";

/// A stream of `user` that has been told of its inbox.
async fn open(clinic: &Clinic, user: &User) -> Events {
    let mut events = clinic.http.get(STREAM).by(user).stream().await;
    let state = events.hears("inbox:state").await;
    assert_eq!(state.data["recovered"], false);
    events
}

/// That nothing waits: what is published now is the next thing heard.
async fn hears_nothing(clinic: &Clinic, user: &User, events: &mut Events) {
    let id = clinic.tell(user, "fence").await;
    assert_eq!(events.hears("notification").await.data["id"], *id);
}

#[tokio::test]
async fn a_stream_hears_what_a_socket_hears() {
    let clinic = Clinic::open().await;
    let mut events = clinic.http.get(STREAM).by(&ann()).header("Origin", clinic.node.url()).stream().await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("access-control-allow-origin", clinic.node.url()),
    ] {
        assert_eq!(events.headers()[name], value);
    }
    let retry = events.block().await.unwrap().retry.unwrap();
    assert!((1_000..3_000).contains(&retry), "{retry}");
    let state = events.hears("inbox:state").await;
    assert_eq!((&state.data["unread"], &state.data["recovered"]), (&json!(0), &json!(false)));
    assert!(state.id.is_some());

    let mut socket = clinic.online(&ann()).await;
    let mut ids = Vec::new();
    for (number, room) in ["user:ann", "all", "role:patient", "patient:ann"].into_iter().enumerate() {
        clinic.notify(&["user:ben", "role:admin", "patient:pat-9"], "not Ann's").await;
        let published = clinic.notify(&[room], &format!("{number} \u{2028} \"],")).await;
        ids.push(published.notifications[0].id.clone());
    }
    for id in &ids {
        let (heard, told) = (socket.hears("notification").await, events.hears("notification").await);
        assert_eq!((&told.data["id"], &told.data, json!(told.id)), (&json!(id), &heard[0], heard[1].clone()));
    }
    // Marks of other devices, by either way.
    socket.ask("notification:read", json!({"ids": [ids[0]]})).await;
    let mark = events.hears("notification:read").await;
    assert_eq!((mark.id, mark.data), (None, json!({"ids": [ids[0]], "unread": 3})));
    socket.ask("notification:unread", json!({"ids": [ids[0]]})).await;
    let mark = events.hears("notification:unread").await;
    assert_eq!((mark.id, mark.data), (None, json!({"ids": [ids[0]], "unread": 4})));
    clinic.http.post("/api/v1/notifications/read", &json!({"all": true})).by(&ann()).send().await.expect(200);
    assert_eq!(events.hears("notification:read").await.data, json!({"upTo": ids[3], "unread": 0}));
    hears_nothing(&clinic, &ann(), &mut events).await;
}

#[tokio::test]
async fn one_that_comes_back_hears_what_it_missed_once_even_after_kill_9() {
    let mut clinic = Clinic::open().await;
    let mut events = open(&clinic, &ann()).await;
    clinic.tell(&ann(), "heard").await;
    let last = events.hears("notification").await.id.unwrap();
    let missed = [clinic.tell(&ann(), "a").await, clinic.tell(&ann(), "b").await];
    clinic.tell(&ben(), "not Ann's").await;
    for id in &missed {
        assert_eq!(events.hears("notification").await.data["id"], **id);
    }
    clinic.node.kill9().await;
    assert_eq!(events.ends().await, End::Broken);
    clinic.node.restart().await;

    // The header counts more than the address.
    let by_header = clinic.http.get(&format!("{STREAM}?since=1.1")).header("Last-Event-ID", &last);
    let by_query = clinic.http.get(&format!("{STREAM}?since={last}"));
    for call in [by_header, by_query] {
        events = call.by(&ann()).stream().await;
        for id in &missed {
            assert_eq!(events.hears("notification").await.data["id"], **id);
        }
        let state = events.hears("inbox:state").await;
        assert_eq!((&state.data["recovered"], &state.data["unread"]), (&json!(true), &json!(3)));
        // What it was told with its state is a place, too.
        let again = clinic.http.get(STREAM).header("Last-Event-ID", &state.id.unwrap()).by(&ann());
        assert_eq!(again.stream().await.hears("inbox:state").await.data["recovered"], true);
    }
    hears_nothing(&clinic, &ann(), &mut events).await;
}

#[tokio::test]
async fn what_cannot_be_given_whole_is_not_given() {
    let clinic = Clinic::open_with(NodeSettings::default().set("RECOVERY_LIMIT", 2)).await;
    let mut events = open(&clinic, &ann()).await;
    clinic.tell(&ann(), "heard").await;
    let last = events.hears("notification").await.id.unwrap();
    for title in ["a", "b", "c"] {
        clinic.tell(&ann(), title).await;
    }
    let ahead = format!("{}.zz", last.split_once('.').unwrap().0);
    for since in [last.as_str(), &ahead, "1.1", "nonsense", ""] {
        let mut events = clinic.http.get(&format!("{STREAM}?since={since}")).by(&ann()).stream().await;
        assert_eq!(events.hears("inbox:state").await.data["recovered"], false, "{since:?}");
        hears_nothing(&clinic, &ann(), &mut events).await;
    }
    // An offset is the same for all, and tells of one's own rooms alone.
    let mut other = clinic.http.get(&format!("{STREAM}?since={last}")).by(&ben()).stream().await;
    assert_eq!(other.hears("inbox:state").await.data["recovered"], true);
}

#[tokio::test]
async fn a_stream_takes_a_token_and_ends_with_it() {
    let clinic = Clinic::open().await;
    for (call, code) in [
        (clinic.http.get(STREAM), "token_missing"),
        (clinic.http.get(&format!("{STREAM}?token={}", ann().token())), "token_missing"),
        (clinic.http.get(STREAM).bearer("nonsense"), "token_invalid"),
        (clinic.http.get(STREAM).with_key(), "token_invalid"),
        (clinic.http.get(STREAM).bearer(&ann().expired_token()), "token_expired"),
    ] {
        let answer = call.send().await;
        answer.expect_problem(401, code, "");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let brief = sign(&json!({"userId": "ann", "role": "PATIENT", "exp": now + 2}), JWT_SECRET);
    let mut events = clinic.http.get(STREAM).bearer(&brief).stream().await;
    events.hears("inbox:state").await;
    assert_eq!(events.ends().await, End::Complete);
    assert!(SystemTime::UNIX_EPOCH.elapsed().unwrap() >= Duration::from_secs(now + 2));
}

#[tokio::test]
async fn streams_count_among_a_users_connections() {
    let clinic = Clinic::open_with(NodeSettings::default().set("MAX_CONNECTIONS_PER_USER", 2)).await;
    let (events, mut socket) = (open(&clinic, &ann()).await, clinic.online(&ann()).await);
    let refused = clinic.http.get(STREAM).by(&ann()).send().await;
    refused.expect_problem(429, "too_many_connections", "");
    let mut third = clinic.client(Connect::by(&ann()).over(&["websocket"])).await;
    assert_eq!(third.refused().await.1, json!({"code": "too_many_connections"}));
    open(&clinic, &ben()).await;
    // One who leaves is noticed at once.
    drop(events);
    let freed = async {
        loop {
            let mut again = clinic.client(Connect::by(&ann()).over(&["websocket"])).await;
            if let Life::Connect { .. } = again.life().await {
                return;
            }
        }
    };
    timeout(PATIENCE, freed).await.expect("the place was never free again");
    clinic.hears_nothing([&mut socket]).await;
}

#[tokio::test]
async fn a_full_node_tells_a_stream_to_come_again() {
    let clinic = Clinic::open_with(NodeSettings::default().set("MAX_CONNECTIONS", 1)).await;
    let first = open(&clinic, &ann()).await;
    let mut second = clinic.http.get(STREAM).by(&ben()).stream().await;
    assert!(second.block().await.unwrap().retry.is_some());
    assert_eq!(second.block().await.unwrap().comment.as_deref(), Some("too many connections on this node"));
    assert_eq!(second.ends().await, End::Complete);
    assert_eq!(clinic.http.get("/socket.io/?EIO=4&transport=polling").send().await.status, 503);
    // A standard client does.
    let mut waiting = EventSource::open(&clinic, &ben()).await;
    assert_eq!(waiting.next().await, json!({"kind": "open"}));
    assert_eq!(waiting.next().await, json!({"kind": "error", "status": null}));
    drop(first);
    assert_eq!(waiting.event("inbox:state").await["data"]["recovered"], false);
}

#[tokio::test]
async fn one_who_stops_reading_disturbs_nobody_and_misses_nothing() {
    const NOTIFICATIONS: usize = 3000;
    let settings = NodeSettings::default().set("MAILBOX_BYTES", 65_536).set("PUBLISH_BURST", 10_000);
    let clinic = Clinic::open_with(settings).await;
    let (mut slow, mut fast) = (open(&clinic, &ann()).await, open(&clinic, &ben()).await);
    let publish = clinic.publish_many("role:patient", NOTIFICATIONS, 6_000);
    let hear = async {
        for number in 0..NOTIFICATIONS {
            assert_eq!(fast.hears("notification").await.data["title"], format!("{number}"));
        }
    };
    tokio::join!(publish, hear);
    hears_nothing(&clinic, &ben(), &mut fast).await;
    for number in 0..NOTIFICATIONS {
        assert_eq!(slow.hears("notification").await.data["title"], format!("{number}"));
    }
    hears_nothing(&clinic, &ann(), &mut slow).await;
}

#[tokio::test]
async fn a_standard_client_comes_back_by_itself_after_a_drain_and_after_kill_9() {
    let mut clinic = Clinic::open().await;
    let mut plain = open(&clinic, &eve()).await;
    let mut client = EventSource::open(&clinic, &ann()).await;
    assert_eq!(client.next().await, json!({"kind": "open"}));
    assert_eq!(client.event("inbox:state").await["data"]["recovered"], false);

    for is_orderly in [true, false] {
        let before = clinic.tell(&ann(), "before").await;
        assert_eq!(client.event("notification").await["data"]["id"], *before);
        if is_orderly {
            assert!(clinic.node.terminate().await.success());
            assert_eq!(plain.ends().await, End::Complete);
        } else {
            clinic.node.kill9().await;
        }
        clinic.node.restart().await;
        let missed = [clinic.tell(&ann(), "a").await, clinic.tell(&ann(), "b").await];
        for id in missed {
            assert_eq!(client.event("notification").await["data"]["id"], *id);
        }
        let state = client.event("inbox:state").await;
        assert_eq!(state["data"]["recovered"], true);
    }
    let refused = EventSource::with(&clinic, "nonsense").await.next().await;
    assert_eq!(refused, json!({"kind": "error", "status": 401}));
}

/// A standard `EventSource` in a Node.js process of its own.
struct EventSource {
    reports: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl EventSource {
    async fn open(clinic: &Clinic, user: &User) -> Self {
        Self::with(clinic, &user.token()).await
    }

    async fn with(clinic: &Clinic, token: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/eventsource.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(format!("{}{STREAM}", clinic.node.url())).arg(token);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let reports = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { reports, _child: child }
    }

    /// What befalls it next.
    async fn next(&mut self) -> Value {
        let Ok(Ok(Some(line))) = timeout(PATIENCE, self.reports.next_line()).await else {
            panic!("nothing befell it, or Node.js ended")
        };
        serde_json::from_str(&line).unwrap()
    }

    /// That the next event is `name`, whatever becomes of its connection before.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            let report = self.next().await;
            if report["kind"] == "event" {
                assert_eq!(report["name"], name, "{report}");
                return report;
            }
            assert_eq!(report["status"], Value::Null, "it gave up");
        }
    }
}
