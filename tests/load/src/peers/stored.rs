//! A user with ever more notifications: what counting, listing and publishing take then.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use carillon_tests::User;
use carillon_tests::node::PUBLISH_KEY;
use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::figures::median;
use super::servers::{Kind, Server};
use crate::process::cpu_micros;

/// How often each is asked, one after the other.
const ASKED: u32 = 1_000;
/// Beyond, more are not counted.
const COUNTED: usize = 1_000;
/// Notifications in a request that fills the store.
const BATCH: usize = 1_000;

/// What it took with so many in the inbox. CPU is the server's, in microseconds for a request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stored {
    pub(crate) server: Kind,
    pub(crate) notifications: usize,
    pub(crate) unread_p50_ms: f64,
    pub(crate) list_p50_ms: f64,
    pub(crate) publish_p50_ms: f64,
    unread_cpu_micros: f64,
    list_cpu_micros: f64,
    publish_cpu_micros: f64,
}

/// Measures one store as it fills: all of it is one user's inbox, which is the hardest way to have it.
pub(crate) fn measure(kind: Kind, sizes: &[usize]) -> Result<Vec<Stored>> {
    let (server, mut kept) = (Server::start(kind, 100)?, 0);
    let store = Store { client: Client::new(), url: format!("http://{}/api/v1", server.address), server };
    let mut measured = Vec::new();
    for &notifications in sizes {
        eprintln!("{}: {notifications} notifications", kind.name());
        Handle::current().block_on(async {
            while kept < notifications {
                let batch = BATCH.min(notifications - kept);
                store.fill(batch).await?;
                kept += batch;
            }
            measured.push(store.measure(notifications).await?);
            anyhow::Ok(())
        })?;
    }
    Ok(measured)
}

struct Store {
    server: Server,
    client: Client,
    url: String,
}

impl Store {
    async fn fill(&self, batch: usize) -> Result<()> {
        let items = vec![draft("user:owner"); batch];
        let answer = self.post("/notifications/batch", &json!({"items": items})).send().await?;
        let answer: Value = answer.json().await?;
        let results = answer["results"].as_array().context("no results")?;
        ensure!(results.iter().all(|result| result["status"] == 201), "not all was accepted");
        Ok(())
    }

    async fn measure(&self, notifications: usize) -> Result<Stored> {
        let token = User::new("owner", "PATIENT").token();
        let get = |path| self.client.get(format!("{}{path}", self.url)).bearer_auth(&token);
        let counted: Value = get("/notifications/unread-count").send().await?.json().await?;
        ensure!(counted["unread"] == notifications.min(COUNTED), "{notifications} are counted as {counted}");
        let (unread, unread_cpu_micros) = self.ask(&|| get("/notifications/unread-count")).await?;
        let (list, list_cpu_micros) = self.ask(&|| get("/notifications?limit=20")).await?;
        // For somebody else, so that the owner's inbox stays as large as it is said to be.
        let draft = draft("user:other");
        let (publish, publish_cpu_micros) = self.ask(&|| self.post("/notifications", &draft)).await?;
        Ok(Stored {
            server: self.server.kind,
            notifications,
            unread_p50_ms: unread,
            list_p50_ms: list,
            publish_p50_ms: publish,
            unread_cpu_micros,
            list_cpu_micros,
            publish_cpu_micros,
        })
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url)).bearer_auth(PUBLISH_KEY).json(body)
    }

    /// The median of the time until the answer is read, in milliseconds, and the CPU of one.
    async fn ask(&self, request: &impl Fn() -> RequestBuilder) -> Result<(f64, f64)> {
        let (mut took, before) = (Vec::new(), cpu_micros(self.server.pid())?);
        for _ in 0..ASKED {
            let begun = Instant::now();
            let answer = request().send().await?.error_for_status()?;
            answer.bytes().await?;
            took.push(begun.elapsed());
        }
        let used = cpu_micros(self.server.pid())? - before;
        let took = median(took.iter().map(Duration::as_secs_f64).collect()).context("nothing was asked")?;
        Ok((took * 1e3, used as f64 / f64::from(ASKED)))
    }
}

fn draft(room: &str) -> Value {
    json!({
        "to": [room], "type": "LOAD", "title": "A notification under load",
        "message": "About as long as one that a clinic would send to a patient.", "data": {"appointmentId": "a-1234"}
    })
}
