//! No token reads, lists, marks or receives anything of a room that is not its own: every route and every event, tried by
//! those who come closest. A route or an event that is not in the tables below fails the last test.

use std::collections::BTreeSet;

use carillon_tests::users::{JWT_SECRET, ann, chen, sign};
use carillon_tests::{Client, Clinic, Connect, NodeSettings, User};
use serde_json::{Value, json};

/// One room of each kind, and a notification in it.
const ROOMS: [&str; 8] = [
    "all",
    "role:admin",
    "role:doctor",
    "role:patient",
    "user:ann",
    "patient:ann",
    "doctor:chen",
    "patient:pat-9",
];

/// Claims that come close to other people's rooms, and the rooms that are theirs all the same.
fn intruders() -> Vec<(Value, &'static [&'static str])> {
    vec![
        (json!({"userId": "ben", "role": "PATIENT"}), &["all", "role:patient"]),
        (json!({"userId": "ben", "role": "PATIENT", "doctorId": "chen"}), &["all", "role:patient"]),
        (
            json!({"userId": "ben", "role": "patient", "patientId": "pat-9"}),
            &["all", "role:patient", "patient:pat-9"],
        ),
        (json!({"userId": "diaz", "role": "DOCTOR", "patientId": "ann"}), &["all", "role:doctor"]),
        (json!({"userId": "diaz", "role": "DOCTOR", "doctorId": "ann"}), &["all", "role:doctor"]),
        (json!({"userId": "ANN", "role": "PATIENT"}), &["all", "role:patient"]),
        (json!({"userId": "an", "role": "PATIENT"}), &["all", "role:patient"]),
        (json!({"userId": "ann:", "role": "PATIENT"}), &["all", "role:patient"]),
        (
            json!({"userId": "admin", "role": "PATIENT", "rooms": ["role:admin"], "roles": ["ADMIN"]}),
            &["all", "role:patient"],
        ),
        (json!({"userId": "user:ann", "role": "DOCTOR"}), &["all", "role:doctor"]),
        (json!({"userId": "chen", "role": "PATIENT"}), &["all", "role:patient"]),
        // Admins read their own mail, not everyone's.
        (
            json!({"userId": "gil", "role": "ADMIN", "doctorId": "chen", "patientId": "ann"}),
            &["all", "role:admin"],
        ),
    ]
}

/// A request with the id of someone else's notification, and how it is answered.
struct Probe {
    route: &'static str,
    method: &'static str,
    path: String,
    body: Option<Value>,
    answer: Expected,
}

#[derive(Clone, Copy)]
enum Expected {
    /// As if it were not there.
    NotFound,
    /// It is for publishers and admins.
    Forbidden,
    /// What is theirs, and nothing else.
    Own,
}

const INBOX: &str = "/v1/notifications";

