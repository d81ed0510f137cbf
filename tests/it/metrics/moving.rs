//! Every metric of the list moves when what it counts happens: the table below says in which test, and the test does not
//! end before it has seen it. A metric that nothing here moves fails [`each_metric_of_the_list_is_moved`].

use std::collections::BTreeSet;
use std::time::Duration;

use carillon_tests::clinic::note;
use carillon_tests::light::Light;
use carillon_tests::users::{ann, eve};
use carillon_tests::{Clinic, Cluster, Connect, Http, Meeting, NodeSettings, Postgres};
use rustix::process::Signal;
use serde_json::json;

use super::list::{Moved, Watch, list};
use super::{becomes, exceeds, sample};
use crate::emitter::BackEnd;

macro_rules! moving {
    ($($test:ident: $names:expr;)*) => {
        /// What each test here moves.
        const MOVED: &[&[&str]] = &[$(&$names),*];

        mod seen {
            $(#[tokio::test]
            async fn $test() {
                let _: super::Moved = super::$test(super::Watch::over(&$names)).await;
            })*
        }
    };
}

moving! {
    a_connection: [
        "carillon_connections", "carillon_connects_total", "carillon_handshakes_total", "carillon_mailbox_seconds",
        "carillon_presence_users", "carillon_sessions", "carillon_sessions_closed_total", "carillon_sockets",
        "carillon_tasks",
    ];
    a_publish: [
        "carillon_append_rows", "carillon_delivery_seconds", "carillon_http_requests_total", "carillon_http_seconds",
        "carillon_log_position", "carillon_log_seconds", "carillon_rate_limited_total", "carillon_rows_followed_total",
    ];
    one_who_comes_back: ["carillon_recoveries_total"];
    one_who_does_not_read: ["carillon_lagging", "carillon_mailbox_bytes", "carillon_mailboxes_filled_total"];
    a_schedule: ["carillon_broadcasts_due_total", "carillon_broadcast_lateness_seconds"];
    a_store_that_fails: ["carillon_holes_read_total", "carillon_log_faults_total", "carillon_reached_lost_total"];
    a_drain: ["carillon_draining"];
    other_nodes: ["carillon_fanout_sent_total", "carillon_fanout_received_total", "carillon_fanout_ignored_total"];
    a_lost_redis: ["carillon_redis_up", "carillon_fanout_dropped_total"];
    a_back_end: ["carillon_emitter_taken_total", "carillon_emitter_ignored_total", "carillon_emitter_missed_total"];
    a_back_end_lost: ["carillon_emitter_up", "carillon_emitter_intake"];
}

/// Those that say what is so, and stay.
const STILL: [&str; 2] = ["carillon_build_info", "carillon_sessions_max"];

/// Those that a test elsewhere moves: of another build, or by what takes 100,000 users.
const ELSEWHERE: [(&str, &str); 2] = [
    ("carillon_allocated_bytes", include_str!("../soak/mod.rs")),
    ("carillon_last_seen_lost_total", include_str!("../../../crates/gateway/src/attendance/tests.rs")),
];

#[test]
fn each_metric_of_the_list_is_moved() {
    for (name, test) in ELSEWHERE {
        assert!(test.contains(name), "{name}");
    }
    let elsewhere = ELSEWHERE.map(|(name, _)| name);
    let moved = MOVED.iter().copied().flatten().chain(&STILL).chain(&elsewhere);
    let moved: BTreeSet<_> = moved.map(|name| (*name).to_owned()).collect();
    assert_eq!(moved, list().into_keys().collect());
}

#[tokio::test]
async fn those_that_stay_say_what_is_so() {
    let clinic = Clinic::open_with(NodeSettings::default().set("MAX_CONNECTIONS", 7)).await;
    assert_eq!(sample(&clinic.http, "carillon_sessions_max").await, 7.0);
    let told = clinic.http.get("/metrics").send().await.text;
    let version = env!("CARGO_PKG_VERSION");
    assert!(told.contains(&format!("carillon_build_info{{version=\"{version}\",commit=\"")), "{told}");
}

