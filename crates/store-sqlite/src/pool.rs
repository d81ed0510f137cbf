//! Connections, each used by one blocking task at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carillon_domain::ports::PortError;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, ConnectionError, SqliteConnection};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::error::StepError;

/// What a pool's connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
}

/// A few connections to one file, opened as they are needed.
///
/// A step holds its permit until it is over, even when whoever asked for it has gone away: what a cancelled call
/// left running is never joined by more than the pool allows. Whoever waits for a permit waits for a bounded time.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    path: PathBuf,
    wait: Duration,
    purpose: Use,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Pool {
    pub(crate) fn new(path: &Path, size: usize, wait: Duration, purpose: Use) -> Self {
        let (path, permits) = (path.to_owned(), Arc::new(Semaphore::new(size)));
        Self(Arc::new(Inner { path, wait, purpose, permits, idle: Mutex::default() }))
    }

    /// The same pool, with a connection that is open already.
    pub(crate) fn with(self, connection: SqliteConnection) -> Self {
        self.0.idle().push(connection);
        self
    }

    /// Does `step` on a connection of its own.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        port: &'static str,
        step: impl FnOnce(&mut SqliteConnection) -> Result<T, StepError> + Send + 'static,
    ) -> Result<T, PortError> {
        let unavailable = |source| PortError::Unavailable { port, source };
        let inner = Arc::clone(&self.0);
        let turn = tokio::time::timeout(inner.wait, Arc::clone(&inner.permits).acquire_owned());
        let permit = turn.await.map_err(|late| unavailable(late.into()))?;
        let permit = permit.map_err(|closed| unavailable(closed.into()))?;
        let done = spawn_blocking(move || {
            let done = inner.run(step);
            drop(permit);
            done
        });
        match done.await {
            Ok(done) => done.map_err(|fault| fault.on(port)),
            Err(ended) if ended.is_cancelled() => Err(unavailable(ended.into())),
            Err(panicked) => Err(PortError::Rejected { port, source: panicked.into() }),
        }
    }
}

impl Inner {
    fn run<T>(
        &self,
        step: impl FnOnce(&mut SqliteConnection) -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path, self.wait, self.purpose).map_err(StepError::Connect)?,
        };
        let done = step(&mut connection);
        // After a fault of SQLite's (or a panic) the connection goes: nobody need ask in what state it is.
        if !matches!(done, Err(StepError::Diesel(_))) {
            self.idle().push(connection);
        }
        done
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a connection and sets it up.
pub(crate) fn connect(
    path: &Path,
    wait: Duration,
    purpose: Use,
) -> Result<SqliteConnection, ConnectionError> {
    let text = path.to_str().ok_or_else(|| ConnectionError::BadConnection("not a UTF-8 path".into()))?;
    // Never a name that SQLite would read as a URI.
    let name = if path.is_absolute() { text.to_owned() } else { format!("./{text}") };
    let mut connection = SqliteConnection::establish(&name)?;
    // FULL: a commit is on the disk when it is answered, and survives a power cut (NORMAL would not, in WAL mode).
    let (wait, only_read) = (wait.as_millis(), u8::from(purpose == Use::Read));
    let setup = format!(
        "PRAGMA busy_timeout = {wait}; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA trusted_schema = OFF; PRAGMA query_only = {only_read};"
    );
    connection.batch_execute(&setup).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// Does something that blocks, away from the runtime's threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        // Only a panic: nobody has aborted it, and the runtime is still here to wait.
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}
