//! Users are blocked on three nodes while publishing to them goes on. Each connection of theirs, on whichever node, hears
//! all up to the word that they are blocked, nothing after it, and ends; every node refuses them, after a restart too, until
//! they are active; and nobody else notices. How long the last connection takes to end is printed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use carillon_tests::checker::{LogRow, share};
use carillon_tests::clinic::note;
use carillon_tests::light::Light;
use carillon_tests::store::Store;
use carillon_tests::users::eve;
use carillon_tests::{Cluster, Events, Http, Meeting, NodeSettings, PATIENCE, Postgres, User};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::or;

/// Sockets of each user on each node, beside one stream.
const SOCKETS: usize = 2;
/// The room that all of them share.
const SHARED: &str = "role:patient";
/// The last that is published.
const FENCE: &str = "fence";

/// One connection.
enum Line {
    Socket(Box<Light>),
    Stream(Events),
}

/// The notifications that a connection heard, in order, and when it ended or heard the fence.
struct Heard {
    ids: Vec<String>,
    at: Instant,
}

impl Line {
    /// The next notification; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let (name, told) = match self {
                Self::Socket(light) => {
                    let text = light.text().await.ok()?;
                    // What is no event is the disconnect, and the end is still to come.
                    let Some(event) = text.strip_prefix("42") else { continue };
                    let mut event: Vec<Value> = serde_json::from_str(event).unwrap();
                    (event[0].as_str().unwrap().to_owned(), event[1].take())
                }
                Self::Stream(events) => events.block().await.ok().map(|block| (block.name, block.data))?,
            };
            if name == "notification" {
                return Some(told);
            }
        }
    }

    async fn listen(mut self) -> Heard {
        let mut ids = Vec::new();
        while let Some(told) = self.next().await {
            ids.push(told["id"].as_str().unwrap().to_owned());
            if told["title"] == FENCE {
                break;
            }
        }
        Heard { ids, at: Instant::now() }
    }
}

/// A user, and all their connections.
struct Guest {
    user: User,
    lines: Vec<JoinHandle<Heard>>,
}

impl Guest {
    async fn comes(cluster: &Cluster, name: String) -> Self {
        let user = User::new(name, "PATIENT");
        let mut lines = Vec::new();
        for node in 0..cluster.len() {
            for _ in 0..SOCKETS {
                let mut light = Light::connect(cluster[node].address(), &user.token(), None).await.unwrap();
                assert_eq!(light.event().await.unwrap().0, "inbox:state");
                lines.push(tokio::spawn(Line::Socket(Box::new(light)).listen()));
            }
            let stream = Http::new(cluster[node].url()).get("/api/v1/stream").by(&user);
            let mut stream = stream.stream().await;
            stream.hears("inbox:state").await;
            lines.push(tokio::spawn(Line::Stream(stream).listen()));
        }
        Self { user, lines }
    }

    /// That each connection heard these rows of the log that are the user's, and no other; when the last one ended.
    async fn heard(&mut self, log: &[LogRow], through: &str) -> Instant {
        let end = log.iter().position(|row| row.id == through).unwrap();
        let room = self.user.room();
        let theirs = log[..=end].iter().filter(|row| row.room == room || row.room == SHARED);
        let theirs: Vec<&str> = theirs.map(|row| row.id.as_str()).collect();
        let mut last = None;
        for line in self.lines.drain(..) {
            let heard = timeout(PATIENCE, line).await;
            let heard = heard.unwrap_or_else(|_| panic!("{} is still served", self.user.id)).unwrap();
            assert_eq!(
                heard.ids, theirs,
                "{}: all of it, once, in order, and nothing after it",
                self.user.id
            );
            last = last.max(Some(heard.at));
        }
        last.unwrap()
    }

    async fn is_refused(&self, cluster: &Cluster) {
        for node in 0..cluster.len() {
            let refused = Light::connect(cluster[node].address(), &self.user.token(), None).await;
            let refused = refused.err().map(|why| why.to_string()).unwrap_or_default();
            assert!(refused.contains("user_blocked"), "node {node}, {}: {refused:?}", self.user.id);
            for path in ["/api/v1/notifications", "/api/v1/stream", "/api/v1/notifications/unread-count"] {
                let answer = Http::new(cluster[node].url()).get(path).by(&self.user).send().await;
                answer.expect_problem(403, "user_blocked", "");
            }
        }
    }

