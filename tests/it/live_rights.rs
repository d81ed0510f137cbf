//! F19: users are blocked, change their roles and stay by short tokens, all under load, and nobody hears what is not theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use carillon_tests::light::Light;
use carillon_tests::{Clinic, Http, NodeSettings, PATIENCE, User};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// Longer than the short tokens live.
const RUN: Duration = Duration::from_secs(8);
const SHORT: i64 = 5;
const KEEPERS: usize = 6;
const BLOCKED: usize = 8;

/// What is published, and how much of it was begun.
struct Load {
    http: Http,
    begun: AtomicU64,
    is_over: AtomicBool,
}

/// One thing that a light client hears.
enum Heard {
    /// A notification: its room and number, as its title says.
    Row(String, u64),
    Blocked,
    Expiring,
    Answer(Value),
    Other,
}

fn read(text: &str) -> Heard {
    if let Some(answer) = text.strip_prefix("43") {
        let json = answer.trim_start_matches(|c: char| c.is_ascii_digit());
        return Heard::Answer(serde_json::from_str::<Value>(json).unwrap()[0].clone());
    }
    let Some(event) = text.strip_prefix("42") else { return Heard::Other };
    let event: Value = serde_json::from_str(event).unwrap();
    match event[0].as_str() {
        Some("auth:expiring") => Heard::Expiring,
        Some("notification") if event[1]["data"]["status"] == "BLOCKED" => Heard::Blocked,
        Some("notification") => {
            let (room, number) = event[1]["title"].as_str().unwrap().rsplit_once(' ').unwrap();
            Heard::Row(room.to_owned(), number.parse().unwrap())
        }
        _ => Heard::Other,
    }
}

async fn refresh(light: &mut Light, user: &User, seconds: i64) {
    let argument = json!({"token": user.token_for(seconds)});
    light.send(format!("421[\"auth:refresh\",{argument}]")).await.unwrap();
}

impl Load {
    /// Publishes to everyone in turn, until the run is over; what was kept for each room.
    async fn publish(self: Arc<Self>) -> Vec<(String, u64)> {
        let mut kept = Vec::new();
        while !self.is_over.load(SeqCst) {
            let number = self.begun.fetch_add(1, SeqCst) + 1;
            let users = ["k", "b"].map(|kind| format!("user:{kind}{}", number % KEEPERS.max(BLOCKED) as u64));
            for room in ["role:admin", "role:doctor"].into_iter().chain(users.iter().map(String::as_str)) {
                let note = carillon_tests::clinic::note(&[room], &format!("{room} {number}"));
                let answer = self.http.post("/api/v1/notifications", &note).with_key().send().await;
                answer.expect(201);
                kept.push((room.to_owned(), number));
            }
        }
        kept
    }

    /// A patient with short tokens, each in time for the next: all that was heard until the word `end`.
    async fn keep(self: Arc<Self>, address: String, user: User) -> (Vec<u64>, u32) {
        let mut light = Light::connect(&address, &user.token_for(SHORT), None).await.unwrap();
        let (mut numbers, mut refreshed) = (Vec::new(), 0);
        loop {
            match read(&light.text().await.unwrap()) {
                Heard::Expiring => refresh(&mut light, &user, SHORT).await,
                Heard::Answer(answer) => {
                    assert_eq!(answer["ok"], true, "{answer}");
                    refreshed += 1;
                }
                Heard::Row(room, _) if room == "end" => return (numbers, refreshed),
                Heard::Row(room, number) => {
                    assert_eq!(room, user.room());
                    numbers.push(number);
                }
                Heard::Blocked | Heard::Other => {}
            }
        }
    }

    /// A doctor who becomes an admin, and back again, over and over: how often, and how much was heard that was published
    /// once the room was left.
    async fn change(self: Arc<Self>, address: String, id: String) -> (u32, u32, u32) {
        let roles = ["ADMIN", "DOCTOR"].map(|role| User::new(id.clone(), role));
        let mut light = Light::connect(&address, &roles[1].token(), None).await.unwrap();
        let (mut changes, mut heard, mut leaks) = (0, 0, 0);
        while !self.is_over.load(SeqCst) {
            let (user, left) = [(&roles[0], "role:doctor"), (&roles[1], "role:admin")][changes as usize % 2];
            refresh(&mut light, user, 3600).await;
            while !matches!(read(&light.text().await.unwrap()), Heard::Answer(answer) if answer["ok"] == true)
            {
            }
            let (begun, since) = (self.begun.load(SeqCst), Instant::now());
            while since.elapsed() < Duration::from_millis(200) {
                let Ok(text) = timeout(Duration::from_millis(200), light.text()).await else { break };
                if let Heard::Row(room, number) = read(&text.unwrap()) {
                    heard += 1;
                    leaks += u32::from(room == left && number > begun);
                }
            }
            changes += 1;
        }
        (changes, heard, leaks)
    }

