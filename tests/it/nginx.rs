//! Two nodes behind the real nginx, with the configuration of `deploy/nginx`.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use carillon_tests::clinic::note;
use carillon_tests::fleet::WAYS;
use carillon_tests::names::Names;
use carillon_tests::raw::{Raw, sid};
use carillon_tests::users::{ann, eve};
use carillon_tests::{Client, Clinic, Connect, Http, Life, Nginx, Node, NodeSettings, PATIENCE, Postgres};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

/// Node `a` is the clinic's, and everyone goes through nginx.
struct House {
    clinic: Clinic,
    b: Node,
    nginx: Nginx,
    _database: Postgres,
}

impl House {
    async fn open() -> Self {
        let database = Postgres::create().await;
        let settings = NodeSettings::default().set("DATABASE_URL", database.url());
        let clinic = Clinic::open_with(settings.clone().set("NODE_ID", "a")).await;
        let b = Node::start(settings.set("NODE_ID", "b")).await;
        let nginx = Nginx::start(clinic.node.address(), b.address()).await;
        Self { clinic: clinic.through(&nginx.url()), b, nginx, _database: database }
    }

    /// A client over these transports that has been told of its inbox.
    async fn online(&self, way: &[&str]) -> Client {
        let mut client = self.clinic.client(Connect::by(&ann()).over(way)).await;
        soon(client.connected()).await;
        client
    }
}

/// Within a time in which a client may try again and again, but not for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(2 * PATIENCE, what).await.unwrap()
}

/// Raw polling, from the open packet on.
async fn polls(nginx: &Nginx) -> String {
    let mut raw = Raw::connect(&nginx.address()).await;
    let opened = raw.ask("GET", "/socket.io/?EIO=4&transport=polling", "", "").await.unwrap();
    let sid = sid(&opened.body).unwrap();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let connect = format!("40{}", json!({"token": ann().token()}));
    assert_eq!(raw.ask("POST", &path, "", &connect).await.unwrap().body, "ok");
    let answer = raw.ask("GET", &path, "", "").await.unwrap();
    assert!(answer.body.starts_with("40{"), "{answer:?}");
    sid
}

#[tokio::test]
async fn everyone_converses_by_every_way_and_no_session_breaks() {
    let house = House::open().await;
    let mut clients = Vec::new();
    for way in WAYS.into_iter().cycle().take(12) {
        clients.push(house.online(way).await);
    }
    for number in 0..20 {
        house.clinic.tell(&ann(), &number.to_string()).await;
    }
    for client in &mut clients {
        for number in 0..20 {
            assert_eq!(client.notification().await["title"], number.to_string());
        }
        let answer = client.ask("notification:list", json!({"limit": 1})).await;
        assert_eq!(answer["ok"], true, "{answer}");
        client.leave().await;
        // The first that befell it.
        assert_eq!(client.disconnected().await, "io client disconnect");
    }
    for node in [&house.clinic.node, &house.b] {
        let figures = Http::new(node.url()).get("/metrics").send().await.text;
        let accepted = figures
            .lines()
            .find_map(|line| line.strip_prefix("carillon_connects_total{outcome=\"accepted\"} "));
        assert!((3..=9).contains(&accepted.unwrap().parse::<u32>().unwrap()), "{accepted:?} of 12");
    }
}

#[tokio::test]
async fn a_session_is_found_by_its_sid_and_a_wrong_one_nowhere() {
    let house = House::open().await;
    let mut sids = Vec::new();
    for _ in 0..10 {
        sids.push(polls(&house.nginx).await);
    }
    let nodes: BTreeSet<_> = sids.iter().filter_map(|sid| sid.split('.').next()).collect();
    assert_eq!(nodes, BTreeSet::from(["a", "b"]));
    let foreign = sids[0].replace("a.", "x.").replace("b.", "a.").replace("x.", "b.");
    for wrong in [foreign.as_str(), "a.", "c.AAAAAAAAAAAAAAAAAAAA", "nonsense"] {
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={wrong}");
        let answer = house.clinic.http.get(&path).send().await;
        assert_eq!(answer.expect(400)["code"], 1, "{wrong}");
    }
    // A sid is a secret, and a log is read by many.
    let log = house.nginx.access_log();
    assert!(log.contains("\"POST /socket.io/\" 200"), "{log}");
    assert!(!sids.iter().any(|sid| log.contains(sid.as_str())), "{log}");
}

