//! The stage of a fault test: nodes over one store, a proxy before them, clients that keep a journal, a producer.

use std::sync::Arc;

use carillon_tests::checker::{self, Case, Lineage, LogRow, Losses, Member, Verdict, check};
use carillon_tests::faultproxy::FaultProxy;
use carillon_tests::fleet::{Fleet, LightFleet, WAYS};
use carillon_tests::journal::{Journal, Standing, now};
use carillon_tests::producer::{self, Plan, Producer};
use carillon_tests::store::Store;
use carillon_tests::{Cluster, Meeting, Nginx, NodeSettings, PATIENCE, Postgres, User};

use super::{Scale, or};

/// Every how many publishes go to everyone.
const SHARED_EVERY: u64 = 50;

/// Which store is under test.
#[derive(Debug)]
pub(super) enum On {
    /// A file in the node's directory.
    Sqlite,
    /// A database of its own in the run's server.
    Postgres(Postgres),
    /// The database at this URL.
    Url(String),
}

impl On {
    pub(super) async fn postgres() -> Self {
        Self::Postgres(Postgres::create().await)
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite => "sqlite://carillon.db".to_owned(),
            Self::Postgres(database) => database.url(),
            Self::Url(url) => url.clone(),
        }
    }
}

/// What a stage is made of.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) on: On,
    pub(super) nodes: usize,
    pub(super) meeting: Meeting,
    pub(super) settings: NodeSettings,
    /// The nodes are official servers.
    is_socketio: bool,
    /// Clients go through the proxy, which leads to the first node.
    pub(super) through_proxy: bool,
    /// Clients and publishers go through the real nginx, which leads to every node.
    through_nginx: bool,
    /// Clients that lose their node go to another.
    pub(super) roaming: bool,
    /// All clients begin at the first node.
    pub(super) crowded: bool,
    /// What the kernel shall hold for a light client that does not read.
    pub(super) receive_buffer: Option<u32>,
    /// How official clients travel, in turn.
    pub(super) ways: &'static [&'static [&'static str]],
    pub(super) scale: Scale,
}

impl Setup {
    pub(super) fn new(on: On, scale: Scale) -> Self {
        let settings = NodeSettings::default().set("DATABASE_URL", on.url());
        Self {
            on,
            nodes: 1,
            meeting: Meeting::Nowhere,
            settings,
            is_socketio: false,
            through_proxy: false,
            through_nginx: false,
            roaming: false,
            crowded: false,
            receive_buffer: None,
            ways: &WAYS,
            scale,
        }
    }

    pub(super) fn nodes(self, nodes: usize) -> Self {
        Self { nodes, ..self }
    }

    /// Three nodes over one PostgreSQL that meet there, and clients who go to another when they lose theirs; or, as the
    /// environment says, all behind nginx, which sends them there.
    pub(super) async fn cluster(meeting: Meeting, scale: Scale) -> Self {
        let through_nginx = or("CHAOS_NGINX", false);
        Self { nodes: 3, meeting, through_nginx, roaming: true, ..Self::new(On::postgres().await, scale) }
    }

    /// Three official servers over one Redis, and clients as in [`Setup::cluster`].
    pub(super) fn socketio(scale: Scale) -> Self {
        let (settings, meeting) = (NodeSettings::socketio(), Meeting::Server);
        let setup = Self { settings, is_socketio: true, ..Self::new(On::Sqlite, scale) };
        Self { nodes: 3, meeting, roaming: true, ..setup }
    }

    pub(super) fn through_proxy(self) -> Self {
        Self { through_proxy: true, ..self }
    }

    pub(super) fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.settings = self.settings.set(name, value);
        self
    }
}

pub(super) struct Stage {
    pub(super) nodes: Cluster,
    pub(super) proxy: FaultProxy,
    nginx: Option<Nginx>,
    pub(super) journal: Arc<Journal>,
    pub(super) officials: Fleet,
    pub(super) lights: LightFleet,
    pub(super) clients: Vec<Lineage>,
    users: Vec<User>,
    plan: Plan,
    producer: Option<Producer>,
    /// Rows that the log had and has no more.
    pub(super) gone: Vec<LogRow>,
    setup: Setup,
}

