//! What happened, as those to whom it happened wrote it down: publishers, official clients, light clients.
//!
//! Times are milliseconds of the wall clock since 1970, so that the journals of several processes of one machine compare.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use carillon_domain::Offset;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::timeout;

/// More than any test writes; one that does is wrong.
const MOST: usize = 5_000_000;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A publish was tried.
    Tried {
        /// Its idempotency key, which is its notifications' title too.
        key: String,
        /// The answer's status; `None` when the connection broke.
        status: Option<u16>,
        /// Milliseconds from the request to the answer.
        took: u64,
        /// When it was over.
        at: u64,
    },
    /// A publish was acknowledged.
    Acknowledged {
        /// Its key.
        key: String,
        /// Id and room of each of its notifications.
        rows: Vec<(String, String)>,
    },
    /// Something was told to a client.
    Told {
        /// Which.
        client: u64,
        /// What.
        what: Told,
        /// When.
        at: u64,
    },
}

/// What a client is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Its CONNECT was accepted; `recovered` as the client says.
    Connected {
        /// The session is the one from before.
        recovered: bool,
    },
    /// `inbox:state`.
    State {
        /// Nothing need be reloaded.
        recovered: bool,
        /// Where the session stands.
        offset: Offset,
    },
    /// `notification`.
    Received {
        /// Its id.
        id: String,
        /// Its place.
        offset: Offset,
    },
    /// The connection is over.
    Disconnected,
    /// A connection was not to be had.
    Refused {
        /// Why.
        message: String,
    },
}

/// How far one client is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it has been told of its inbox and not been disconnected since.
    pub online: bool,
    /// How often it was told of its inbox.
    pub states: u32,
    /// How many notifications it has received.
    pub received: u32,
    /// The last of them: its id.
    pub last: String,
}

/// The journal of one test.
#[derive(Debug)]
pub struct Journal {
    written: Mutex<Written>,
    grown: watch::Sender<()>,
    clients: AtomicU64,
}

#[derive(Debug, Default)]
struct Written {
    entries: Vec<Entry>,
    standings: HashMap<u64, Standing>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { written: Mutex::default(), grown: watch::channel(()).0, clients: AtomicU64::new(0) }
    }
}

/// Now.
#[must_use]
pub fn now() -> u64 {
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

impl Journal {
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a new client.
    pub fn client(&self) -> u64 {
        self.clients.fetch_add(1, Relaxed)
    }

    /// Writes one entry.
    ///
    /// # Panics
    /// When there are absurdly many.
    pub fn write(&self, entry: Entry) {
        let mut written = self.lock();
        assert!(written.entries.len() < MOST, "nobody reads that much");
        if let Entry::Told { client, what, .. } = &entry {
            written.standings.entry(*client).or_default().hear(what);
        }
        written.entries.push(entry);
        drop(written);
        self.grown.send_replace(());
    }

    /// Writes what a client is told now.
    pub fn told(&self, client: u64, what: Told) {
        self.write(Entry::Told { client, what, at: now() });
    }

    /// Everything so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// The last things that this client was told, for whoever wonders.
    #[must_use]
    pub fn tail(&self, of: u64) -> Vec<(u64, Told)> {
        let written = self.lock();
        let told = written.entries.iter().rev().filter_map(|entry| match entry {
            Entry::Told { client, what, at } if *client == of => Some((*at, what.clone())),
            _ => None,
        });
        told.take(8).collect()
    }

    /// How far this client is.
    #[must_use]
    pub fn standing(&self, client: u64) -> Standing {
        self.lock().standings.get(&client).cloned().unwrap_or_default()
    }

    /// Waits until each of these clients stands so; answers those that still do not after `within`.
    pub async fn until(
        &self,
        clients: impl IntoIterator<Item = u64>,
        within: Duration,
        stands_so: impl Fn(&Standing) -> bool,
    ) -> Vec<u64> {
        let mut left: Vec<u64> = clients.into_iter().collect();
        let mut grown = self.grown.subscribe();
        let waited = timeout(within, async {
            loop {
                {
                    let standings = &self.lock().standings;
                    left.retain(|client| !standings.get(client).is_some_and(&stands_so));
                }
                if left.is_empty() || grown.changed().await.is_err() {
                    return;
                }
            }
        });
        drop(waited.await);
        left
    }
}

impl Standing {
    fn hear(&mut self, what: &Told) {
        match what {
            Told::State { .. } => {
                self.online = true;
                self.states += 1;
            }
            Told::Received { id, .. } => {
                self.received += 1;
                self.last.clone_from(id);
            }
            Told::Disconnected => self.online = false,
            Told::Connected { .. } | Told::Refused { .. } => {}
        }
    }
}

/// A line of `js/driver.mjs`'s journal: what, which client, when, and two more words about it.
#[derive(Debug, Deserialize)]
pub(crate) struct Line(Letter, u64, u64, Word, Word);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Letter {
    C,
    S,
    N,
    D,
    E,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Word {
    Yes(bool),
    Text(String),
    None,
}

impl TryFrom<Line> for Entry {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        let Line(letter, client, at, one, two) = line;
        let offset = |text: &str| text.parse::<Offset>().map_err(|error| format!("{text}: {error}"));
        let what = match (letter, one, two) {
            (Letter::C, Word::Yes(recovered), _) => Told::Connected { recovered },
            (Letter::S, Word::Yes(recovered), Word::Text(text)) => {
                Told::State { recovered, offset: offset(&text)? }
            }
            (Letter::N, Word::Text(id), Word::Text(text)) => Told::Received { id, offset: offset(&text)? },
            (Letter::D, ..) => Told::Disconnected,
            (Letter::E, Word::Text(message), _) => Told::Refused { message },
            other => return Err(format!("{other:?}")),
        };
        Ok(Self::Told { client, what, at })
    }
}
