//! The store, past the gateway: what the checker holds journals against, and what an operator's hand may do to it.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use carillon_domain::ports::{Inbox, Log, Trim};
use carillon_domain::{Offset, Position, Principal, Timestamp};
use carillon_store_postgres::PostgresStore;
use carillon_store_sqlite::SqliteStore;

use crate::User;
use crate::checker::LogRow;

const PAGE: u32 = 1_000;

/// A store that a gateway uses too.
pub struct Store {
    log: Arc<dyn Log>,
    inbox: Arc<dyn Inbox>,
}

impl Store {
    /// The store at this `DATABASE_URL`.
    ///
    /// # Errors
    /// When it cannot be opened; the other methods fail when it cannot be used.
    pub async fn open(database_url: &str) -> Result<Self> {
        if database_url.starts_with("postgres") {
            let settings = carillon_store_postgres::Settings::from_url(database_url)?;
            let store = Arc::new(PostgresStore::open(settings).await?);
            return Ok(Self { log: Arc::clone(&store) as _, inbox: store });
        }
        let settings = carillon_store_sqlite::Settings::from_url(database_url)?;
        let store = Arc::new(SqliteStore::open(settings).await?);
        Ok(Self { log: Arc::clone(&store) as _, inbox: store })
    }

    /// All rows of the log.
    ///
    /// # Errors
    /// See [`Store::open`].
    pub async fn rows(&self) -> Result<Vec<LogRow>> {
        let mut rows = Vec::new();
        let mut after = Position::START;
        loop {
            let page = self.log.read(after, PAGE).await?;
            let epoch = page.head.epoch;
            rows.extend(page.rows.iter().map(|row| LogRow {
                offset: Offset { epoch, position: row.position },
                id: row.notification.id.to_string(),
                room: row.room.to_string(),
                key: row.notification.title.clone(),
            }));
            if page.through >= page.head.position {
                return Ok(rows);
            }
            after = page.through;
        }
    }

    /// The log itself.
    #[must_use]
    pub fn log(&self) -> &dyn Log {
        &*self.log
    }

    /// The rooms of a user who has been here, and the position since which each is theirs.
    ///
    /// # Errors
    /// See [`Store::open`].
    pub async fn entitled(&self, user: &User) -> Result<Vec<(String, Position)>> {
        let profile = user.profile.as_ref().map(|(_, id)| id.parse()).transpose()?;
        let expires_at = jiff::Timestamp::MAX.into();
        let principal = Principal::new(user.id.parse()?, None, user.role.parse()?, profile, expires_at);
        let entitled = self.inbox.enter(&principal).await?;
        Ok(entitled.rooms.into_iter().map(|one| (one.room.to_string(), one.since)).collect())
    }

    /// Deletes every row that was created before this moment (milliseconds since 1970), as retention would.
    ///
    /// # Errors
    /// See [`Store::open`].
    pub async fn trim(&self, before: u64) -> Result<()> {
        let before = Timestamp::from_millis(i64::try_from(before)?).context("no such moment")?;
        let trim = Trim { rows_before: before, keys_before: before };
        while self.log.trim(trim).await? {}
        Ok(())
    }
}
