//! `REDIS_EMITTER=live`: told to whoever is here.

use carillon_tests::users::{chen, eve};

use super::*;

fn heard(events: &[(String, Vec<Value>)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

/// Who hears what, on both nodes; the back end of one, over a Redis or a Redis Cluster.
async fn audiences(meeting: Meeting) {
    let mut stage = Stage::open("live", meeting).await;
    let mut people = [
        (stage.online(&ann(), 0).await, vec!["one", "several", "everyone", "but-doctors", "volatile"]),
        (stage.online(&ann(), 1).await, vec!["one", "several", "everyone", "but-doctors", "volatile"]),
        (stage.online(&ben(), 1).await, vec!["several", "everyone", "but-doctors"]),
        (stage.online(&chen(), 0).await, vec!["everyone", "but-ann"]),
        (stage.online(&eve(), 1).await, vec!["several", "everyone", "but-doctors", "but-ann"]),
    ];
    let back_end = &mut stage.back_end;
    back_end.emit(&["user:ann"], "one", json!([1])).await;
    back_end.emit(&["user:ann", "role:patient", "patient:ann", "role:admin"], "several", json!([])).await;
    back_end.emit(&[], "everyone", json!([])).await;
    back_end.emit(&["nowhere"], "nobody", json!([])).await;
    let but_doctors = json!({"cmd": "emit", "except": ["role:doctor"], "event": "but-doctors", "args": []});
    back_end.run(but_doctors).await;
    let but_ann = json!({"cmd": "emit", "rooms": ["all"], "except": ["user:ann", "user:ben"], "event": "but-ann", "args": []});
    back_end.run(but_ann).await;
    // Those who are not behind: what came before has been taken.
    back_end.emit(&[], "before", json!([])).await;
    for (client, expected) in &mut people {
        let events = client.hears_until("before").await;
        expected.retain(|event| *event != "volatile");
        assert_eq!(heard(&events), *expected, "{}", client.user.id);
    }
    let volatile =
        json!({"cmd": "emit", "rooms": ["user:ann"], "volatile": true, "event": "volatile", "args": [2]});
    back_end.run(volatile).await;
    back_end.fence().await;
    for (client, _) in &mut people {
        let is_ann = client.user.id == "ann";
        assert_eq!(heard(&client.hears_until("fence").await), if is_ann { vec!["volatile"] } else { vec![] });
    }
}

#[tokio::test]
async fn each_socket_of_an_audience_hears_it_once() {
    audiences(Meeting::Server).await;
}

#[tokio::test]
async fn a_redis_cluster_carries_it_too() {
    audiences(Meeting::Cluster).await;
}

#[tokio::test]
async fn arguments_arrive_as_from_a_node_server() {
    let mut stage = Stage::open("live", Meeting::Server).await;
    let mut client = stage.online(&ann(), 1).await;
    let args = json!([
        "Grüße, 世界 😀 \" \\ \u{1} \n",
        {"$date": 1_700_000_000_123_i64},
        {"$undefined": true},
        {"ä": [1, -1.5, 1.5e-7, 9_007_199_254_740_991_i64, null, true, {}]},
        {"$bytes": [1, 2, 255]},
        {"nested": [{"$bytes": [104, 105]}]},
    ]);
    stage.back_end.emit(&["user:ann"], "all-kinds", args).await;
    stage.back_end.fence().await;
    let events = client.hears_until("fence").await;
    let bytes = |bytes: Value| json!({"type": "Buffer", "data": bytes});
    let expected = json!([
        "Grüße, 世界 😀 \" \\ \u{1} \n",
        "2023-11-14T22:13:20.123Z",
        null,
        {"ä": [1, -1.5, 1.5e-7, 9_007_199_254_740_991_i64, null, true, {}]},
        bytes(json!([1, 2, 255])),
        {"nested": [bytes(json!([104, 105]))]},
    ]);
    assert_eq!(json!(events), json!([["all-kinds", expected]]));
}

/// The official client takes a string at the end of any event for its offset, and would come back with it.
#[tokio::test]
async fn a_string_at_the_end_costs_nobody_a_recovery() {
    let mut stage = Stage::open("live", Meeting::Server).await;
    let mut client = stage.online(&ann(), 0).await;
    stage.back_end.emit(&["user:ann"], "greeting", json!(["hello"])).await;
    stage.back_end.fence().await;
    assert_eq!(json!(client.hears_until("fence").await), json!([["greeting", ["hello", null]]]));
    // The fence was without arguments: then the string at the end is its name.
    client.cut().await;
    assert_eq!(client.comes_back().await["recovered"], true);
}

#[tokio::test]
async fn disconnect_sockets_ends_them_after_what_was_emitted_before() {
    let mut stage = Stage::open("live", Meeting::Server).await;
    let mut here = stage.online(&ann(), 0).await;
    let mut there = stage.online(&ann(), 1).await;
    let mut other = stage.online(&ben(), 1).await;
    // By a socket's own id as well.
    let connect = Connect::by(&ben()).over(&["websocket"]);
    let mut by_id = Client::open(&stage.driver, stage.cluster[0].url(), connect).await;
    let Life::Connect { sid, .. } = by_id.life().await else { panic!("not connected") };
    stage.back_end.emit(&["user:ann"], "goodbye", json!([])).await;
    stage.back_end.run(json!({"cmd": "disconnect", "rooms": ["user:ann", sid]})).await;
    stage.back_end.fence().await;
    for client in [&mut here, &mut there] {
        assert_eq!(client.disconnected().await, "io server disconnect");
        assert!(client.hears_until("goodbye").await.is_empty());
    }
    assert_eq!(by_id.disconnected().await, "io server disconnect");
    assert!(other.hears_until("fence").await.is_empty());
    stage.until(0, "carillon_emitter_taken_total{what=\"disconnect\"}", 1.0).await;
}

#[tokio::test]
async fn nobody_speaks_in_our_name_and_garbage_disturbs_nobody() {
    let mut stage = Stage::open("live", Meeting::Server).await;
    let mut client = stage.online(&ann(), 1).await;
    for ours in ["notification", "inbox:state", "auth:expiring", "notification:read", "user:offline"] {
        stage.back_end.emit(&[], ours, json!([{"id": 7, "title": "forged"}, "0.0"])).await;
    }
    let redis = &stage.cluster.redis[0];
    let publish = |channel: &str, message: &[u8]| redis.command(&[b"PUBLISH", channel.as_bytes(), message]);
    // The emitter itself refuses these.
    publish("socket.io#/#", b"\x93\xa1e\x82\xa4type\x02\xa4data\x91\xa7connect\x80");
    stage.until(1, "carillon_emitter_ignored_total{reason=\"reserved\"}", 6.0).await;
    let garbage: [&[u8]; 9] = [
        b"",
        b"{}",
        b"\xc1",
        b"\xff",
        b"{\"type\":",
        &[b'['; 100_000],
        &[0x91; 100_000],
        &[0xff; 300_000],
        b"\xdd\xff\xff\xff\xff",
    ];
    for channel in ["socket.io#/#", "socket.io#/#user:ann#", "socket.io#/#\u{1}", "socket.io-request#/#"] {
        garbage.iter().for_each(|garbage| drop(publish(channel, garbage)));
    }
    let other = b"\x93\xa1e\x83\xa4type\x02\xa4data\x91\xa1x\xa3nsp\xa2/x\x80";
    publish("socket.io#/#", other);
    let binary = [b"\x93\xa1e\x82\xa4type\x02\xa4data\x9c\xa1x".as_slice(), &b"\xc4\x00".repeat(11), b"\x80"];
    publish("socket.io#/#", &binary.concat());
    stage.back_end.run(json!({"cmd": "join", "rooms": ["user:ann"]})).await;
    stage.back_end.fence().await;
    assert!(client.hears_until("fence").await.is_empty());
    for (reason, least) in
        [("form", 20.0), ("size", 8.0), ("namespace", 1.0), ("attachments", 1.0), ("unsupported", 1.0)]
    {
        let name = format!("carillon_emitter_ignored_total{{reason=\"{reason}\"}}");
        stage.until(1, &name, least).await;
    }
    let log = stage.cluster[1].log();
    assert_eq!(log.matches("not supported").count(), 1, "{log}");
    assert!(!log.contains("forged"));
}

/// Node servers on the same Redis wait for as many answers as there are servers, ours among them.
#[tokio::test]
async fn node_servers_need_not_wait_for_us() {
    let mut stage = Stage::open("live", Meeting::Server).await;
    for (kind, answer) in
        [(0, json!({"sockets": []})), (1, json!({"rooms": []})), (5, json!({"sockets": []}))]
    {
        let request =
            json!({"uid": "abcdef", "requestId": "q", "type": kind, "opts": {"rooms": [], "except": []}});
        let mut expected = answer;
        expected["requestId"] = json!("q");
        let answers = stage.back_end.run(json!({"cmd": "ask", "request": request})).await;
        assert_eq!(answers, json!([expected, expected]));
    }
}

#[tokio::test]
async fn who_comes_back_after_redis_was_gone_hears_again() {
    let mut stage = Stage::open("live", Meeting::Server).await;
    let mut client = stage.online(&ann(), 0).await;
    let kill = |kind: &[u8]| stage.cluster.redis[0].command(&[b"CLIENT", b"KILL", b"TYPE", kind]);
    kill(b"pubsub");
    // The connections that were killed are counted out, and then new ones in.
    let begun = Instant::now();
    let mut n = 0;
    loop {
        n += 1;
        stage.back_end.emit(&["user:ann"], "again", json!([n])).await;
        stage.back_end.fence().await;
        if timeout(std::time::Duration::from_millis(500), client.hears_until("fence")).await.is_ok() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it never heard again");
    }
}

#[tokio::test]
async fn off_is_not_subscribed() {
    let mut stage = Stage::open("off", Meeting::Server).await;
    let told = stage.back_end.run(json!({"cmd": "emit", "event": "x", "args": []})).await;
    assert_eq!(told, 0);
    assert_eq!(stage.cluster.redis[0].command(&[b"PUBSUB", b"NUMPAT"]), ":0\r\n");
    let requests = stage.cluster.redis[0].command(&[b"PUBSUB", b"CHANNELS", b"socket.io*"]);
    assert_eq!(requests, "*0\r\n");
}