/// Every route that a user's token opens or might, tried on one notification.
fn probes(id: &str) -> Vec<Probe> {
    use Expected::{Forbidden, NotFound, Own};
    let probe = |route, method, path: String, body, answer| Probe { route, method, path, body, answer };
    let note = carillon_tests::clinic::note(&["user:ann"], "forged");
    vec![
        probe(INBOX, "GET", INBOX.into(), None, Own),
        probe(INBOX, "GET", format!("{INBOX}?before={id}"), None, NotFound),
        probe(INBOX, "POST", INBOX.into(), Some(note.clone()), Forbidden),
        probe(
            "/v1/notifications/batch",
            "POST",
            format!("{INBOX}/batch"),
            Some(json!({"items": [note]})),
            Forbidden,
        ),
        probe("/v1/events", "POST", "/v1/events".into(), Some(json!({})), Forbidden),
        probe("/v1/events/{id}", "GET", format!("/v1/events/{id}"), None, Forbidden),
        probe("/v1/audit", "GET", "/v1/audit".into(), None, Forbidden),
        probe("/v1/notifications/{id}/ack", "POST", format!("{INBOX}/{id}/ack"), Some(json!({})), NotFound),
        probe("/v1/broadcasts", "GET", "/v1/broadcasts".into(), None, Forbidden),
        probe("/v1/broadcasts", "POST", "/v1/broadcasts".into(), Some(json!({})), Forbidden),
        probe("/v1/broadcasts/{id}", "GET", format!("/v1/broadcasts/{id}"), None, Forbidden),
        probe("/v1/broadcasts/{id}", "PATCH", format!("/v1/broadcasts/{id}"), Some(json!({})), Forbidden),
        probe("/v1/broadcasts/{id}", "DELETE", format!("/v1/broadcasts/{id}"), None, Forbidden),
        probe("/v1/broadcasts/{id}/acks", "GET", format!("/v1/broadcasts/{id}/acks"), None, Forbidden),
        probe("/v1/notifications/unread-count", "GET", format!("{INBOX}/unread-count"), None, Own),
        probe("/v1/notifications/{id}", "GET", format!("{INBOX}/{id}"), None, NotFound),
        probe(
            "/v1/notifications/{id}",
            "PATCH",
            format!("{INBOX}/{id}"),
            Some(json!({"isRead": true})),
            NotFound,
        ),
        probe(
            "/v1/notifications/read",
            "POST",
            format!("{INBOX}/read"),
            Some(json!({"ids": [id]})),
            NotFound,
        ),
        probe("/v1/notifications/read", "POST", format!("{INBOX}/read"), Some(json!({"upTo": id})), NotFound),
        probe("/v1/users/{userId}/data", "DELETE", "/v1/users/ann/data".into(), None, Forbidden),
        probe("/v1/preferences", "GET", "/v1/preferences".into(), None, Own),
        probe("/v1/preferences", "PUT", "/v1/preferences".into(), Some(json!({"muted": []})), Own),
        probe("/v1/presence/doctors", "GET", "/v1/presence/doctors?ids=chen".into(), None, Own),
        probe("/v1/presence/counts", "GET", "/v1/presence/counts".into(), None, Forbidden),
        probe("/v1/presence/users", "GET", "/v1/presence/users".into(), None, Forbidden),
        probe("/v1/connections", "GET", "/v1/connections".into(), None, Forbidden),
        probe("/v1/preferences", "GET", "/v1/preferences".into(), None, Own),
        probe("/v1/preferences", "PUT", "/v1/preferences".into(), Some(json!({"muted": []})), Own),
    ]
}

/// Every event that a socket may send, tried on one notification, and the code it is refused with.
fn events(id: &str) -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("notification:list", json!({"before": id}), "not_found"),
        ("notification:read", json!({"ids": [id]}), "not_found"),
        ("notification:read", json!({"upTo": id}), "not_found"),
        ("notification:unread", json!({"ids": [id]}), "not_found"),
        ("announcement:ack", json!({"id": id}), "not_found"),
        // Whether a doctor is here is for everyone to know; of a notification's id nothing is known.
        ("presence:watch", json!({"doctorIds": [id], "room": "role:admin"}), "bad_request"),
        ("presence:unwatch", json!({"doctorIds": id}), "bad_request"),
        ("auth:refresh", json!({"token": ann().token()}), "token_invalid"),
        ("join", json!("role:admin"), "unknown_event"),
    ]
}

/// Tried elsewhere: a stream is told its rooms by the same hub, below.
const STREAM: &str = "/v1/stream";

struct Intruder {
    token: String,
    foreign: Vec<(String, String)>,
    own: Vec<&'static str>,
    client: Client,
    stream: carillon_tests::Events,
}

impl Intruder {
    /// The next notification of their stream; who comes and goes is told to admins alone.
    async fn streamed(&mut self) -> Value {
        loop {
            let block = self.stream.block().await.unwrap();
            match block.name.as_str() {
                "notification" => return block.data,
                "" => {}
                "user:online" | "user:offline" | "presence:counts" if self.own.contains(&"role:admin") => {}
                other => panic!("{} heard {other}: {}", self.client.user.id, block.data),
            }
        }
    }
}

async fn intrude(clinic: &Clinic, mut claims: Value) -> (String, Client, carillon_tests::Events) {
    claims["exp"] = json!(4_102_444_800_u64);
    let token = sign(&claims, JWT_SECRET);
    let user = User::new(claims["userId"].as_str().unwrap_or_default(), "PATIENT");
    let connect = Connect::by(&user).auth(json!({"token": token, "rooms": ["role:admin", "user:ann"]}));
    let mut client = clinic.client(connect.over(&["websocket"])).await;
    client.connected().await;
    let mut stream = clinic.http.get("/api/v1/stream").bearer(&token).stream().await;
    stream.hears("inbox:state").await;
    (token, client, stream)
}

