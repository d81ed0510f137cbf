//! Three nodes over one PostgreSQL and one Redis: what happens on one is known on all.

use std::time::{Duration, Instant};

use carillon_tests::users::{ann, ben, chen, diaz, eve};
use carillon_tests::{Clinic, NodeSettings, PATIENCE, Postgres, RedisServer};
use serde_json::{Value, json};
use tokio::time::sleep;

struct Nodes {
    clinics: Vec<Clinic>,
    redis: RedisServer,
    _postgres: Postgres,
}

impl Nodes {
    async fn open() -> Self {
        let (postgres, redis) = (Postgres::create().await, RedisServer::start());
        let mut clinics = Vec::new();
        for n in 1..=3 {
            let settings = NodeSettings::default()
                .set("DATABASE_URL", postgres.url())
                .set("REDIS_URL", redis.url())
                .set("NODE_ID", format!("n{n}"))
                .set("PRESENCE_GRACE_MS", 1_000);
            clinics.push(Clinic::open_with(settings).await);
        }
        let nodes = Self { clinics, redis, _postgres: postgres };
        for n in 0..3 {
            nodes.until_ready(n, "ready").await;
        }
        nodes
    }

    async fn until_ready(&self, n: usize, status: &str) {
        let begun = Instant::now();
        while self.clinics[n].http.get("/readyz").send().await.expect(200)["status"] != status {
            assert!(begun.elapsed() < PATIENCE, "node {n} never became {status}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until each of these nodes counts so.
    async fn until_counted(&self, nodes: &[usize], expected: &Value) {
        let begun = Instant::now();
        for n in nodes {
            loop {
                let call = self.clinics[*n].http.get("/api/v1/presence/counts").by(&eve());
                let counts = call.send().await.expect(200);
                if counts == *expected {
                    break;
                }
                assert!(begun.elapsed() < PATIENCE, "node {n} counts {counts}, not {expected}");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn counts(admin: u32, doctor: u32, patient: u32, connections: u32) -> Value {
    json!({"admin": admin, "doctor": doctor, "patient": patient, "connections": connections})
}

#[tokio::test]
async fn what_happens_on_one_node_is_known_on_all_whatever_dies() {
    let mut nodes = Nodes::open().await;
    let mut admin = nodes.clinics[0].online(&eve()).await;
    let mut watcher = nodes.clinics[1].online(&ann()).await;
    watcher.ask("presence:watch", json!({"doctorIds": ["doc-7"]})).await;
    let _doctor = nodes.clinics[2].online(&diaz()).await;
    let second_tab = nodes.clinics[0].online(&ann()).await;
    assert_eq!(watcher.hears("presence:doctor").await[0]["online"], true);
    nodes.until_counted(&[0, 1, 2], &counts(1, 1, 1, 4)).await;
    let users = nodes.clinics[1].http.get("/api/v1/presence/users").by(&eve()).send().await.expect(200);
    let users: Vec<_> =
        users["users"].as_array().unwrap().iter().map(|user| user["userId"].clone()).collect();
    assert_eq!(json!(users), json!(["ann", "diaz", "eve"]));

    // A node is killed: its users are gone, those who were elsewhere as well are not.
    nodes.clinics[2].node.kill9().await;
    nodes.until_counted(&[0, 1], &counts(1, 0, 1, 3)).await;
    let gone = admin.hears("user:offline").await.remove(0);
    assert_eq!((&gone["userId"], &gone["reason"]), (&json!("diaz"), &json!("node lost")));
    assert_eq!(watcher.hears("presence:doctor").await[0]["online"], false);
    let path = "/api/v1/presence/doctors?ids=diaz";
    let seen = nodes.clinics[0].http.get(path).by(&ann()).send().await.expect(200);
    assert!(seen["doctors"][0]["lastSeen"].is_string(), "{seen}");

    // Redis dies and comes back empty: nobody has left. The killed node's client comes back with it.
    nodes.redis.kill9();
    nodes.until_ready(0, "degraded").await;
    let patient = nodes.clinics[1].online(&ben()).await;
    nodes.redis.restart();
    nodes.clinics[2].node.restart().await;
    let doctor = nodes.clinics[2].online(&chen()).await;
    nodes.until_counted(&[0, 1, 2], &counts(1, 2, 2, 6)).await;
    drop((patient, doctor, second_tab));
}

#[tokio::test]
async fn without_redis_the_nodes_serve_and_hear_of_the_log() {
    let mut nodes = Nodes::open().await;
    let mut far = nodes.clinics[1].online(&ann()).await;
    nodes.clinics[0].tell(&ann(), "with Redis").await;
    assert_eq!(far.notification().await["title"], "with Redis");
    nodes.redis.kill9();
    nodes.until_ready(1, "degraded").await;
    for n in 0..20 {
        nodes.clinics[0].tell(&ann(), &format!("without {n}")).await;
        assert_eq!(far.notification().await["title"], format!("without {n}"));
    }
    nodes.redis.restart();
    for n in 0..3 {
        nodes.until_ready(n, "ready").await;
    }
    nodes.clinics[0].tell(&ann(), "with Redis again").await;
    assert_eq!(far.notification().await["title"], "with Redis again");
}
