//! From diesel's errors to the ports'.

use std::path::PathBuf;

use carillon_domain::ports::PortError;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why a database could not be opened. The text is for whoever set `DATABASE_URL`.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path is a directory.
    #[error("{0} is a directory, not a database file")]
    Directory(PathBuf),
    /// The directory in which the file would lie is not there.
    #[error("{0} cannot be created: its directory does not exist")]
    NoDirectory(PathBuf),
    /// The path is not UTF-8, which SQLite asks for.
    #[error("{0} is not a UTF-8 path")]
    NotUtf8(PathBuf),
    /// Something else's file.
    #[error("{0} is not an SQLite database")]
    NotADatabase(PathBuf),
    /// The process may read the file and not write it.
    #[error("{0} cannot be written: check its permissions and its directory's")]
    ReadOnly(PathBuf),
    /// A newer Carillon, or another program, has been here.
    #[error(
        "{path} has schema version {version}, which this program does not know: it is newer, or not ours"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The first unknown version.
        version: String,
    },
    /// Anything else.
    #[error("{path} cannot be opened")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    pub(crate) fn of(path: &std::path::Path, source: Box<dyn std::error::Error + Send + Sync>) -> Self {
        let (path, text) = (path.to_owned(), source.to_string());
        if text.contains("file is not a database") {
            Self::NotADatabase(path)
        } else if text.contains("readonly database") {
            Self::ReadOnly(path)
        } else {
            Self::Failed { path, source }
        }
    }
}

/// Why a step on a connection failed.
#[derive(Debug)]
pub(crate) enum StepError {
    Diesel(DieselError),
    Connect(diesel::ConnectionError),
    Corrupt { table: &'static str, row: String },
}

impl From<DieselError> for StepError {
    fn from(fault: DieselError) -> Self {
        Self::Diesel(fault)
    }
}

impl StepError {
    pub(crate) fn on(self, port: &'static str) -> PortError {
        match self {
            Self::Diesel(fault) if is_transient(&fault) => {
                PortError::Unavailable { port, source: Box::new(fault) }
            }
            Self::Diesel(fault) => PortError::Rejected { port, source: Box::new(fault) },
            Self::Connect(fault) => PortError::Unavailable { port, source: Box::new(fault) },
            Self::Corrupt { table, row } => PortError::Corrupt { table, row },
        }
    }
}

/// Whether trying again may help. Diesel hands SQLite's result code on as its text only (`sqlite3_errstr` and its
/// like), so the text is what there is to go by.
fn is_transient(fault: &DieselError) -> bool {
    // BUSY, LOCKED, FULL, IOERR, CANTOPEN, NOMEM.
    const TEXTS: [&str; 6] = [
        "database is locked",
        "database table is locked",
        "database or disk is full",
        "disk I/O error",
        "unable to open database file",
        "out of memory",
    ];
    match fault {
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, said) => {
            TEXTS.iter().any(|text| said.message().contains(text))
        }
        DieselError::BrokenTransactionManager => true,
        DieselError::RollbackErrorOnCommit { commit_error, .. } => is_transient(commit_error),
        _ => false,
    }
}
