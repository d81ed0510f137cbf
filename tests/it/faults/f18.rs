//! Schedules that are due together, nodes that die meanwhile, cancellations and moves in the last moment, an outage over
//! the due time: each is sent once or never, and never after it was called off.

use std::time::{Duration, Instant};

use carillon_tests::store::Store;
use carillon_tests::users::{ann, eve};
use carillon_tests::{Clinic, Dice, Http, NodeSettings, PATIENCE, Postgres};
use jiff::ToSpan as _;
use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until};
use tokio_postgres::Client;

use super::or;

/// As many schedules; `CHAOS_SCHEDULES` may say otherwise.
const USUALLY: usize = 60;
/// From when all are made to when the first is due: long enough for the first to be called off on a slow machine too.
const AHEAD: Duration = Duration::from_secs(3);

async fn schedule(http: &Http, title: &str) -> String {
    let at = (jiff::Timestamp::now() + 1.hour()).to_string();
    let body = json!({"kind": "announcement", "title": title, "message": "m", "publishAt": at});
    let made = http.post("/api/v1/broadcasts", &body).by(&eve()).send().await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

async fn get(http: &Http, id: &str) -> Value {
    http.get(&format!("/api/v1/broadcasts/{id}")).by(&eve()).send().await.expect(200)
}

/// Waits until nothing is scheduled any more.
async fn until_none_is_scheduled(operator: &Client) {
    let began = Instant::now();
    loop {
        let left = "SELECT count(*) FROM carillon.broadcasts WHERE status = 'scheduled'";
        if operator.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "some are never sent");
        sleep(Duration::from_millis(50)).await;
    }
}

