//! I9: users with one to four tabs come, go and change pages while nodes and Redis are killed. Every node counts as a
//! simple model does, and an admin hears of everyone who left, each once, and of nobody who only changed the page or lost
//! their node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carillon_tests::fleet::LightFleet;
use carillon_tests::journal::Journal;
use carillon_tests::light::Light;
use carillon_tests::users::eve;
use carillon_tests::{Cluster, Dice, Meeting, NodeSettings, PATIENCE, Postgres, User};
use serde_json::json;
use tokio::task::{AbortHandle, block_in_place};
use tokio::time::{Instant, sleep};

use super::Scale;

/// What happens in a round, besides those who come and go.
const FAULTS: [&[Fault]; 4] =
    [&[], &[Fault::NodeKilled], &[Fault::RedisKilled], &[Fault::NodeKilled, Fault::RedisKilled]];

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    NodeKilled,
    RedisKilled,
}

/// Who is here, and how many tabs each has open.
struct Model {
    cluster: Cluster,
    lights: LightFleet,
    journal: Arc<Journal>,
    dice: Dice,
    tabs: BTreeMap<String, Vec<AbortHandle>>,
    arrived: usize,
    /// Who was here when last everyone knew it: who leaves before is never heard of.
    known: Vec<String>,
    left: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "longer than a test run: `just chaos i9`"]
async fn i9() {
    let scale = Scale::usually(100, 0, 0, 8);
    let database = Postgres::create().await;
    let settings = NodeSettings::default().set("DATABASE_URL", database.url());
    let cluster = Cluster::open(&settings, 3, Meeting::Server).await;
    let gone = Arc::new(Mutex::new(Vec::new()));
    // The first node is never killed.
    let admin = Light::connect(cluster[0].address(), &eve().token(), None).await.unwrap();
    tokio::spawn(hear_who_leaves(admin, Arc::clone(&gone)));
    let mut model = Model {
        cluster,
        lights: LightFleet::default(),
        journal: Arc::default(),
        dice: Dice::new(9),
        tabs: BTreeMap::new(),
        arrived: 0,
        known: Vec::new(),
        left: Vec::new(),
    };
    model.arrive(scale.clients);
    model.settles("everyone came", &gone).await;
    for round in 0..scale.seconds {
        let faults = FAULTS[usize::try_from(round).unwrap() % FAULTS.len()];
        model.come_and_go(scale.clients / 10);
        model.befall(faults).await;
        model.settles(&format!("round {round}, {faults:?}"), &gone).await;
    }
}

async fn hear_who_leaves(mut admin: Light, gone: Arc<Mutex<Vec<String>>>) {
    while let Ok((name, args)) = admin.event().await {
        if name == "user:offline" {
            gone.lock().unwrap().push(args[0]["userId"].as_str().unwrap().to_owned());
        }
    }
}

impl Model {
    fn arrive(&mut self, users: usize) {
        for _ in 0..users {
            let user = User::new(format!("v{:05}", self.arrived), "PATIENT");
            self.arrived += 1;
            let tabs = (0..=self.dice.below(4)).map(|_| self.open(&user)).collect();
            self.tabs.insert(user.id, tabs);
        }
    }

    fn open(&mut self, user: &User) -> AbortHandle {
        let mut urls = self.cluster.urls();
        let turn = self.dice.below(urls.len());
        urls.rotate_left(turn);
        self.lights.open(&self.journal, &urls, user).1
    }

    /// So many come, leave, and change the page.
    fn come_and_go(&mut self, users: usize) {
        for _ in 0..users {
            let leaves = self.known.swap_remove(self.dice.below(self.known.len()));
            for tab in self.tabs.remove(&leaves).unwrap() {
                tab.abort();
            }
            self.left.push(leaves);
            let stays = self.dice.below(self.known.len());
            let page = User::new(self.known[stays].clone(), "PATIENT");
            if let Some(tab) = self.tabs.get_mut(&page.id).and_then(Vec::pop) {
                tab.abort();
                let tab = self.open(&page);
                self.tabs.entry(page.id).or_default().push(tab);
            }
        }
        self.arrive(users);
    }

    async fn befall(&mut self, faults: &[Fault]) {
        let node = 1 + self.dice.below(2);
        if faults.contains(&Fault::RedisKilled) {
            block_in_place(|| self.cluster.redis[0].kill9());
        }
        if faults.contains(&Fault::NodeKilled) {
            self.cluster[node].kill9().await;
        }
        self.come_and_go(1);
        sleep(Duration::from_secs(1)).await;
        if faults.contains(&Fault::RedisKilled) {
            block_in_place(|| self.cluster.redis[0].restart());
        }
        if faults.contains(&Fault::NodeKilled) {
            self.cluster[node].restart().await;
        }
    }

    /// Waits until every node counts as this model does, and the admin has heard of all who left and of nobody else.
    async fn settles(&mut self, what: &str, gone: &Mutex<Vec<String>>) {
        let connections: usize = self.tabs.values().map(Vec::len).sum();
        let counts =
            json!({"admin": 1, "doctor": 0, "patient": self.tabs.len(), "connections": connections + 1});
        let took = self.cluster.until_counted(&counts).await;
        println!(
            "I9: {what}: {} users, {connections} tabs, right after {} ms",
            self.tabs.len(),
            took.as_millis()
        );
        self.left.sort_unstable();
        let begun = Instant::now();
        loop {
            let mut heard = gone.lock().unwrap().clone();
            heard.sort_unstable();
            if heard == self.left {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: heard of {heard:?}, who left are {:?}", self.left);
            sleep(Duration::from_millis(20)).await;
        }
        self.known = self.tabs.keys().cloned().collect();
    }
}
