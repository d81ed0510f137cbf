//! Against a server that answers from a script. The real one is in the integration tests.

use std::time::Duration;

use carillon_domain::{PrescriptionCreated, Room};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::{Client, Error, Event, Notification, Published, Trouble};

const EVENT_ID: &str = "01980000-0000-7000-8000-000000000001";

fn published() -> Value {
    json!({"eventId": EVENT_ID, "notifications": [{"id": EVENT_ID, "room": "patient:42"}]})
}

fn problem(status: u16, code: &str) -> Value {
    json!({"type": "/problems/x", "title": "X", "status": status, "detail": "Y.", "code": code, "requestId": "r"})
}

/// What a server says to one request.
enum Line {
    Says(u16, &'static str, String),
    /// 207, and each item is published.
    KeepsAll,
    HangsUp,
}

use Line::{HangsUp, KeepsAll, Says};

/// Says 201.
fn kept() -> Line {
    Says(201, "", published().to_string())
}

struct Request {
    path: String,
    headers: String,
    body: Value,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        let mut lines = self.headers.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
    }
}

/// A server that says these lines, one to a request and connection: its address, and later what it was asked.
async fn server(script: Vec<Line>) -> (String, JoinHandle<Vec<Request>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = async move {
        let mut asked = Vec::new();
        for line in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read(&mut stream).await;
            let answer = match line {
                Says(status, headers, body) => Some((status, headers, body)),
                KeepsAll => {
                    let results = vec![published(); request.body["items"].as_array().unwrap().len()];
                    Some((207, "", json!({"results": results}).to_string()))
                }
                HangsUp => None,
            };
            if let Some((status, headers, body)) = answer {
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n");
                stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).await.unwrap();
            }
            asked.push(request);
        }
        asked
    };
    (url, tokio::spawn(serve))
}