/// A third is called off and a third moved, the first at once and the others in the last half second before their time or just
/// after it, by whichever node is there. The answers: the status, or nothing where the node died over it.
async fn meddle(urls: [String; 2], ids: Vec<String>, step: Duration) -> Vec<Option<u16>> {
    let nodes = urls.map(|url| Http::new(&url));
    let mut answers = vec![None; ids.len()];
    let (begun, mut dice) = (tokio::time::Instant::now(), Dice::new(18));
    for (n, id) in ids.iter().enumerate().filter(|(n, _)| n % 3 < 2) {
        let early = if n == 0 { AHEAD } else { Duration::from_millis(dice.below(500) as u64) };
        sleep_until(begun + AHEAD + step * u32::try_from(n).unwrap() - early).await;
        let (http, uri) = (&nodes[n % 2], format!("/api/v1/broadcasts/{id}"));
        let call = if n % 3 == 0 {
            http.call("DELETE", &uri)
        } else {
            let at = (jiff::Timestamp::now() + 1.second()).to_string();
            http.call("PATCH", &uri).json(&json!({"version": 1, "publishAt": at}))
        };
        answers[n] = call.by(&eve()).try_send().await.ok().map(|answer| answer.status);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn each_schedule_is_sent_once_or_never() {
    let database = Postgres::create().await;
    let settings = || NodeSettings::default().set("DATABASE_URL", database.url());
    let mut nodes = [Clinic::open_with(settings()).await, Clinic::open_with(settings()).await];
    let operator = database.connect().await;
    let mut ids = Vec::new();
    for n in 0..or("CHAOS_SCHEDULES", USUALLY) {
        ids.push(schedule(&nodes[0].http, &format!("schedule {n}")).await);
    }
    // Due from then on, one each 20 ms; or all of them within so many seconds.
    let spread = or("CHAOS_SECONDS", 0) * 1_000;
    let step = if spread == 0 { 20 } else { spread / ids.len() as u64 };
    let due = "UPDATE carillon.broadcasts b SET publish_at = carillon.now_ms() + $1::bigint + $2::bigint * o.n \
               FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM carillon.broadcasts) o WHERE o.id = b.id";
    let ahead = i64::try_from(AHEAD.as_millis()).unwrap();
    operator.execute(due, &[&ahead, &step.cast_signed()]).await.unwrap();
    let urls = [nodes[0].node.url().to_owned(), nodes[1].node.url().to_owned()];
    let meddling = tokio::spawn(meddle(urls, ids.clone(), Duration::from_millis(step)));
    let (mut kills, mut dice) = (0, Dice::new(81));
    while kills < 2 || !meddling.is_finished() {
        sleep(Duration::from_millis(300 + dice.below(400) as u64)).await;
        let node = &mut nodes[kills % 2].node;
        node.kill9().await;
        sleep(Duration::from_millis(200)).await;
        node.restart().await;
        kills += 1;
    }
    let answers = meddling.await.unwrap();
    until_none_is_scheduled(&operator).await;

    let rows = Store::open(&database.url()).await.unwrap().rows().await.unwrap();
    let (mut sent, mut canceled) = (0, 0);
    for (n, (id, answer)) in ids.iter().zip(&answers).enumerate() {
        let times = rows.iter().filter(|row| row.key == format!("schedule {n}")).count();
        let one = get(&nodes[n % 2].http, id).await;
        match one["status"].as_str().unwrap() {
            "sent" => {
                assert_eq!(times, 1, "{one}");
                assert!(n % 3 != 0 || *answer != Some(200), "sent after it was called off: {one}");
                sent += 1;
            }
            "canceled" => {
                assert_eq!(times, 0, "{one}");
                assert!(n % 3 == 0 && *answer != Some(409), "{answer:?}: {one}");
                canceled += 1;
            }
            other => panic!("{other}: {one}"),
        }
        // A move is made whole or not at all.
        if n % 3 == 1 {
            match answer {
                Some(200) => assert_eq!(one["version"], 2, "{one}"),
                Some(409) => assert_eq!(one["version"], 1, "{one}"),
                Some(422 | 503) | None => {}
                Some(other) => panic!("{other}: {one}"),
            }
        }
    }
    let lateness = "SELECT percentile_disc(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY sent_at - publish_at) \
                    FROM carillon.broadcasts WHERE status = 'sent'";
    let late: Vec<i64> = operator.query_one(lateness, &[]).await.unwrap().get(0);
    println!(
        "F18: {sent} sent, {canceled} canceled, of {}; {kills} kills; late p50 / p99 / max {late:?} ms",
        ids.len()
    );
    assert!(sent > 0 && canceled > 0, "nothing was tried: {sent} sent, {canceled} canceled");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_some_are_late_and_older_ones_are_missed() {
    let database = Postgres::create().await;
    let mut clinic = Clinic::open_with(NodeSettings::default().set("DATABASE_URL", database.url())).await;
    let mut online = clinic.online(&ann()).await;
    let (late, missed) = (schedule(&clinic.http, "late").await, schedule(&clinic.http, "missed").await);
    clinic.node.kill9().await;
    let operator = database.connect().await;
    for (title, minutes) in [("late", 59_i64), ("missed", 61)] {
        let past = "UPDATE carillon.broadcasts SET publish_at = carillon.now_ms() - $2::bigint * 60000 WHERE content LIKE $1";
        operator.execute(past, &[&format!("%\"{title}\"%"), &minutes]).await.unwrap();
    }
    clinic.node.restart().await;
    online.comes_back().await;
    until_none_is_scheduled(&operator).await;
    let (late, missed) = (get(&clinic.http, &late).await, get(&clinic.http, &missed).await);
    assert_eq!((&late["status"], &late["late"]), (&json!("sent"), &json!(true)));
    assert_eq!((&missed["status"], &missed["sentAt"]), (&json!("missed"), &Value::Null));
    let listed = clinic.http.get("/api/v1/notifications").by(&ann()).send().await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let data = &listed["items"][0]["data"];
    assert_eq!((&data["late"], &data["publishAt"]), (&json!(true), &late["publishAt"]));
}