/// Pods are found by their names, and there is no pod of every name.
#[tokio::test]
async fn in_kubernetes_a_session_is_found_by_its_pods_name() {
    let database = Postgres::create().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (mut nodes, mut names) = (Vec::new(), Vec::new());
    for (number, address) in [(0, [127, 0, 0, 11]), (1, [127, 0, 0, 12])] {
        let (id, address) = (format!("carillon-{number}"), Ipv4Addr::from(address));
        let settings =
            NodeSettings::default().set("DATABASE_URL", database.url()).set("SOCKET_HOST", address);
        nodes.push(Node::start(settings.set("SOCKET_PORT", free).set("NODE_ID", &id)).await);
        names.push((format!("{id}.carillon-nodes.carillon.svc.cluster.local"), address));
    }
    let names = Names::serve(names).await;
    let service = [nodes[0].address(), nodes[1].address()];
    let nginx = Nginx::start_in_kubernetes(service, free, &names).await;
    let mut pods = BTreeSet::new();
    for _ in 0..10 {
        pods.extend(polls(&nginx).await.split('.').next().map(str::to_owned));
    }
    assert_eq!(pods, ["carillon-0", "carillon-1"].map(str::to_owned).into());
    let http = Http::new(&nginx.url());
    for (sid, status) in [("carillon-2.AAAAAAAAAAAAAAAAAAAA", 502), ("evil.example.com.", 400)] {
        http.get(&format!("/socket.io/?EIO=4&transport=polling&sid={sid}")).send().await.expect(status);
    }
}

#[tokio::test]
async fn a_stream_comes_through_as_it_is_written() {
    let house = House::open().await;
    let mut events = house.clinic.http.get("/api/v1/stream").by(&ann()).stream().await;
    events.hears("inbox:state").await;
    for title in ["1", "2"] {
        house.clinic.tell(&ann(), title).await;
        assert_eq!(events.hears("notification").await.data["title"], title);
    }
}

/// These titles, in this order and each once, however often the client comes back meanwhile; it never has to reload.
async fn hears_all(client: &mut Client, titles: impl IntoIterator<Item = String>) {
    for title in titles {
        let notification = loop {
            let (name, mut args) = client.hears_one_of(["notification", "inbox:state"]).await;
            if name == "notification" {
                break args.swap_remove(0);
            }
            assert_eq!(args[0]["recovered"], true);
        };
        assert_eq!(notification["title"], title);
    }
}

/// The next connect: whether the client's own code says that its session was recovered.
async fn recovered(client: &mut Client) -> bool {
    loop {
        if let Life::Connect { recovered, .. } = client.life().await {
            return recovered;
        }
    }
}

#[tokio::test]
async fn a_node_that_is_away_is_passed_over_and_its_clients_come_back_elsewhere() {
    let mut house = House::open().await;
    assert!(house.b.terminate().await.success());
    let mut clients = Vec::new();
    for way in WAYS {
        clients.push(house.online(way).await);
    }
    house.clinic.tell(&ann(), "heard").await;
    for client in &mut clients {
        assert_eq!(client.notification().await["title"], "heard");
    }
    house.b.restart().await;
    house.clinic.node.kill9().await;
    house.clinic.tell(&ann(), "missed").await;
    for client in &mut clients {
        assert!(soon(recovered(client)).await);
        hears_all(client, ["missed".to_owned()]).await;
    }
}

/// Publishes one after the other, each under a key of its own, until `done`: what each was answered at the first try.
async fn publishes(http: &Http, done: &Cell<bool>) -> Vec<u16> {
    let mut answers = Vec::new();
    while !done.get() {
        let number = answers.len().to_string();
        let publish = http.post("/api/v1/notifications", &note(&["user:ann"], &number)).with_key();
        answers.push(publish.header("Idempotency-Key", &number).send().await.status);
    }
    answers
}

#[tokio::test]
async fn a_rolling_restart_is_noticed_by_no_publisher_and_loses_nothing() {
    let mut house = House::open().await;
    let mut clients = Vec::new();
    for way in WAYS {
        clients.push(house.online(way).await);
    }
    let (http, done) = (house.clinic.http.clone(), Cell::new(false));
    let restarts = async {
        for node in [&mut house.clinic.node, &mut house.b] {
            assert!(node.terminate().await.success());
            node.restart().await;
        }
        done.set(true);
    };
    let (answers, ()) = tokio::join!(publishes(&http, &done), restarts);
    assert!(answers.iter().all(|status| *status == 201), "{answers:?}");
    for client in &mut clients {
        hears_all(client, (0..answers.len()).map(|number| number.to_string())).await;
    }
}