async fn read(stream: &mut TcpStream) -> Request {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let (path, headers) = head.split_once("\r\n").unwrap();
    let request = Request { path: path.to_owned(), headers: headers.to_owned(), body: Value::Null };
    let mut body = vec![0; request.header("content-length").parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    Request { body: serde_json::from_slice(&body).unwrap(), ..request }
}

fn event() -> Event {
    let patient_id = "42".parse().unwrap();
    let details = Map::from_iter([("drug".to_owned(), json!("x"))]);
    Event::of(&PrescriptionCreated { prescription_id: "rx-7".into(), patient_id, details }).unwrap()
}

fn notification(title: &str) -> Notification {
    Notification::new([Room::patient(&"42".parse().unwrap())], "LAB_RESULT".parse().unwrap(), title, "")
}

fn client(url: &str) -> Client {
    Client::new(url, "secret").unwrap()
}

async fn publish(script: Vec<Line>, patience: Duration) -> (Result<Published, Error>, Vec<Request>) {
    let (url, asked) = server(script).await;
    let outcome = client(&url).patience(patience).publish(&event()).await;
    (outcome, asked.await.unwrap())
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_event_is_sent_as_the_api_takes_it() {
    let (url, asked) = server(vec![kept()]).await;
    let event =
        event().title("Ready").message("At the desk").action_url("/rx/7".parse().unwrap()).key("rx-7");
    let kept = client(&format!("{url}/")).publish(&event).await.unwrap();
    assert_eq!(kept.event_id.to_string(), EVENT_ID);
    assert_eq!(kept.notifications[0].room.as_str(), "patient:42");
    assert!(!kept.replayed);
    let asked = &asked.await.unwrap()[0];
    assert_eq!(asked.path, "POST /api/v1/events HTTP/1.1");
    assert_eq!(asked.header("authorization"), "Bearer secret");
    assert_eq!(asked.header("idempotency-key"), "rx-7");
    assert_eq!(
        asked.body,
        json!({
            "event": "prescription:created",
            "data": {"prescriptionId": "rx-7", "patientId": "42", "drug": "x"},
            "title": "Ready", "message": "At the desk", "actionUrl": "/rx/7",
        })
    );
}

#[tokio::test]
async fn the_same_is_sent_under_the_same_key_until_it_is_known_to_be_kept() {
    let away = Says(503, "retry-after: 1\r\n", problem(503, "unavailable").to_string());
    let proxy = Says(502, "", "<html>".to_owned());
    let again = Says(201, "idempotency-replayed: true\r\n", published().to_string());
    let started = Instant::now();
    let (outcome, asked) = publish(vec![HangsUp, away, proxy, again], LONG).await;
    assert!(outcome.unwrap().replayed);
    assert!(started.elapsed() >= Duration::from_secs(1), "Retry-After was not heeded");
    let [first, others @ ..] = &asked[..] else { unreachable!() };
    assert_eq!(others.len(), 3);
    assert_eq!(first.header("idempotency-key").len(), 36);
    for other in others {
        assert_eq!(other.body, first.body);
        assert_eq!(other.header("idempotency-key"), first.header("idempotency-key"));
    }
}

#[tokio::test]
async fn what_is_refused_is_not_sent_again() {
    let faults = json!([{"pointer": "/data/patientId", "detail": "is required by this event"}]);
    let mut invalid = problem(422, "validation");
    invalid["errors"] = faults;
    let (outcome, _) = publish(vec![Says(422, "", invalid.to_string())], LONG).await;
    let Err(Error::Refused(problem)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        (problem.code.as_str(), problem.errors[0].pointer.as_str()),
        ("validation", "/data/patientId")
    );
    // Neither is what something else answers: a redirect is not followed, a page is no publish.
    for (status, code) in [(301, ""), (404, "")] {
        let (outcome, _) = publish(vec![Says(status, "location: /\r\n", "<html>".into())], LONG).await;
        assert!(matches!(&outcome, Err(Error::Refused(problem)) if problem.code == code), "{outcome:?}");
    }
    let (outcome, _) = publish(vec![Says(200, "", "<html>".into())], LONG).await;
    assert!(matches!(outcome, Err(Error::Unreadable(_))), "{outcome:?}");
}

#[tokio::test]
async fn when_patience_ends_the_error_names_the_key() {
    let (outcome, asked) = publish(vec![HangsUp], Duration::ZERO).await;
    let Err(Error::Unavailable { key, tries: 1, last: Trouble::Connection(_), .. }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(asked[0].header("idempotency-key"), key);
    // A server that asks for more time than there is is not asked in vain.
    let busy = Says(429, "retry-after: 3600\r\n", problem(429, "rate_limited").to_string());
    let (outcome, _) = publish(vec![busy], LONG).await;
    let Err(Error::Unavailable { last: Trouble::Answer(problem), .. }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(problem.code, "rate_limited");
}

#[tokio::test]
async fn a_long_list_goes_in_batches_under_keys_of_one() {
    let (url, asked) = server(vec![KeepsAll, KeepsAll, KeepsAll]).await;
    let all = vec![notification("x"); 2_001];
    let outcomes = client(&url).notify_all(&all, Some("import")).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2_001);
    let asked = asked.await.unwrap();
    let keys: Vec<_> = asked.iter().map(|request| request.header("idempotency-key")).collect();
    assert_eq!(keys, ["import/0", "import/1000", "import/2000"]);
    assert_eq!(asked[2].body["items"].as_array().unwrap().len(), 1);
    // Large ones make smaller batches: a body has at most 4 MiB.
    let (url, asked) = server(vec![KeepsAll, KeepsAll]).await;
    let details = Map::from_iter([("x".to_owned(), json!("x".repeat(16_000)))]);
    let large = vec![notification("x").data(details); 300];
    assert!(client(&url).notify_all(&large, None).await.iter().all(Result::is_ok));
    for request in asked.await.unwrap() {
        assert!(request.header("content-length").parse::<usize>().unwrap() <= 4 * 1024 * 1024);
    }
}

#[tokio::test]
async fn items_of_a_batch_have_fates_of_their_own() {
    let away = json!({"results": [published(), problem(422, "validation"), problem(503, "unavailable")]});
    let back = json!({"results": [published(), problem(422, "validation"), published()]});
    let list = [notification("a"), notification(""), notification("c")];
    let script = || vec![Says(207, "", away.to_string()), Says(207, "", back.to_string())];
    let (url, asked) = server(script()).await;
    let outcomes = client(&url).notify_all(&list, None).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    let Err(fault) = &outcomes[1] else { panic!("{outcomes:?}") };
    assert!(matches!(&**fault, Error::Refused(problem) if problem.code == "validation"));
    assert_eq!(asked.await.unwrap().len(), 2);
    // Once patience ends, what is known is kept, and what is not is said with its key.
    let (url, asked) = server(vec![Says(207, "", away.to_string())]).await;
    let outcomes = client(&url).patience(Duration::ZERO).notify_all(&list, None).await;
    assert!(outcomes[0].is_ok());
    let Err(fault) = &outcomes[2] else { panic!("{outcomes:?}") };
    let Error::Unavailable { key, tries: 1, .. } = &**fault else { panic!("{fault:?}") };
    assert_eq!(asked.await.unwrap()[0].header("idempotency-key"), key);
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_before_anything_is() {
    for address in ["notify.example.com", "ftp://notify.example.com", "http://"] {
        assert!(matches!(Client::new(address, "k"), Err(Error::Address)), "{address}");
    }
    assert!(matches!(Client::new("http://localhost", "k\n"), Err(Error::Key(_))));
    let carillon = client("http://127.0.0.1:9");
    for key in [String::new(), "a\nb".to_owned(), "x".repeat(256)] {
        assert!(matches!(carillon.publish(&event().key(key)).await, Err(Error::Key(_))));
    }
    assert!(!format!("{carillon:?}").contains("secret"));
}
