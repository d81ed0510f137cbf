//! Opening a connection and setting it up.

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

use crate::error::ConnectError;
use crate::pool::Patience;
use crate::settings::Settings;

/// Opens connections to one database, for a pool.
pub(crate) struct Manager {
    settings: Settings,
    setup: String,
}

impl Manager {
    pub(crate) fn new(settings: &Settings, patience: Patience) -> Self {
        // A database that was put in this one's place is noticed before anything is read from it or kept in it: its log
        // has another epoch then, which a node that runs sees with its next look at the head.
        let setup = format!("{}; SELECT carillon.settle()", setup(patience));
        Self { settings: settings.clone(), setup }
    }
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = ConnectError;

    async fn create(&self) -> Result<Connection, ConnectError> {
        connect(&self.settings, &self.setup).await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<ConnectError> {
        if connection.driver.0.is_finished() {
            return Err(RecycleError::message("the server has hung up"));
        }
        Ok(())
    }
}

/// A connection, and the task that speaks for it.
pub(crate) struct Connection {
    pub(crate) inner: AsyncPgConnection,
    driver: Driver,
}

/// Hangs up at once when it is dropped, also on a server that does not answer.
struct Driver(JoinHandle<()>);

impl Driver {
    fn start(connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static) -> Self {
        Self(tokio::spawn(async move {
            // Whoever waits for an answer hears of it too.
            if let Err(fault) = connection.await {
                tracing::debug!(error = %fault, "a connection to the database has ended");
            }
        }))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) async fn connect(settings: &Settings, setup: &str) -> Result<Connection, ConnectError> {
    let (client, driver) = match &settings.tls {
        Some(tls) => {
            let (client, connection) = settings.config.connect(tls.clone()).await?;
            (client, Driver::start(connection))
        }
        None => {
            let (client, connection) = settings.config.connect(NoTls).await?;
            (client, Driver::start(connection))
        }
    };
    let mut inner = AsyncPgConnection::try_from(client).await?;
    inner.batch_execute(setup).await.map_err(ConnectError::Setup)?;
    Ok(Connection { inner, driver })
}

/// What every session is set to, whatever the server's defaults are.
///
/// - An append is ordered by a row lock and looks again once it has it, which asks for READ COMMITTED.
/// - A commit is on the disk before it is answered. Only `off` is changed: `remote_apply` is the operator's choice.
/// - All statements walk an index in its order, from a place on. Statistics lag behind a log that grows and know little of
///   pairs, so the planner is not asked whether a scan, a sort or a hash might do, and not asked again for each value.
/// - A node that is gone or stands still does not keep its transaction open.
pub(crate) fn setup(patience: Patience) -> String {
    let (statement, lock) = (patience.statement().as_millis(), patience.lock().as_millis());
    format!(
        "SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'; \
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; \
         SET plan_cache_mode = force_generic_plan; SET jit = off; \
         SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; \
         SET enable_incremental_sort = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
         SET statement_timeout = {statement}; SET lock_timeout = {lock}; \
         SET idle_in_transaction_session_timeout = {statement}; \
         SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = 10000"
    )
}