/// The bound of sessions that have not said who they are is each client's own: nginx says whose they are, and what
/// the client says of it does not count.
#[tokio::test]
async fn each_clients_address_is_seen_through_nginx() {
    let node = Node::start(NodeSettings::default().set("CONNECT_TIMEOUT_MS", 600_000)).await;
    let nginx = Nginx::start(node.address(), node.address()).await;
    let [one, other] = [2, 3].map(|last| Http::from(IpAddr::from([127, 0, 0, last]), &nginx.url()));
    let opens = async |from: &Http, number: usize| {
        let forged = format!("198.51.100.{}", number % 250);
        let open = from.get("/socket.io/?EIO=4&transport=polling").header("X-Forwarded-For", &forged);
        open.send().await.status
    };
    let mut opened = 0;
    for first in (0..1_000).step_by(50) {
        let answers = join_all((first..first + 50).map(|number| opens(&one, number))).await;
        opened += answers.iter().filter(|status| **status == 200).count();
    }
    assert_eq!(opened, 1_000);
    assert_eq!((opens(&one, 0).await, opens(&other, 0).await), (503, 200));
}

/// What users ask for begins so.
const USERS: [&str; 4] = ["/v1/notifications", "/v1/preferences", "/v1/presence/doctors", "/v1/stream"];

#[tokio::test]
async fn publishing_and_administering_are_for_those_inside() {
    let house = House::open().await;
    let stranger = Http::from(IpAddr::from([127, 0, 0, 2]), &house.nginx.url());
    let publish = |from: &Http, path: &str| from.post(path, &note(&["user:ann"], "x")).with_key();
    let paths = ["/api/v1/notifications", "/api//v1/./notifications", "/api/v1/notifications?x=1"];
    for path in ["/api/v1/events", "/api/v1/notifications/batch"].iter().chain(&paths) {
        publish(&stranger, path).send().await.expect(403);
        assert_ne!(publish(&house.clinic.http, path).send().await.status, 403, "{path}");
    }
    // Whatever route there is, if it is no user's.
    let routes =
        include_str!("../../crates/api/src/lib.rs").split('"').filter(|text| text.starts_with("/v1/"));
    let inner: BTreeSet<_> =
        routes.filter(|route| !USERS.iter().any(|user| route.starts_with(user))).collect();
    assert!(inner.len() > 4, "{inner:?}");
    for route in inner {
        let asked = stranger.get(&format!("/api{route}")).by(&eve()).send().await;
        assert!(asked.status == 403 && asked.json() == Value::Null, "{route}: {asked:?}");
    }
    for path in ["/readyz", "/healthz"] {
        stranger.get(path).send().await.expect(403);
        house.clinic.http.get(path).send().await.expect(200);
    }
    // What users and their pages need is everyone's.
    for path in ["/", "/api/v1/notifications", "/api/v1/notifications/unread-count"] {
        stranger.get(path).by(&ann()).send().await.expect(200);
    }
    // A request keeps the name that its caller gave it.
    let named =
        stranger.get("/api/v1/notifications").by(&ann()).header("X-Request-Id", "trace-7").send().await;
    assert_eq!(named.header("x-request-id"), Some("trace-7"));
    let read = stranger.post("/api/v1/notifications/read", &json!({"all": true})).by(&ann());
    read.send().await.expect(200);
    house.clinic.http.get("/metrics").send().await.expect(404);
}

#[tokio::test]
async fn with_the_lines_for_tls_everything_goes_by_tls() {
    let clinic = Clinic::open_with(NodeSettings::default().set("NODE_ID", "a")).await;
    let nginx = Nginx::start_with_tls(clinic.node.address(), clinic.node.address()).await;
    let mut raw = Raw::connect(&nginx.address()).await;
    let plain = raw.ask("GET", "/x?y=1", "", "").await.unwrap();
    assert_eq!((plain.status, plain.header("location")), (308, Some("https://x/x?y=1")));
    let clinic = clinic.through(&nginx.tls_url());
    for way in WAYS {
        // A page of the gateway's own; nobody vouches for the certificate.
        let connect = Connect::by(&ann()).over(way).option("rejectUnauthorized", json!(false));
        let own = json!({"Origin": nginx.tls_url()});
        let mut client = clinic.client(connect.option("extraHeaders", own)).await;
        soon(client.connected()).await;
        let answer = client.ask("notification:list", json!({})).await;
        assert_eq!(answer["ok"], true, "{answer}");
    }
}
