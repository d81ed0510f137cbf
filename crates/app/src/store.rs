//! The store that `DATABASE_URL` names, opened and migrated.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use backon::{ExponentialBuilder, Retryable as _};
use carillon_domain::Epoch;
use carillon_domain::ports::{Acks, Audit, Broadcasts, Explain, Inbox, LastSeen, Log, Outbox, PortError};
use carillon_store_postgres::{OpenError, PostgresStore};
use carillon_store_sqlite::SqliteStore;

use crate::measured::Measured;
use crate::settings::{Database, Settings};

/// How long a database may be away at the start: long enough for one that is started at the same time.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open store.
pub(crate) enum Store {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

/// The ports of one store.
pub(crate) struct Ports {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) explain: Arc<dyn Explain>,
    pub(crate) last_seen: Arc<dyn LastSeen>,
    pub(crate) audit: Arc<dyn Audit>,
    pub(crate) broadcasts: Arc<dyn Broadcasts>,
    pub(crate) acks: Arc<dyn Acks>,
    /// Where services publish by SQL: where they share the database.
    pub(crate) outbox: Option<Arc<dyn Outbox>>,
}

impl Ports {
    fn of<S: Log + Inbox + Explain + LastSeen + Audit + Broadcasts + Acks + 'static>(store: &Arc<S>) -> Self {
        Self {
            log: Arc::new(Measured(Arc::clone(store) as _)),
            inbox: Arc::clone(store) as _,
            explain: Arc::clone(store) as _,
            last_seen: Arc::clone(store) as _,
            audit: Arc::clone(store) as _,
            broadcasts: Arc::clone(store) as _,
            acks: Arc::clone(store) as _,
            outbox: None,
        }
    }
}

impl Store {
    /// Opens the store and brings its schema up to this version. A server that is not there is waited for.
    pub(crate) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        match &settings.database {
            Database::Sqlite(file) => {
                let opened = SqliteStore::open(carillon_store_sqlite::Settings::new(file)).await;
                opened.map(Self::Sqlite).context("DATABASE_URL")
            }
            Database::Postgres(store) => {
                let open = || PostgresStore::open((**store).clone());
                let waits = ExponentialBuilder::new()
                    .with_min_delay(Duration::from_millis(100))
                    .with_max_delay(Duration::from_secs(2))
                    .with_total_delay(Some(PATIENCE))
                    .without_max_times();
                let opened = open.retry(waits).when(OpenError::is_transient).notify(say_that_we_wait);
                opened.await.map(Self::Postgres).context("DATABASE_URL")
            }
        }
    }

    /// Its ports.
    pub(crate) fn ports(self) -> Ports {
        match self {
            Self::Sqlite(store) => Ports::of(&Arc::new(store)),
            Self::Postgres(store) => {
                let store = Arc::new(store);
                Ports { outbox: Some(Arc::clone(&store) as _), ..Ports::of(&store) }
            }
        }
    }

    /// Begins a new life of the log.
    pub(crate) async fn renew_epoch(&self) -> Result<Epoch, PortError> {
        match self {
            Self::Sqlite(store) => store.renew_epoch().await,
            Self::Postgres(store) => store.renew_epoch().await,
        }
    }
}

fn say_that_we_wait(fault: &OpenError, wait: Duration) {
    let cause = std::error::Error::source(fault).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(error = %fault, cause, ?wait, "the database is not there yet; trying again");
}
