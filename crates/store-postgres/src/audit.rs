//! The audit table. A trigger refuses every change of what is in it (`migrations/postgres`).

use async_trait::async_trait;
use carillon_domain::ports::{Audit, PortError};
use carillon_domain::{AuditEntry, AuditNote, AuditQuery, AuditSince, Data, Timestamp};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::PostgresStore;
use crate::error::StepError;
use crate::schema::audit;
use crate::statement::Statement;

const PORT: &str = "audit";

#[async_trait]
impl Audit for PostgresStore {
    async fn note(&self, note: &AuditNote) -> Result<(), PortError> {
        self.writers.run(PORT, |mut c| async move { Ok((add(&mut c, note).await?, c)) }).await
    }

    async fn entries(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((entries(&mut c, query).await?, c)) }).await
    }
}

async fn add(connection: &mut AsyncPgConnection, note: &AuditNote) -> Result<(), StepError> {
    Statement::<()>::new("SELECT FROM carillon.note($1, $2, $3, $4, $5)")
        .bind::<Text, _>(&note.actor)
        .bind::<Text, _>(note.action.as_str())
        .bind::<Text, _>(&note.subject)
        .bind::<Text, _>(note.detail.as_str())
        .bind::<Nullable<SqlUuid>, _>(note.key)
        .execute(connection)
        .await?;
    Ok(())
}

type Record = (i64, i64, String, String, String, String);

async fn entries(
    connection: &mut AsyncPgConnection,
    query: AuditQuery,
) -> Result<Vec<AuditEntry>, StepError> {
    use audit as a;
    let first = a::table.select((a::id, a::at, a::actor, a::action, a::subject, a::detail));
    let first = first.order(a::id).limit(query.limit.into());
    let records: Vec<Record> = match query.since {
        AuditSince::Entry(id) => first.filter(a::id.gt(id.cast_signed())).load(connection).await?,
        AuditSince::Instant(at) => first.filter(a::at.ge(at.as_millis())).load(connection).await?,
    };
    records.into_iter().map(read).collect()
}

fn read((id, at, actor, action, subject, detail): Record) -> Result<AuditEntry, StepError> {
    let corrupt = || StepError::Corrupt { table: "audit", row: id.to_string() };
    Ok(AuditEntry {
        id: id.cast_unsigned(),
        at: Timestamp::from_millis(at).ok_or_else(corrupt)?,
        actor,
        action: action.parse().map_err(|_| corrupt())?,
        subject,
        detail: Data::from_stored(detail).map_err(|_| corrupt())?,
    })
}