    /// Every node lets them in, soon.
    async fn is_let_in(&self, cluster: &Cluster) {
        for node in 0..cluster.len() {
            let begun = Instant::now();
            while Light::connect(cluster[node].address(), &self.user.token(), None).await.is_err() {
                assert!(begun.elapsed() < PATIENCE, "{} is never let in again", self.user.id);
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// The id of the notification by which a user is told.
async fn set_status(http: &Http, user: &User, status: &str) -> String {
    let body = json!({"event": "user:status_changed", "data": {"userId": user.id, "status": status}});
    let answer = http.post("/api/v1/events", &body).by(&eve()).send().await.expect(201);
    answer["notifications"][0]["id"].as_str().unwrap().to_owned()
}

/// What is published meanwhile, by every node.
struct Load {
    is_over: Arc<AtomicBool>,
    publishers: Vec<JoinHandle<u64>>,
}

impl Load {
    /// Publishes to everyone's own room and to the shared one in turn, so often a second.
    fn start(nodes: &[Http], guests: &[&Guest], rate: usize) -> Self {
        let rooms = guests.iter().map(|guest| guest.user.room());
        let rooms: Arc<[String]> = rooms.chain([SHARED.to_owned()]).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let pause =
            Duration::from_secs(1) * u32::try_from(nodes.len()).unwrap() / u32::try_from(rate).unwrap();
        let publisher = |http: &Http| {
            tokio::spawn(publish(http.clone(), Arc::clone(&rooms), pause, Arc::clone(&is_over)))
        };
        Self { publishers: nodes.iter().map(publisher).collect(), is_over }
    }

    /// How many were published.
    async fn finish(self) -> u64 {
        self.is_over.store(true, SeqCst);
        let mut published = 0;
        for publisher in self.publishers {
            published += publisher.await.unwrap();
        }
        published
    }
}

async fn publish(http: Http, rooms: Arc<[String]>, pause: Duration, is_over: Arc<AtomicBool>) -> u64 {
    let (mut pace, mut published) = (tokio::time::interval(pause), 0);
    for room in rooms.iter().cycle().take_while(|_| !is_over.load(SeqCst)) {
        pace.tick().await;
        http.post("/api/v1/notifications", &note(&[room], "news")).with_key().send().await.expect(201);
        published += 1;
    }
    published
}

async fn guests(cluster: &Cluster, name: &str, number: usize) -> Vec<Guest> {
    let mut guests = Vec::new();
    for n in 0..number {
        guests.push(Guest::comes(cluster, format!("{name}{n}")).await);
    }
    guests
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_under_load_on_three_nodes() {
    let (users, rate) = (or("CHAOS_USERS", 6), or("CHAOS_RATE", 60));
    let database = Postgres::create().await;
    let settings = NodeSettings::default().set("DATABASE_URL", database.url());
    let mut cluster = Cluster::open(&settings, 3, Meeting::Server).await;
    let nodes: Vec<Http> = cluster.urls().iter().map(|url| Http::new(url)).collect();
    let mut blocked = guests(&cluster, "b", users).await;
    let mut others = guests(&cluster, "o", users.div_ceil(3)).await;
    let load = Load::start(&nodes, &blocked.iter().chain(&others).collect::<Vec<_>>(), rate);
    let mut answers = Vec::new();
    for (guest, http) in blocked.iter().zip(nodes.iter().cycle()) {
        // So that something has come, and everything is under way.
        sleep(Duration::from_millis(200)).await;
        answers.push((set_status(http, &guest.user, "BLOCKED").await, Instant::now()));
    }
    sleep(Duration::from_millis(500)).await;
    let published = load.finish().await;
    let fence = nodes[0].post("/api/v1/notifications", &note(&[SHARED], FENCE)).with_key().send().await;
    let fence = fence.expect(201)["notifications"][0]["id"].as_str().unwrap().to_owned();

    let log = Store::open(&database.url()).await.unwrap().rows().await.unwrap();
    let mut took = Vec::new();
    for (guest, (told, answered)) in blocked.iter_mut().zip(&answers) {
        let ended = guest.heard(&log, told).await;
        took.push(u64::try_from(ended.saturating_duration_since(*answered).as_millis()).unwrap());
        guest.is_refused(&cluster).await;
    }
    for guest in &mut others {
        guest.heard(&log, &fence).await;
    }
    took.sort_unstable();
    let [p50, p99, max] = [500, 990, 1_000].map(|permille| share(&took, permille));
    let lines = 3 * (SOCKETS + 1);
    println!("block: {users} users with {lines} connections each, {published} published meanwhile");
    println!("block: from the answer to the end of the last connection p50 {p50} / p99 {p99} / max {max} ms");

    for node in 0..cluster.len() {
        cluster[node].kill9().await;
        cluster[node].restart().await;
    }
    for guest in &blocked {
        guest.is_refused(&cluster).await;
    }
    set_status(&nodes[0], &blocked[0].user, "ACTIVE").await;
    blocked[0].is_let_in(&cluster).await;
    blocked[1].is_refused(&cluster).await;
}