#[tokio::test]
async fn nobody_gets_at_anything_of_a_room_that_is_not_theirs() {
    let settings = NodeSettings::default().set("EVENT_RATE", 1_000).set("EVENT_BURST", 1_000);
    let clinic = Clinic::open_with(settings).await;
    let mut intruders_in = Vec::new();
    for (claims, own) in intruders() {
        let (token, client, stream) = intrude(&clinic, claims).await;
        intruders_in.push(Intruder { token, foreign: Vec::new(), own: own.to_vec(), client, stream });
    }
    for room in ROOMS {
        let published = clinic.notify(&[room], &format!("said in {room}")).await;
        let id = &published.notifications[0].id;
        for intruder in intruders_in.iter_mut().filter(|intruder| !intruder.own.contains(&room)) {
            intruder.foreign.push((room.to_owned(), id.clone()));
        }
    }
    clinic.notify(&["all"], "fence").await;
    for intruder in &mut intruders_in {
        // Received: what is said in their rooms, in order, and then the fence; by either way.
        let titles = intruder.own.iter().map(|room| format!("said in {room}"));
        let titles: Vec<String> = titles.chain(["fence".to_owned()]).collect();
        for title in titles {
            assert_eq!(intruder.client.notification().await["title"], title, "{}", intruder.client.user.id);
            assert_eq!(intruder.streamed().await["title"], title);
        }
        for (room, id) in &intruder.foreign {
            try_routes(&clinic, intruder, room, id).await;
            for (event, argument, code) in events(id) {
                let answer = intruder.client.ask(event, argument).await;
                let who = &intruder.client.user.id;
                assert_eq!(answer["error"]["code"], code, "{event} by {who} on {room}: {answer}");
            }
        }
        let listed = intruder.client.ask("notification:list", json!({"limit": 100})).await.to_string();
        assert!(!intruder.foreign.iter().any(|(_, id)| listed.contains(id.as_str())), "{listed}");
    }
    // Nothing was marked meanwhile: those whose it is find it unread.
    for (user, rooms) in [(ann(), 2), (chen(), 2)] {
        let unread = clinic.http.get("/api/v1/notifications?status=unread&limit=100").by(&user).send().await;
        let listed = unread.expect(200);
        let said = listed["items"].as_array().unwrap().iter().filter(|item| item["title"] != "fence").count();
        // Their own rooms alone, on a first visit; but a patient of chen's id was here before all was said.
        assert_eq!(said, rooms, "{}: {listed}", user.id);
    }
}

async fn try_routes(clinic: &Clinic, intruder: &Intruder, room: &str, id: &str) {
    for Probe { route, method, path, body, answer } in probes(id) {
        // Publishing is for admins too.
        if matches!(answer, Expected::Forbidden) && intruder.own.contains(&"role:admin") {
            continue;
        }
        let mut call = clinic.http.call(method, &format!("/api{path}")).bearer(&intruder.token);
        if let Some(body) = &body {
            call = call.json(body);
        }
        let got = call.send().await;
        let expected = match answer {
            Expected::NotFound => 404,
            Expected::Forbidden => 403,
            Expected::Own => 200,
        };
        let who = &intruder.client.user.id;
        assert_eq!(got.status, expected, "{method} {route} by {who} on {room}: {}", got.text);
        assert!(!got.text.contains(id) && !got.text.contains(&format!("said in {room}\"")), "{}", got.text);
    }
}

/// The literals of a source that begin and end like this.
fn literals<'a>(source: &'a str, is_one: impl Fn(&str) -> bool + 'a) -> BTreeSet<&'a str> {
    source.split('"').skip(1).step_by(2).filter(|text| is_one(text)).collect()
}

#[test]
fn every_route_and_every_event_is_in_the_tables() {
    let routes = literals(include_str!("../../crates/api/src/lib.rs"), |text| text.starts_with("/v1/"));
    let tried: BTreeSet<_> = probes("x").iter().map(|probe| probe.route).chain([STREAM]).collect();
    assert_eq!(tried, routes, "a route is missing in this test's table, or no longer there");

    let is_event = |text: &str| {
        let mut parts = text.split(':');
        let is_word = |part: Option<&str>| {
            part.is_some_and(|word| !word.is_empty() && word.bytes().all(|c| c.is_ascii_lowercase()))
        };
        is_word(parts.next()) && is_word(parts.next()) && parts.next().is_none()
    };
    let known = literals(include_str!("../../crates/gateway/src/events.rs"), is_event);
    let tried: BTreeSet<_> =
        events("x").iter().map(|(event, ..)| *event).filter(|event| is_event(event)).collect();
    assert_eq!(tried, known, "an event is missing in this test's table, or no longer there");
}