impl Stage {
    /// Everything runs, and every client has been told of its inbox.
    pub(super) async fn open(setup: Setup) -> Self {
        let nodes = Cluster::open(&setup.settings, setup.nodes, setup.meeting).await;
        let proxy = FaultProxy::start(nodes[0].address()).await;
        let nginx = if setup.through_nginx { Some(nginx(&nodes).await) } else { None };
        let journal = Arc::new(Journal::default());
        let urls = nginx.as_ref().map_or_else(|| nodes.urls(), |nginx| vec![nginx.url()]);
        // Whoever comes later must not be shown it.
        producer::publish(&journal, &urls, "all", "before").await;
        let officials = if setup.is_socketio { Fleet::start_for_socketio } else { Fleet::start }(&journal);
        let mut lights = LightFleet::default();
        lights.receive_buffer = setup.receive_buffer;
        let mut stage = Self {
            nodes,
            proxy,
            nginx,
            journal,
            officials,
            lights,
            clients: Vec::new(),
            users: Vec::new(),
            plan: Plan::default(),
            producer: None,
            gone: Vec::new(),
            setup,
        };
        let mut rooms = Vec::new();
        for number in 0..stage.setup.scale.clients {
            let user = User::new(format!("u{number}"), "PATIENT");
            stage.joins(&user, stage.setup.ways[number % stage.setup.ways.len()]).await;
            rooms.push(user.room());
        }
        for number in 0..stage.setup.scale.lights {
            let user = User::new(format!("l{number}"), "PATIENT");
            stage.joins_lightly(&user);
            rooms.push(user.room());
            // Thousands at once would be a test of its own.
            if number % 200 == 199 {
                stage.all(|client| client.online).await;
            }
        }
        stage.all(|client| client.online).await;
        let shared: Vec<String> = vec!["all".into(), "role:patient".into()];
        let rooms = if rooms.is_empty() { shared.clone() } else { rooms };
        let rate = stage.setup.scale.rate;
        stage.plan = Plan { first: 0, rate, urls, rooms, shared_every: SHARED_EVERY, shared };
        stage.publish();
        stage
    }

    /// Begins to publish, or goes on with it.
    pub(super) fn publish(&mut self) {
        self.producer = Some(Producer::start(&self.journal, self.plan.clone()));
    }

    /// Publishes no more; all that was published is acknowledged.
    pub(super) async fn pause(&mut self) {
        if let Some(producer) = self.producer.take() {
            self.plan.first = producer.finish().await;
        }
    }

    /// Publishes through these nodes alone from now on.
    pub(super) async fn publish_through(
        &mut self,
        nodes: impl std::slice::SliceIndex<[String], Output = [String]>,
    ) {
        self.pause().await;
        self.plan.urls = self.nodes.urls()[nodes].to_vec();
        self.publish();
    }

    /// Publishes everything to everyone from now on.
    pub(super) async fn publish_to_all(&mut self) {
        self.pause().await;
        self.plan.rooms = vec!["all".into()];
        self.publish();
    }

    /// What the store has now, seen from here.
    pub(super) async fn store(&self) -> Store {
        let node = self.nodes[0].database_url();
        let url = if matches!(self.setup.on, On::Sqlite) { node } else { self.setup.on.url() };
        Store::open(&url).await.unwrap()
    }

    /// Another official client: its number.
    pub(super) async fn joins(&mut self, user: &User, transports: &[&str]) -> u64 {
        let client = self.officials.open_among(&self.ways_in(), user, transports).await;
        self.clients.push(Lineage { client, ..Lineage::default() });
        self.users.push(user.clone());
        client
    }

    /// Another light client: its number.
    pub(super) fn joins_lightly(&mut self, user: &User) -> u64 {
        let (client, _) = self.lights.open(&self.journal, &self.ways_in(), user);
        self.clients.push(Lineage { client, ..Lineage::default() });
        self.users.push(user.clone());
        client
    }

