//! The publisher: an open loop. Each request has its time, whatever became of those before it, and latency counts from
//! that time; a server that falls behind is thereby measured and not waited for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::fleet::{Stamp, micros};
use crate::latency::Latencies;
use crate::target::Target;
use crate::{Audience, Bench};

/// Requests under way at once. Beyond, the next one is late, and its latency says so.
const UNDER_WAY: usize = 1024;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which notification is for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) audience: Audience,
    pub(crate) clients: usize,
}

impl Plan {
    /// Where among those for client `number` the `seq`th notification of the run comes; `None` if it is not for it.
    pub(crate) fn turn(self, seq: u64, number: usize) -> Option<u64> {
        let clients = self.clients as u64;
        match self.audience {
            Audience::Role | Audience::All => Some(seq),
            Audience::User => (seq % clients == number as u64).then_some(seq / clients),
        }
    }

    fn room(self, seq: u64) -> String {
        match self.audience {
            Audience::User => format!("user:load-{}", seq % self.clients as u64),
            Audience::Role => "role:patient".to_owned(),
            Audience::All => "all".to_owned(),
        }
    }
}

/// What became of the publishes.
pub(crate) struct Published {
    /// Whether each notification of the run was accepted.
    pub(crate) accepted: Vec<bool>,
    /// From a request's intended time to its answer of 201 or 207.
    pub(crate) latencies: Latencies,
    /// How many notifications were not accepted, by status or error.
    pub(crate) failed: BTreeMap<String, u64>,
}

/// One request's outcome: the number of its first notification, and for each whether it was accepted or why not.
type Outcome = (u64, Duration, Vec<Result<(), String>>);

/// Publishes the whole run.
pub(crate) async fn publish(
    target: &Target,
    options: &Bench,
    plan: Plan,
    epoch: Instant,
) -> Result<Published> {
    if options.rate == 0 {
        bail!("--rate must be at least 1");
    }
    let http = reqwest::Client::builder().timeout(PATIENCE).tcp_nodelay(true).build()?;
    let (requests, batch) = (u64::from(options.rate) * u64::from(options.seconds), u64::from(options.batch));
    let room_for = Arc::new(Semaphore::new(UNDER_WAY));
    let begin = Instant::now();
    let mut under_way: JoinSet<Outcome> = JoinSet::new();
    let mut published =
        Published { accepted: Vec::new(), latencies: Latencies::new(), failed: BTreeMap::new() };
    published.accepted.resize(usize::try_from(requests * batch)?, false);
    for number in 0..requests {
        let due = begin + Duration::from_secs(number) / options.rate;
        sleep_until(due.into()).await;
        let place = Arc::clone(&room_for).acquire_owned().await?;
        let (first, at) = (number * batch, micros(due - epoch));
        let request = request(&http, target, options, plan, first, at);
        under_way.spawn(async move {
            let outcome = send(request, batch).await;
            drop(place);
            (first, due.elapsed(), outcome)
        });
        while let Some(outcome) = under_way.try_join_next() {
            published.note(outcome?);
        }
    }
    while let Some(outcome) = under_way.join_next().await {
        published.note(outcome?);
    }
    Ok(published)
}

impl Published {
    fn note(&mut self, (first, took, outcomes): Outcome) {
        if outcomes.iter().any(Result::is_ok) {
            self.latencies.record(usize::try_from(first).unwrap_or_default(), took);
        }
        for (seq, outcome) in (first..).zip(outcomes) {
            match outcome {
                Ok(()) => self.accepted[usize::try_from(seq).unwrap_or(usize::MAX)] = true,
                Err(why) => *self.failed.entry(why).or_default() += 1,
            }
        }
    }
}

fn request(
    http: &reqwest::Client,
    target: &Target,
    options: &Bench,
    plan: Plan,
    first: u64,
    at: u64,
) -> reqwest::RequestBuilder {
    let item = |seq: u64| {
        json!({
            "to": [plan.room(seq)], "type": "LOAD", "title": "A notification under load",
            "message": "About as long as one that a clinic would send to a patient.", "data": Stamp { seq, at }
        })
    };
    let (path, body) = if options.batch == 1 {
        ("/api/v1/notifications", item(first))
    } else {
        let items: Vec<Value> = (first..first + u64::from(options.batch)).map(item).collect();
        ("/api/v1/notifications/batch", json!({"items": items}))
    };
    http.post(format!("{}{path}", target.url)).bearer_auth(&target.publish_key).json(&body)
}

async fn send(request: reqwest::RequestBuilder, batch: u64) -> Vec<Result<(), String>> {
    let all = |outcome: Result<(), String>| (0..batch).map(|_| outcome.clone()).collect();
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_timeout() => return all(Err("timeout".into())),
        Err(_) => return all(Err("no answer".into())),
    };
    match answer.status().as_u16() {
        201 => all(Ok(())),
        207 => {
            let body: Value = answer.json().await.unwrap_or_default();
            let status = |number: usize| match body["results"][number]["status"].as_u64() {
                Some(201) => Ok(()),
                Some(status) => Err(status.to_string()),
                None => Err("no status".into()),
            };
            (0..usize::try_from(batch).unwrap_or_default()).map(status).collect()
        }
        status => all(Err(status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_in_turn_hears_its_own() {
        let plan = Plan { audience: Audience::User, clients: 3 };
        assert_eq!((plan.room(7).as_str(), plan.turn(7, 1), plan.turn(7, 2)), ("user:load-1", Some(2), None));
        let plan = Plan { audience: Audience::All, clients: 3 };
        assert_eq!((plan.room(7).as_str(), plan.turn(7, 1)), ("all", Some(7)));
    }
}
