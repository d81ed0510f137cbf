//! Bringing the schema up to date. The rules that let nodes of two versions run side by side meanwhile stand in
//! docs/operations/upgrade.md.

use std::time::Duration;

use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use tokio::time::timeout;

use crate::connect::{connect, setup};
use crate::error::{ConnectError, OpenError, StepError};
use crate::pool::Patience;
use crate::settings::Settings;
use crate::statement::{Statement, done};

/// In their order: the version, and what it does.
const MIGRATIONS: [(&str, &str); 9] = [
    ("20261123000000", include_str!("../../../migrations/postgres/2026-11-23-000000_log_and_inbox/up.sql")),
    ("20261123010000", include_str!("../../../migrations/postgres/2026-11-23-010000_outbox/up.sql")),
    ("20261123020000", include_str!("../../../migrations/postgres/2026-11-23-020000_explain/up.sql")),
    ("20261123021500", include_str!("../../../migrations/postgres/2026-11-23-021500_blocked_users/up.sql")),
    ("20261123030000", include_str!("../../../migrations/postgres/2026-11-23-030000_last_seen/up.sql")),
    ("20261123040000", include_str!("../../../migrations/postgres/2026-11-23-040000_audit/up.sql")),
    ("20261123041000", include_str!("../../../migrations/postgres/2026-11-23-041000_broadcasts/up.sql")),
    ("20261123050500", include_str!("../../../migrations/postgres/2026-11-23-050500_mutes/up.sql")),
    ("20261123060000", include_str!("../../../migrations/postgres/2026-11-23-060000_erasing/up.sql")),
];

/// What takes each back, in the same order.
#[cfg(test)]
pub(crate) const DOWN: [&str; 9] = [
    include_str!("../../../migrations/postgres/2026-11-23-000000_log_and_inbox/down.sql"),
    include_str!("../../../migrations/postgres/2026-11-23-010000_outbox/down.sql"),
    include_str!("../../../migrations/postgres/2026-11-23-020000_explain/down.sql"),
    include_str!("../../../migrations/postgres/2026-11-23-021500_blocked_users/down.sql"),
    include_str!("../../../migrations/postgres/2026-11-23-030000_last_seen/down.sql"),
    include_str!("../../../migrations/postgres/2026-11-23-040000_audit/down.sql"),
    include_str!("../../../migrations/postgres/2026-11-23-041000_broadcasts/down.sql"),
    include_str!("../../../migrations/postgres/2026-11-23-050500_mutes/down.sql"),
    include_str!("../../../migrations/postgres/2026-11-23-060000_erasing/down.sql"),
];

/// Their versions, in their order.
#[cfg(test)]
pub(crate) fn versions() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|(version, _)| *version)
}

/// The table of the `diesel` program, in our schema, since a service in the same database may have its own.
const PREPARE: &str = "CREATE SCHEMA IF NOT EXISTS carillon; \
    CREATE TABLE IF NOT EXISTS carillon.__diesel_schema_migrations ( \
        version varchar(50) PRIMARY KEY, run_on timestamp NOT NULL DEFAULT current_timestamp)";

/// How long to wait for a server that accepts and does not answer.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a migration may take, and wait for another node's.
const MIGRATE: Patience = Patience::of(Duration::from_secs(600));

/// Migrates, and draws a new epoch if the data no longer lies where it lay; answers the versions applied.
pub(crate) async fn migrate(settings: &Settings) -> Result<Vec<String>, OpenError> {
    let failed = |fault: StepError| OpenError::of(settings, fault);
    let setup = setup(MIGRATE);
    let connection =
        timeout(CONNECT, connect(settings, &setup)).await.unwrap_or(Err(ConnectError::Late(CONNECT)));
    let mut connection = connection.map_err(|fault| failed(fault.into()))?;
    let connection = &mut connection.inner;
    let applied = connection.transaction(async |connection| run(connection).await).await.map_err(failed)?;
    let applied = applied.map_err(|version| OpenError::Newer { url: settings.shown.clone(), version })?;
    settle(connection).await.map_err(failed)?;
    Ok(applied)
}

/// The versions applied, or one in the database that this program does not know. All in one transaction: a migration that
/// fails leaves nothing behind.
async fn run(connection: &mut AsyncPgConnection) -> Result<Result<Vec<String>, String>, StepError> {
    // Until the end of the transaction: nodes that start at the same time do this one after the other.
    connection.batch_execute("SELECT pg_advisory_xact_lock(x'ca11'::int, 1)").await?;
    connection.batch_execute(PREPARE).await?;
    const APPLIED: &str = "SELECT version::text FROM carillon.__diesel_schema_migrations ORDER BY version";
    let applied: Vec<String> = Statement::<Text>::new(APPLIED).load(connection).await?;
    if let Some(unknown) = applied.iter().find(|version| MIGRATIONS.iter().all(|(ours, _)| ours != version)) {
        return Ok(Err(unknown.clone()));
    }
    let mut done = Vec::new();
    for (version, up) in MIGRATIONS.iter().filter(|(ours, _)| !applied.iter().any(|version| version == ours))
    {
        connection.batch_execute(up).await?;
        const KEEP: &str = "INSERT INTO carillon.__diesel_schema_migrations (version) VALUES ($1)";
        Statement::<()>::new(KEEP).bind::<Text, _>(*version).execute(connection).await?;
        done.push((*version).to_owned());
    }
    Ok(Ok(done))
}

async fn settle(connection: &mut AsyncPgConnection) -> Result<(), StepError> {
    const SETTLE: &str = "SELECT is_known, is_renewed FROM carillon.settle()";
    let (is_known, is_renewed): (bool, bool) =
        done(Statement::<(Bool, Bool)>::new(SETTLE).load(connection).await?)?;
    if !is_known {
        tracing::debug!("the server does not tell its identity: another server is not known by it");
    }
    if is_renewed {
        tracing::warn!("the data lies elsewhere than it lay: the log has a new epoch, and clients reload");
    }
    Ok(())
}
