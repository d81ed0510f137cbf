//! `REDIS_EMITTER=stored`: notifications are kept first, each once.

use std::collections::BTreeSet;

use rustix::process::Signal;

use super::*;

fn note(id: Option<usize>, title: &str) -> Value {
    let mut note = json!({"type": "NOTE", "title": title, "message": "m", "data": {"ä": "😀"}});
    if let Some(id) = id {
        note["id"] = json!(id);
    }
    json!([note])
}

impl Stage {
    /// The titles in a room of the log, in its order.
    async fn titles(&self, room: &str) -> Vec<String> {
        let rows = "SELECT title FROM carillon.notifications WHERE room = $1 ORDER BY position";
        let rows = self.postgres.connect().await.query(rows, &[&room]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits until so many are in a room of the log.
    async fn until_kept(&self, room: &str, count: usize) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let titles = self.titles(room).await;
            if titles.len() >= count {
                return titles;
            }
            assert!(begun.elapsed() < PATIENCE, "{} of {count} are kept", titles.len());
            sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn a_notification_is_in_the_log_once_and_comes_from_there() {
    let mut stage = Stage::open("stored", Meeting::Server).await;
    let holder = stage.holder(&[0, 1]).await;
    let mut here = stage.online(&ann(), 0).await;
    let mut there = stage.online(&ann(), 1).await;
    for n in 0..50 {
        stage.back_end.emit(&["user:ann"], "notification", note(Some(n), &n.to_string())).await;
    }
    for client in [&mut here, &mut there] {
        for n in 0..50 {
            let heard = client.notification().await;
            assert_eq!((&heard["title"], &heard["data"]), (&json!(n.to_string()), &json!({"ä": "😀"})));
            assert!(heard["id"].as_str().is_some_and(|id| id.len() == 36), "{heard}");
        }
    }
    // The same again is known; others with its id, and what is none, are counted.
    stage.back_end.emit(&["user:ann"], "notification", note(Some(0), "0")).await;
    stage.back_end.emit(&["user:ann"], "notification", note(Some(0), "another")).await;
    stage.back_end.emit(&["nowhere"], "notification", note(None, "x")).await;
    stage.back_end.emit(&["user:ann"], "notification", json!([{"title": "no type"}])).await;
    stage.back_end.emit(&["user:ann"], "notification", json!(["text"])).await;
    for (name, least) in [
        ("taken_total{what=\"notification\"}", 50.0),
        ("taken_total{what=\"known\"}", 1.0),
        ("ignored_total{reason=\"mismatch\"}", 1.0),
        ("ignored_total{reason=\"invalid\"}", 3.0),
    ] {
        stage.until(holder, &format!("carillon_emitter_{name}"), least).await;
    }
    // Other events stay live; and whoever comes back is given what they missed.
    stage.back_end.emit(&[], "fence", json!([])).await;
    for client in [&mut here, &mut there] {
        assert!(client.hears_until("fence").await.is_empty());
    }
    here.leave().await;
    stage.back_end.emit(&[], "notification", note(Some(1_000), "to everyone")).await;
    assert_eq!(there.notification().await["title"], "to everyone");
    let http = Http::new(stage.cluster[0].url());
    let listed = http.get("/api/v1/notifications?limit=100").by(&ann()).send().await.expect(200);
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["unread"]), (51, &json!(51)));
    assert_eq!(stage.titles("user:ann").await, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    // Without an id too, unless the lease changes hands at that moment.
    while stage.titles("user:ben").await.is_empty() {
        stage.back_end.emit(&["user:ben"], "notification", note(None, "no id")).await;
    }
}

/// The node that takes in is killed while a back end emits, and so is the one that took over.
#[tokio::test]
async fn a_hand_over_neither_loses_nor_doubles_what_has_an_id() {
    const COUNT: usize = 2_000;
    let mut stage = Stage::open("stored", Meeting::Server).await;
    let mut holder = stage.holder(&[0, 1]).await;
    stage.back_end.tell(&json!({"cmd": "stream", "room": "user:ann", "count": COUNT, "everyMs": 8})).await;
    for _ in 0..2 {
        let before = stage.titles("user:ann").await.len();
        stage.until_kept("user:ann", (before + 50).min(COUNT)).await;
        stage.cluster[holder].kill9().await;
        let other = 1 - holder;
        stage.holder(&[other]).await;
        stage.cluster[holder].restart().await;
        stage.until(holder, "carillon_emitter_up", 1.0).await;
        holder = other;
    }
    stage.back_end.answer().await;
    stage.until_kept("user:ann", COUNT).await;
    // Whatever was still to be doubled comes before this.
    stage.back_end.emit(&["user:ben"], "notification", note(Some(1), "fence")).await;
    stage.until_kept("user:ben", 1).await;
    let titles = stage.titles("user:ann").await;
    let distinct: BTreeSet<_> = titles.iter().collect();
    assert_eq!((titles.len(), distinct.len()), (COUNT, COUNT));
}

/// One that goes down politely hands over at once, while it still drains, and what comes afterwards is the other's.
#[tokio::test]
async fn who_goes_down_hands_over() {
    let mut stage = Stage::open("stored", Meeting::Server).await;
    let holder = stage.holder(&[0, 1]).await;
    let mut here = Vec::new();
    for n in 0..10 {
        here.push(stage.online(&User::new(format!("patient-{n}"), "PATIENT"), holder).await);
    }
    stage.back_end.emit(&["user:ann"], "notification", note(Some(1), "before")).await;
    stage.until_kept("user:ann", 1).await;
    stage.cluster[holder].signal(Signal::TERM);
    stage.holder(&[1 - holder]).await;
    stage.back_end.emit(&["user:ann"], "notification", note(None, "after")).await;
    assert_eq!(stage.until_kept("user:ann", 2).await, ["before", "after"]);
    stage.until(holder, "carillon_draining", 1.0).await;
    assert!(stage.sample(holder, "carillon_sockets").await > 0.0, "it had drained before it handed over");
    for mut client in here {
        client.leave().await;
    }
    assert!(stage.cluster[holder].ends().await.success());
}