async fn a_connection(mut watch: Watch) -> Moved {
    let clinic = Clinic::open().await;
    watch.begin(&clinic.http).await;
    let _online = clinic.client(Connect::by(&ann()).over(&["polling"])).await;
    becomes(&clinic.http, "carillon_connections{transport=\"polling\",role=\"patient\"}", 1.0).await;
    let mut upgrading = clinic.client(Connect::by(&eve())).await;
    upgrading.connected().await;
    upgrading.upgraded().await;
    becomes(&clinic.http, "carillon_connections{transport=\"websocket\",role=\"admin\"}", 1.0).await;
    becomes(&clinic.http, "carillon_connections{transport=\"polling\",role=\"admin\"}", 0.0).await;
    let mut broken = Light::connect(clinic.node.address(), &ann().token(), None).await.unwrap();
    broken.send("4x").await.unwrap();
    watch.moved().await
}

async fn a_publish(mut watch: Watch) -> Moved {
    let settings = NodeSettings::default().set("PUBLISH_RATE", 1).set("PUBLISH_BURST", 1);
    let clinic = Clinic::open_with(settings).await;
    watch.begin(&clinic.http).await;
    while clinic.http.post("/api/v1/notifications", &note(&["all"], "x")).with_key().send().await.status
        != 429
    {}
    watch.moved().await
}

async fn one_who_comes_back(mut watch: Watch) -> Moved {
    let clinic = Clinic::open().await;
    let mut online = clinic.online(&ann()).await;
    watch.begin(&clinic.http).await;
    online.cut().await;
    online.comes_back().await;
    watch.moved().await
}

async fn one_who_does_not_read(mut watch: Watch) -> Moved {
    let settings = NodeSettings::default().set("MAILBOX_BYTES", 65_536).set("PUBLISH_BURST", 10_000);
    let clinic = Clinic::open_with(settings).await;
    watch.begin(&clinic.http).await;
    let mut slow = Light::connect(clinic.node.address(), &ann().token(), Some(8192)).await.unwrap();
    assert_eq!(slow.event().await.unwrap().0, "inbox:state");
    clinic.publish_many(&ann().room(), 1_000, 16_000).await;
    let http = clinic.http.clone();
    let moved = watch.moved().await;
    // It reads all of it, and nothing waits for it any more.
    for _ in 0..1_000 {
        slow.event().await.unwrap();
    }
    becomes(&http, "carillon_lagging", 0.0).await;
    becomes(&http, "carillon_mailbox_bytes", 0.0).await;
    moved
}

async fn a_schedule(mut watch: Watch) -> Moved {
    let clinic = Clinic::open().await;
    watch.begin(&clinic.http).await;
    let at = (jiff::Timestamp::now() + Duration::from_secs(1)).to_string();
    let body = json!({"kind": "announcement", "title": "t", "message": "m", "publishAt": at});
    clinic.http.post("/api/v1/broadcasts", &body).by(&eve()).send().await.expect(201);
    watch.moved().await
}

/// Two nodes that share nothing but the store: what the other one appends, this one reads.
async fn a_store_that_fails(mut watch: Watch) -> Moved {
    let database = Postgres::create().await;
    let settings = NodeSettings::default().set("DATABASE_URL", database.url());
    let clinic = Clinic::open_with(settings.clone()).await;
    let other = Clinic::open_with(settings).await;
    watch.begin(&clinic.http).await;
    let mut online = clinic.online(&ann()).await;
    let operator = database.connect().await;
    operator.batch_execute("ALTER TABLE carillon.reached RENAME TO gone").await.unwrap();
    other.tell(&ann(), "one").await;
    assert_eq!(online.notification().await["title"], "one");
    exceeds(&clinic.http, "carillon_reached_lost_total", 0.0).await;
    operator.batch_execute("ALTER TABLE carillon.log_head RENAME TO gone_too").await.unwrap();
    watch.moved().await
}

