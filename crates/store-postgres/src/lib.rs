//! Carillon's log and inbox on PostgreSQL, for several nodes over one log.
//!
//! The head's row lock orders everyone who appends, held for one statement on the server and never across the network, so
//! that a node which freezes holds nobody up. Appends have a connection of their own, reads and marks each a pool: a flood
//! of one does not starve another. Every call ends within a bounded time, on the server a little earlier than here. The
//! adapter uses diesel over tokio-postgres and nothing of the other floors but [`carillon_domain`]; its SQLite twin has
//! the same files.
//!
//! ```no_run
//! # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use carillon_domain::ports::{Inbox, Log};
//! use carillon_store_postgres::{PostgresStore, Settings};
//!
//! let settings = Settings::from_url("postgres://carillon:secret@db/clinic")?;
//! let store = Arc::new(PostgresStore::open(settings).await?);
//! let (log, inbox): (Arc<dyn Log>, Arc<dyn Inbox>) = (store.clone(), store);
//! # Ok(()) }
//! ```

mod acks;
mod append;
mod audit;
mod broadcasts;
mod connect;
mod erasing;
mod error;
mod explain;
mod fire;
mod inbox;
mod listing;
mod log;
mod marks;
mod migrate;
mod muting;
mod outbox;
mod pool;
mod rows;
mod schema;
mod seen;
mod settings;
mod statement;
mod tls;
mod unread;

pub use error::OpenError;
pub use settings::{BadUrl, Settings};

use std::time::Duration;

use carillon_domain::Epoch;
use carillon_domain::ports::PortError;
use pool::{Patience, Pool};

/// An append, of which a publisher has three tries before it answers.
const APPEND: Patience = Patience::of(Duration::from_millis(1_500));
/// All else: a reader who waits longer has gone away.
const OTHER: Patience = Patience::of(Duration::from_millis(4_500));

/// An open database. Clones share its connections.
#[derive(Clone)]
pub struct PostgresStore {
    appender: Pool,
    writers: Pool,
    readers: Pool,
}

impl PostgresStore {
    /// Connects, brings the schema up to date, and draws a new epoch if the data no longer lies where it lay.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        migrate::migrate(&settings).await?;
        let pool = |size, patience| Pool::new(&settings, size, patience);
        Ok(Self {
            appender: pool(1, APPEND),
            writers: pool(settings.writers, OTHER),
            readers: pool(settings.readers, OTHER),
        })
    }

    /// Brings a database's schema up to date; answers the versions that were applied. [`PostgresStore::open`] does the
    /// same on its way.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn migrate(settings: Settings) -> Result<Vec<String>, OpenError> {
        migrate::migrate(&settings).await
    }

    /// Begins a new life of the log. To be done once a backup has been restored: what clients have seen since it was
    /// taken is not in this log, and its positions will be handed out again. A dump restored and a recovery to an earlier
    /// point are noticed without it; a copy of the data directory put back in its place is not.
    ///
    /// # Errors
    /// As all ports.
    pub async fn renew_epoch(&self) -> Result<Epoch, PortError> {
        self.writers.run("log", |mut c| async move { Ok((log::renew_epoch(&mut c).await?, c)) }).await
    }
}

#[cfg(test)]
mod tests;