    /// Where the next client goes: each node in turn, or the proxy; and where it may go from there.
    fn ways_in(&self) -> Vec<String> {
        if self.setup.through_proxy {
            return vec![self.proxy.url()];
        }
        if let Some(nginx) = &self.nginx {
            return vec![nginx.url()];
        }
        let mut urls = self.nodes.urls();
        let turn = if self.setup.crowded { 0 } else { self.clients.len() % urls.len() };
        urls.rotate_left(turn);
        urls.truncate(if self.setup.roaming { urls.len() } else { 1 });
        urls
    }

    /// Waits until all clients stand so.
    ///
    /// # Panics
    /// When some do not within [`PATIENCE`].
    #[track_caller]
    pub(super) fn all(&self, stand: impl Fn(&Standing) -> bool) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        let everyone: Vec<u64> = self.clients.iter().map(|client| client.client).collect();
        async move {
            let left = self.journal.until(everyone, PATIENCE, stand).await;
            let tails: Vec<_> =
                left.iter().take(3).map(|client| (client, self.journal.tail(*client))).collect();
            assert!(
                left.is_empty(),
                "{at}: {} clients do not come so far: {} now, {tails:#?}",
                left.len(),
                now()
            );
        }
    }

    /// The database of its own in the run's server.
    pub(super) fn database(&self) -> &Postgres {
        match &self.setup.on {
            On::Postgres(database) => database,
            other => panic!("{other:?} is no such database"),
        }
    }

    /// How large it is.
    pub(super) fn scale(&self) -> Scale {
        self.setup.scale
    }

    /// Publishes for so long.
    pub(super) async fn publishes_for(&self, millis: u64) {
        let producer = self.producer.as_ref().unwrap();
        producer.begins(self.setup.scale.publishes_in(millis)).await;
    }

    /// Everything is published, acknowledged and delivered, or will never be.
    async fn settle(&mut self) {
        self.pause().await;
        let fence = producer::publish(&self.journal, &self.nodes.urls(), "all", "fence").await;
        let everyone = self.clients.iter().map(|client| client.client);
        // Whoever has not heard it is found out by the checker.
        drop(self.journal.until(everyone, PATIENCE, |standing| standing.last == fence).await);
    }

    /// What was lost and when, as the journals alone tell. `fault` is when it began and was over.
    pub(super) async fn losses(&mut self, fault: (u64, u64)) -> Losses {
        self.settle().await;
        let rooms = |user: &User| vec!["all".to_owned(), "role:patient".to_owned(), user.room()];
        let members = self.clients.iter().zip(&self.users).map(|(one, user)| (one.client, rooms(user)));
        checker::losses(&self.journal.entries(), &members.collect::<Vec<Member>>(), fault)
    }

    /// What became of it, held against the log. `fault` is when it began and was over.
    pub(super) async fn finish(mut self, name: &str, fault: (u64, u64), links_may_break: bool) -> Verdict {
        self.settle().await;
        let store = self.store().await;
        let mut log = self.gone;
        log.extend(store.rows().await.unwrap());
        for (client, user) in self.clients.iter_mut().zip(&self.users) {
            client.rooms = store.entitled(user).await.unwrap();
            assert!(client.rooms.iter().all(|(room, since)| room.contains(&user.id) || since.get() > 0));
        }
        let entries = self.journal.entries();
        if let Some(path) = std::env::var_os("CHAOS_JOURNAL") {
            let lines: Vec<String> = entries.iter().map(|entry| format!("{entry:?}\n")).collect();
            std::fs::write(path, lines.concat()).unwrap();
        }
        let verdict = check(&Case { log, clients: self.clients, entries, fault, links_may_break });
        println!("{name}: {}", verdict.figures);
        verdict
    }
}

async fn nginx(nodes: &Cluster) -> Nginx {
    let ids: Vec<String> = (0..nodes.len()).map(|number| format!("n{number}")).collect();
    let named = ids.iter().enumerate().map(|(number, id)| (id.as_str(), nodes[number].address()));
    Nginx::before(&named.collect::<Vec<_>>()).await
}

/// A fault that lasts from the first to the second moment.
pub(super) async fn during(fault: impl Future<Output = ()>) -> (u64, u64) {
    let from = now();
    fault.await;
    (from, now())
}
