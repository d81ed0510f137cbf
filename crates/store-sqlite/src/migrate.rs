//! Opening a file and bringing its schema up to date.

use std::path::Path;

use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;
use diesel::migration::{Migration, MigrationSource as _};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use crate::error::OpenError;
use crate::pool::{Use, connect};
use crate::settings::Settings;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A connection for the writer, over an up-to-date schema, and the versions applied on the way.
pub(crate) fn open_and_migrate(settings: &Settings) -> Result<(SqliteConnection, Vec<String>), OpenError> {
    let path = &settings.path;
    check_path(path)?;
    let failed = |source: AnyError| OpenError::of(path, source);
    let mut connection = connect(path, settings.wait, Use::Write).map_err(|fault| failed(fault.into()))?;
    // Kept in the file: readers see it from then on, and go on reading while one writes.
    connection.batch_execute("PRAGMA journal_mode = WAL").map_err(|fault| failed(fault.into()))?;
    // IMMEDIATE: two processes that start at the same time do this one after the other.
    let applied = connection.immediate_transaction(run).map_err(failed)?;
    match applied {
        Ok(versions) => Ok((connection, versions)),
        Err(version) => Err(OpenError::Newer { path: path.clone(), version }),
    }
}

/// The versions applied, or one in the file that this program does not know.
fn run(connection: &mut SqliteConnection) -> Result<Result<Vec<String>, String>, AnyError> {
    let ours: Vec<Box<dyn Migration<Sqlite>>> = MIGRATIONS.migrations()?;
    let known = |version: &str| ours.iter().any(|ours| ours.name().version().to_string() == version);
    let applied = connection.applied_migrations()?;
    if let Some(unknown) = applied.iter().map(ToString::to_string).find(|version| !known(version)) {
        return Ok(Err(unknown));
    }
    let versions = connection.run_pending_migrations(MIGRATIONS)?;
    Ok(Ok(versions.iter().map(ToString::to_string).collect()))
}

/// What SQLite would call "unable to open database file", told apart.
fn check_path(path: &Path) -> Result<(), OpenError> {
    if path.is_dir() {
        return Err(OpenError::Directory(path.to_owned()));
    }
    if path.to_str().is_none() {
        return Err(OpenError::NotUtf8(path.to_owned()));
    }
    match path.parent() {
        Some(parent) if parent != Path::new("") && !parent.is_dir() => {
            Err(OpenError::NoDirectory(path.to_owned()))
        }
        _ => Ok(()),
    }
}