async fn a_drain(mut watch: Watch) -> Moved {
    let clinic = Clinic::open_with(NodeSettings::default().set("DRAIN_SECONDS", 600)).await;
    let _online = clinic.online(&ann()).await;
    watch.begin(&clinic.http).await;
    clinic.node.signal(Signal::TERM);
    watch.moved().await
}

/// Two nodes, and requests to each.
async fn two(settings: NodeSettings) -> (Cluster, [Http; 2], Postgres) {
    let database = Postgres::create().await;
    let settings = settings.set("DATABASE_URL", database.url());
    let cluster = Cluster::open(&settings, 2, Meeting::Server).await;
    let https = [0, 1].map(|node| Http::new(cluster[node].url()));
    (cluster, https, database)
}

async fn publish(http: &Http) {
    http.post("/api/v1/notifications", &note(&["all"], "x")).with_key().send().await.expect(201);
}

async fn other_nodes(mut watch: Watch) -> Moved {
    let (cluster, [here, there], _database) = two(NodeSettings::default()).await;
    watch.begin(&here).await;
    publish(&here).await;
    publish(&there).await;
    let redis = &cluster.redis[0];
    let channels = redis.command(&[b"PUBSUB", b"CHANNELS"]);
    let channel = channels.lines().find(|line| line.starts_with("carillon:")).unwrap();
    redis.command(&[b"PUBLISH", channel.as_bytes(), b"garbage"]);
    watch.moved().await
}

async fn a_lost_redis(mut watch: Watch) -> Moved {
    let (cluster, [here, _], _database) = two(NodeSettings::default()).await;
    becomes(&here, "carillon_redis_up", 1.0).await;
    watch.begin(&here).await;
    cluster.to_redis[0].refuse().await;
    cluster.to_redis[0].end_links(carillon_tests::faultproxy::End::Reset);
    becomes(&here, "carillon_redis_up", 0.0).await;
    publish(&here).await;
    watch.moved().await
}

fn stored() -> NodeSettings {
    NodeSettings::default().set("REDIS_EMITTER", "stored").set("MAILBOX_BYTES", 65_536)
}

async fn a_back_end(mut watch: Watch) -> Moved {
    let (cluster, [here, _], _database) = two(stored()).await;
    becomes(&here, "carillon_emitter_up", 1.0).await;
    let mut online = Light::connect(cluster[0].address(), &ann().token(), None).await.unwrap();
    assert_eq!(online.event().await.unwrap().0, "inbox:state");
    watch.begin(&here).await;
    let mut back_end = BackEnd::start(&cluster.redis[0].url());
    back_end.emit(&[], "news", json!([])).await;
    back_end.emit(&[], "inbox:state", json!([{}])).await;
    // More than its mailbox holds.
    back_end.emit(&["user:ann"], "large", json!(["x".repeat(100_000)])).await;
    watch.moved().await
}

/// The one that takes in goes down, and so does Redis.
async fn a_back_end_lost(mut watch: Watch) -> Moved {
    let (mut cluster, https, _database) = two(stored()).await;
    for http in &https {
        becomes(http, "carillon_emitter_up", 1.0).await;
    }
    let holder = loop {
        let [first, second] = [&https[0], &https[1]].map(|http| sample(http, "carillon_emitter_intake"));
        if first.await > 0.0 {
            break 0;
        }
        if second.await > 0.0 {
            break 1;
        }
    };
    let other = &https[1 - holder];
    watch.begin(other).await;
    cluster[holder].terminate().await;
    becomes(other, "carillon_emitter_intake", 1.0).await;
    let way = &cluster.to_redis[1 - holder];
    way.refuse().await;
    way.end_links(carillon_tests::faultproxy::End::Reset);
    becomes(other, "carillon_emitter_up", 0.0).await;
    watch.moved().await
}
