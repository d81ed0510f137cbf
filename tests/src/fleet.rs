//! Many clients that keep a journal: official ones in one Node.js process, light ones in this.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::driver::Driver;
use crate::journal::{Journal, Told};
use crate::light::Light;
use crate::{Dice, User};

/// How an official client may travel.
pub const WAYS: [&[&str]; 3] = [&["websocket"], &["polling"], &["polling", "websocket"]];

/// Official clients. All end with the fleet.
#[derive(Debug)]
pub struct Fleet {
    driver: Arc<Driver>,
    journal: Arc<Journal>,
    /// Whose clients they are: the journal that the driver keeps of them.
    of: &'static str,
}

impl Fleet {
    /// A Node.js process without clients.
    #[must_use]
    pub fn start(journal: &Arc<Journal>) -> Self {
        let driver = Driver::start_with(Arc::clone(journal));
        Self { driver, journal: Arc::clone(journal), of: "carillon" }
    }

    /// The same, for clients of the official server: there is no `inbox:state`, and offsets are ids of a Redis stream.
    #[must_use]
    pub fn start_for_socketio(journal: &Arc<Journal>) -> Self {
        Self { of: "socketio", ..Self::start(journal) }
    }

    /// Opens a client: its number in the journal.
    pub async fn open(&self, url: &str, user: &User, transports: &[&str]) -> u64 {
        self.open_with(url, json!({"token": user.token()}), transports).await
    }

    /// Opens a client at the first of these; whenever it loses one it is sent to another, as a balancer would.
    pub async fn open_among(&self, urls: &[String], user: &User, transports: &[&str]) -> u64 {
        self.connect(json!(urls), json!({"token": user.token()}), transports).await
    }

    /// Opens a client with this CONNECT payload.
    pub async fn open_with(&self, url: &str, auth: Value, transports: &[&str]) -> u64 {
        self.connect(json!(url), auth, transports).await
    }

    async fn connect(&self, url: Value, auth: Value, transports: &[&str]) -> u64 {
        let client = self.journal.client();
        let options = json!({"auth": auth, "transports": transports});
        let version = "socket.io-client";
        self.driver
            .tell(&json!({
                "cmd": "connect", "client": client, "url": url, "options": options, "version": version, "journal": self.of,
            }))
            .await;
        client
    }

    /// Loses the transport of a client, which comes back by itself.
    pub async fn cut(&self, client: u64) {
        self.driver.tell(&json!({"cmd": "cut", "client": client})).await;
    }

    /// Loses the transport of a client, which stays away.
    pub async fn away(&self, client: u64) {
        self.driver.tell(&json!({"cmd": "away", "client": client})).await;
    }

    /// Lets a client that was away come back.
    pub async fn back(&self, client: u64) {
        self.driver.tell(&json!({"cmd": "back", "client": client})).await;
    }
}

/// Light clients, each in a task. They keep pid and offset and return as the official client does; all end with the fleet.
#[derive(Debug, Default)]
pub struct LightFleet {
    tasks: JoinSet<()>,
    asleep: watch::Sender<usize>,
    /// What the kernel shall hold, in bytes, for each client that is opened from now on and does not read.
    pub receive_buffer: Option<u32>,
}

impl LightFleet {
    /// Opens a client at the first of these (`http://127.0.0.1:PORT`): its number in the journal, and what ends it.
    /// Whenever it loses one it goes to another.
    pub fn open(&mut self, journal: &Arc<Journal>, urls: &[String], user: &User) -> (u64, AbortHandle) {
        let number = journal.client();
        let life = Life {
            journal: Arc::clone(journal),
            number,
            addresses: urls.iter().map(|url| url.trim_start_matches("http://").to_owned()).collect(),
            at: 0,
            ordinal: self.tasks.len(),
            asleep: self.asleep.subscribe(),
            receive_buffer: self.receive_buffer,
            auth: json!({"token": user.token()}),
            dice: Dice::new(number),
        };
        (number, self.tasks.spawn(life.live()))
    }

    /// The first so many of them read nothing, until this is said again with fewer.
    pub fn sleep(&self, first: usize) {
        self.asleep.send_replace(first);
    }
}

struct Life {
    journal: Arc<Journal>,
    number: u64,
    addresses: Vec<String>,
    /// Which of them is its own now.
    at: usize,
    /// How many were opened before it.
    ordinal: usize,
    asleep: watch::Receiver<usize>,
    receive_buffer: Option<u32>,
    /// The next CONNECT's payload: the token, and once there were any the pid and the offset.
    auth: Value,
    dice: Dice,
}

impl Life {
    async fn live(mut self) {
        loop {
            match self.connect().await {
                Ok(light) => {
                    // Its end, whatever the reason, is a disconnect.
                    drop(self.listen(light).await);
                    self.journal.told(self.number, Told::Disconnected);
                }
                Err(error) => {
                    self.journal.told(self.number, Told::Refused { message: format!("{error:#}") });
                }
            }
            let others = self.addresses.len() - 1;
            self.at += if others > 0 { 1 + self.dice.below(others) } else { 0 };
            // As long as the driver's official clients wait.
            sleep(Duration::from_millis(10 + self.dice.below(90) as u64)).await;
        }
    }

    async fn connect(&mut self) -> Result<Light> {
        // The official client's own timeout is 20 s; a test has less.
        let connected = timeout(Duration::from_secs(8), async {
            let mut light =
                Light::open(&self.addresses[self.at % self.addresses.len()], self.receive_buffer).await?;
            let answer = light.join(&self.auth).await?;
            anyhow::Ok((light, answer))
        });
        let (light, answer) = connected.await.context("connecting took too long")??;
        let recovered = answer["pid"].is_string() && answer["pid"] == self.auth["pid"];
        self.auth["pid"] = answer["pid"].clone();
        self.journal.told(self.number, Told::Connected { recovered });
        Ok(light)
    }

    async fn listen(&mut self, mut light: Light) -> Result<()> {
        let silence = light.silence();
        loop {
            // It ends with the fleet alone.
            drop(self.asleep.wait_for(|asleep| self.ordinal >= *asleep).await);
            let (name, args) = timeout(silence, light.event()).await??;
            let Some(offset) = args.last().and_then(Value::as_str) else { continue };
            self.auth["offset"] = json!(offset);
            let offset = offset.parse().with_context(|| format!("{name} ended in {offset:?}"))?;
            match name.as_str() {
                "inbox:state" => {
                    let recovered = args[0]["recovered"] == true;
                    self.journal.told(self.number, Told::State { recovered, offset });
                }
                "notification" => {
                    let id = args[0]["id"].as_str().unwrap_or_default().to_owned();
                    self.journal.told(self.number, Told::Received { id, offset });
                }
                _ => {}
            }
        }
    }
}
