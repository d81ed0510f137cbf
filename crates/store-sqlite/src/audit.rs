//! The audit table. Triggers refuse every change of what is in it (`migrations/sqlite`).

use async_trait::async_trait;
use carillon_domain::ports::{Audit, PortError};
use carillon_domain::{AuditEntry, AuditNote, AuditQuery, AuditSince, Data, Timestamp};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Nullable, Text};

use crate::SqliteStore;
use crate::error::StepError;
use crate::schema::audit;

const PORT: &str = "audit";

#[async_trait]
impl Audit for SqliteStore {
    async fn note(&self, note: &AuditNote) -> Result<(), PortError> {
        let note = note.clone();
        self.writer.run(PORT, move |connection| add(connection, &note)).await
    }

    async fn entries(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, PortError> {
        self.readers.run(PORT, move |connection| entries(connection, query)).await
    }
}

const NOTE: &str = "\
    INSERT INTO audit (id, at, actor, action, subject, detail, key) \
    SELECT ifnull((SELECT max(id) FROM audit), 0) + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER), ?1, ?2, ?3, ?4, ?5 \
    WHERE NOT EXISTS (SELECT 1 FROM audit WHERE key = ?5)";

pub(crate) fn add(connection: &mut SqliteConnection, note: &AuditNote) -> Result<(), StepError> {
    diesel::sql_query(NOTE)
        .bind::<Text, _>(&note.actor)
        .bind::<Text, _>(note.action.as_str())
        .bind::<Text, _>(&note.subject)
        .bind::<Text, _>(note.detail.as_str())
        .bind::<Nullable<Binary>, _>(note.key.map(|key| key.as_bytes().to_vec()))
        .execute(connection)?;
    Ok(())
}

type Record = (i64, i64, String, String, String, String);

fn entries(connection: &mut SqliteConnection, query: AuditQuery) -> Result<Vec<AuditEntry>, StepError> {
    use audit as a;
    let first = a::table.select((a::id, a::at, a::actor, a::action, a::subject, a::detail));
    let first = first.order(a::id).limit(query.limit.into());
    let records: Vec<Record> = match query.since {
        AuditSince::Entry(id) => first.filter(a::id.gt(id.cast_signed())).load(connection)?,
        AuditSince::Instant(at) => first.filter(a::at.ge(at.as_millis())).load(connection)?,
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
