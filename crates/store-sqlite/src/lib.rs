//! Carillon's log and inbox on SQLite, embedded in the binary: the default store, for one machine.
//!
//! One connection writes and a few read, all in blocking tasks; SQLite in WAL mode lets them work side by side, and
//! one writer is all the order the log needs. A commit is on the disk before it is answered. The adapter uses diesel
//! and nothing of the other floors but [`carillon_domain`]; its PostgreSQL twin has the same files.
//!
//! ```no_run
//! # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use carillon_domain::ports::{Inbox, Log};
//! use carillon_store_sqlite::{Settings, SqliteStore};
//!
//! let store = Arc::new(SqliteStore::open(Settings::from_url("sqlite://carillon.db")?).await?);
//! let (log, inbox): (Arc<dyn Log>, Arc<dyn Inbox>) = (store.clone(), store);
//! # Ok(()) }
//! ```

mod acks;
mod audit;
mod broadcasts;
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
mod pool;
mod rows;
mod schema;
mod seen;
mod settings;
mod unread;

pub use error::OpenError;
pub use settings::{BadUrl, Settings};

use carillon_domain::Epoch;
use carillon_domain::ports::PortError;
use pool::Pool;

/// An open database. Clones share it; the file is closed with the last.
#[derive(Clone)]
pub struct SqliteStore {
    writer: Pool,
    readers: Pool,
}

impl SqliteStore {
    /// Opens the database, creating it if there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        let (wait, readers) = (settings.wait, settings.readers.max(1));
        let path = settings.path.clone();
        let (writer, _) = pool::blocking(move || migrate::open_and_migrate(&settings)).await?;
        Ok(Self {
            writer: Pool::new(&path, 1, wait, pool::Use::Write).with(writer),
            readers: Pool::new(&path, readers, wait, pool::Use::Read),
        })
    }

    /// Brings a database's schema up to date, creating it if there is none; answers the versions that were applied.
    /// [`SqliteStore::open`] does the same on its way.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn migrate(settings: Settings) -> Result<Vec<String>, OpenError> {
        pool::blocking(move || migrate::open_and_migrate(&settings)).await.map(|(_, applied)| applied)
    }

    /// Begins a new life of the log. To be done once a backup has been restored: what clients have seen since it was
    /// taken is not in this log, and its positions will be handed out again.
    ///
    /// # Errors
    /// As all ports.
    pub async fn renew_epoch(&self) -> Result<Epoch, PortError> {
        self.writer.run("log", log::renew_epoch).await
    }
}

#[cfg(test)]
mod tests;
