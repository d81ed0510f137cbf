//! From diesel's errors to the ports'.

use std::error::Error as _;

use carillon_domain::ports::PortError;
use deadpool::managed::PoolError;
use diesel::ConnectionError;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::settings::Settings;

/// Why a database could not be opened. The text is for whoever set `DATABASE_URL`; the password is not in it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer Carillon, or another program, has been here.
    #[error("{url} has schema version {version}, which this program does not know: it is newer, or not ours")]
    Newer {
        /// The database.
        url: String,
        /// The first unknown version.
        version: String,
    },
    /// It is not there, or not ready. Trying again may help.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// The database.
        url: String,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anything else.
    #[error("{url} cannot be opened")]
    Failed {
        /// The database.
        url: String,
        /// What the server said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    pub(crate) fn of(settings: &Settings, fault: impl Into<StepError>) -> Self {
        let (url, fault) = (settings.shown.clone(), fault.into());
        let transient = fault.is_transient();
        let source = Box::new(fault);
        if transient { Self::Unreachable { url, source } } else { Self::Failed { url, source } }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Server(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Session(#[from] ConnectionError),
    #[error("the session cannot be set up")]
    Setup(#[source] DieselError),
    #[error("no answer within {0:?}")]
    Late(std::time::Duration),
}

impl ConnectError {
    fn is_transient(&self) -> bool {
        let Self::Server(fault) = self else { return true };
        match fault.code() {
            // Invalid authorization, and no such database: for someone to set right.
            Some(code) => !["28", "3D"].contains(&&code.code()[..2]),
            // The network's fault, or the server's; but not a certificate or a setting that will not do.
            None => {
                let io = fault.source().and_then(|source| source.downcast_ref::<std::io::Error>());
                fault.is_closed() || io.is_some_and(|io| io.kind() != std::io::ErrorKind::InvalidData)
            }
        }
    }
}

/// Why a step on a connection failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Diesel(#[from] DieselError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("there is no connection")]
    Closed,
    #[error("row {row} of {table} cannot be read back")]
    Corrupt { table: &'static str, row: String },
}

impl From<PoolError<ConnectError>> for StepError {
    fn from(fault: PoolError<ConnectError>) -> Self {
        match fault {
            PoolError::Backend(fault) => Self::Connect(fault),
            // Neither timeouts nor hooks are set, and nobody closes a pool.
            _ => Self::Closed,
        }
    }
}

impl StepError {
    pub(crate) fn on(self, port: &'static str) -> PortError {
        match self {
            Self::Corrupt { table, row } => PortError::Corrupt { table, row },
            // Whatever is wrong with a connection, the step has not happened and may be tried again.
            Self::Connect(_) | Self::Closed => PortError::Unavailable { port, source: Box::new(self) },
            Self::Diesel(ref fault) if is_transient(fault) => {
                PortError::Unavailable { port, source: Box::new(self) }
            }
            Self::Diesel(_) => PortError::Rejected { port, source: Box::new(self) },
        }
    }

    /// Whether trying again may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Diesel(fault) => is_transient(fault),
            Self::Connect(fault) => fault.is_transient(),
            Self::Closed => true,
            Self::Corrupt { .. } => false,
        }
    }
}

/// Whether trying again may help. Diesel tells a few of PostgreSQL's codes and keeps the others to itself, and the texts
/// are in the server's language. What it does not tell is, for statements that have been prepared before, the server's
/// trouble: a lock or time limit, a full disk, a shutdown. A fault in a statement is known by having a place in it.
fn is_transient(fault: &DieselError) -> bool {
    use DatabaseErrorKind as Kind;
    match fault {
        DieselError::DatabaseError(Kind::Unknown, said) => said.statement_position().is_none(),
        DieselError::DatabaseError(kind, _) => matches!(
            kind,
            Kind::UnableToSendCommand
                | Kind::ClosedConnection
                | Kind::SerializationFailure
                | Kind::ReadOnlyTransaction
        ),
        DieselError::BrokenTransactionManager => true,
        DieselError::RollbackErrorOnCommit { commit_error, .. } => is_transient(commit_error),
        _ => false,
    }
}