    /// Someone who is blocked in the middle: how long after the publisher was answered the socket was closed, and how much
    /// came after the word that they are blocked.
    async fn block(self: Arc<Self>, address: String, user: User, after: Duration) -> (Duration, u32) {
        let mut light = Light::connect(&address, &user.token(), None).await.unwrap();
        let status =
            |status| json!({"event": "user:status_changed", "data": {"userId": user.id, "status": status}});
        let blocked = async {
            sleep(after).await;
            self.http.post("/api/v1/events", &status("BLOCKED")).with_key().send().await.expect(201);
            Instant::now()
        };
        let heard = async {
            let (mut is_told, mut leaks) = (false, 0);
            while let Ok(text) = light.text().await {
                match read(&text) {
                    Heard::Blocked => is_told = true,
                    Heard::Row(room, _) => {
                        assert_eq!(room, user.room());
                        leaks += u32::from(is_told);
                    }
                    Heard::Expiring | Heard::Answer(_) | Heard::Other => {}
                }
            }
            assert!(is_told, "{} was not told", user.id);
            (Instant::now(), leaks)
        };
        let (answered, heard) = tokio::join!(blocked, timeout(RUN + PATIENCE, heard));
        let (closed, leaks) = heard.unwrap_or_else(|_| panic!("{} is blocked and still served", user.id));
        let again =
            Light::connect(&address, &user.token(), None).await.err().map(|refused| refused.to_string());
        assert!(again.as_ref().is_some_and(|refused| refused.contains("user_blocked")), "{again:?}");
        (closed.saturating_duration_since(answered), leaks)
    }
}

#[tokio::test]
async fn nothing_leaks_while_rights_change_under_load() {
    let clinic = Clinic::open_with(NodeSettings::default().set("JWT_LEEWAY_SECONDS", 0)).await;
    let address = || clinic.node.address().to_owned();
    let (begun, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let load = Arc::new(Load { http: clinic.http.clone(), begun, is_over });
    let keepers: Vec<_> = (0..KEEPERS)
        .map(|n| tokio::spawn(Arc::clone(&load).keep(address(), User::new(format!("k{n}"), "PATIENT"))))
        .collect();
    let changers: Vec<_> =
        (0..4).map(|n| tokio::spawn(Arc::clone(&load).change(address(), format!("c{n}")))).collect();
    let blocked: Vec<_> = (0..BLOCKED)
        .map(|n| {
            let (user, after) = (User::new(format!("b{n}"), "PATIENT"), RUN.mul_f64(0.1 * (n + 1) as f64));
            tokio::spawn(Arc::clone(&load).block(address(), user, after))
        })
        .collect();
    let publishers: Vec<_> = (0..3).map(|_| tokio::spawn(Arc::clone(&load).publish())).collect();
    sleep(RUN).await;
    load.is_over.store(true, SeqCst);
    let mut kept = Vec::new();
    for publisher in publishers {
        kept.extend(publisher.await.unwrap());
    }

    for (n, keeper) in keepers.into_iter().enumerate() {
        let room = format!("user:k{n}");
        clinic.notify(&[&room], "end 0").await;
        let (mut heard, refreshed) = keeper.await.unwrap();
        let mut theirs: Vec<_> =
            kept.iter().filter(|(to, _)| *to == room).map(|(_, number)| *number).collect();
        heard.sort_unstable();
        theirs.sort_unstable();
        assert!(!theirs.is_empty() && refreshed >= 2, "{refreshed} fresh tokens");
        assert_eq!(heard, theirs, "{room}: all of it, once");
    }
    for changer in changers {
        let (changes, heard, leaks) = changer.await.unwrap();
        assert!(changes > 4 && heard > 0, "{changes} changes, {heard} heard");
        assert_eq!(leaks, 0, "of {heard} heard");
    }
    for blocked in blocked {
        let (late, leaks) = blocked.await.unwrap();
        assert_eq!(leaks, 0);
        println!("closed {late:?} after the publisher was answered");
    }
}
