//! Broadcasts and their schedule. Sending is in `fire`.

use async_trait::async_trait;
use carillon_domain::ports::{Broadcasts, Change, Creation, Due, Fired, Firing, NewBroadcast, PortError};
use carillon_domain::{
    AuditNote, Broadcast, BroadcastDraft, BroadcastId, BroadcastQuery, IdempotencyKey, Timestamp,
};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::error::StepError;
use crate::schema::broadcasts;
use crate::statement::Statement;
use crate::{PostgresStore, fire};

const PORT: &str = "broadcasts";
/// How long a maker's key is remembered (contract §5).
const KEYS_FOR_MS: i64 = 86_400_000;

#[async_trait]
impl Broadcasts for PostgresStore {
    async fn now(&self) -> Result<Timestamp, PortError> {
        let now = self.readers.run(PORT, |mut c| async move { Ok((now(&mut c).await?, c)) });
        now.await
    }

    async fn create(&self, new: &NewBroadcast) -> Result<Creation, PortError> {
        self.writers.run(PORT, |mut c| async move { Ok((create(&mut c, new).await?, c)) }).await
    }

    async fn get(&self, id: BroadcastId) -> Result<Option<Broadcast>, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((get(&mut c, id).await?, c)) }).await
    }

    async fn list(&self, query: BroadcastQuery) -> Result<Vec<Broadcast>, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((list(&mut c, query).await?, c)) }).await
    }

    async fn change(
        &self,
        id: BroadcastId,
        version: u32,
        draft: &BroadcastDraft,
        note: &AuditNote,
    ) -> Result<Change, PortError> {
        self.writers
            .run(PORT, |mut c| async move { Ok((change(&mut c, id, version, draft, note).await?, c)) })
            .await
    }

    async fn cancel(
        &self,
        id: BroadcastId,
        version: Option<u32>,
        note: &AuditNote,
    ) -> Result<Change, PortError> {
        self.writers.run(PORT, |mut c| async move { Ok((cancel(&mut c, id, version, note).await?, c)) }).await
    }

    async fn due(&self, limit: u32) -> Result<Due, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((due(&mut c, limit).await?, c)) }).await
    }

    async fn fire(&self, batch: &[Firing]) -> Result<Fired, PortError> {
        self.writers.run(PORT, |mut c| async move { Ok((fire::fire(&mut c, batch).await?, c)) }).await
    }

    async fn miss(&self, batch: &[(BroadcastId, u32)]) -> Result<u32, PortError> {
        self.writers.run(PORT, |mut c| async move { Ok((fire::miss(&mut c, batch).await?, c)) }).await
    }
}

/// The server's clock.
async fn now(connection: &mut AsyncPgConnection) -> Result<Timestamp, StepError> {
    let now = Statement::<BigInt>::new("SELECT carillon.now_ms()").get_result(connection).await?;
    read_now(now)
}

pub(crate) fn read_now(now: i64) -> Result<Timestamp, StepError> {
    Timestamp::from_millis(now)
        .ok_or_else(|| StepError::Corrupt { table: "broadcasts", row: "now".to_owned() })
}

/// A row of `broadcasts` as it is shown.
#[derive(Queryable, Selectable)]
#[diesel(table_name = broadcasts)]
struct Record {
    id: Uuid,
    status: String,
    version: i32,
    kind: String,
    content: String,
    publish_at: i64,
    late: bool,
    sent_at: Option<i64>,
    created_by: String,
    created_at: i64,
    updated_at: i64,
}

/// The columns of [`Record`], in its order.
type RecordSql = (SqlUuid, Text, Integer, Text, Text, BigInt, Bool, Nullable<BigInt>, Text, BigInt, BigInt);

/// Reads a record back. Whatever cannot be is named by its id; its content stays out of the error.
fn read(record: Record) -> Result<Broadcast, StepError> {
    let corrupt = || StepError::Corrupt { table: "broadcasts", row: record.id.to_string() };
    let instant = |millis| Timestamp::from_millis(millis).ok_or_else(corrupt);
    let kind = record.kind.parse().map_err(|_| corrupt())?;
    let draft = BroadcastDraft::from_stored(kind, instant(record.publish_at)?, &record.content);
    Ok(Broadcast {
        id: BroadcastId::from_uuid(record.id),
        status: record.status.parse().map_err(|_| corrupt())?,
        version: u32::try_from(record.version).map_err(|_| corrupt())?,
        draft: draft.ok_or_else(corrupt)?,
        late: record.late,
        sent_at: record.sent_at.map(instant).transpose()?,
        created_by: record.created_by,
        created_at: instant(record.created_at)?,
        updated_at: instant(record.updated_at)?,
    })
}

fn content(id: BroadcastId, draft: &BroadcastDraft) -> Result<String, StepError> {
    draft.to_stored().map_err(|_| missing(id))
}

pub(crate) async fn get(
    connection: &mut AsyncPgConnection,
    id: BroadcastId,
) -> Result<Option<Broadcast>, StepError> {
    let found = broadcasts::table.find(id.as_uuid()).select(Record::as_select());
    found.first(connection).await.optional()?.map(read).transpose()
}

async fn list(
    connection: &mut AsyncPgConnection,
    query: BroadcastQuery,
) -> Result<Vec<Broadcast>, StepError> {
    use broadcasts as b;
    let mut found =
        b::table.select(Record::as_select()).order(b::id.desc()).limit(query.limit.into()).into_boxed();
    if let Some(before) = query.before {
        found = found.filter(b::id.lt(before.as_uuid()));
    }
    if let Some(kind) = query.kind {
        found = found.filter(b::kind.eq(kind.as_str()));
    }
    if let Some(status) = query.status {
        found = found.filter(b::status.eq(status.as_str()));
    }
    found.load(connection).await?.into_iter().map(read).collect()
}

/// The time, and beside it a broadcast or nothing. The time stands in the inner query as well, where it is one value for
/// an index to begin at.
const DUE: &str = "\
    SELECT t.now, b.id, b.status, b.version, b.kind, b.content, b.publish_at, b.late, b.sent_at, b.created_by, b.created_at,
        b.updated_at
    FROM (SELECT carillon.now_ms() AS now OFFSET 0) t LEFT JOIN LATERAL (
        SELECT * FROM carillon.broadcasts b WHERE b.status = 'scheduled' AND b.publish_at <= t.now
        ORDER BY b.publish_at, b.id LIMIT $1
    ) b ON true ORDER BY b.publish_at, b.id";

async fn due(connection: &mut AsyncPgConnection, limit: u32) -> Result<Due, StepError> {
    let due = Statement::<(BigInt, Nullable<RecordSql>)>::new(DUE).bind::<BigInt, _>(i64::from(limit));
    let found: Vec<(i64, Option<Record>)> = due.load(connection).await?;
    let now = found.as_slice().first().map_or(0, |(now, _)| *now);
    let broadcasts = found.into_iter().filter_map(|(_, record)| record).map(read);
    Ok(Due { now: read_now(now)?, broadcasts: broadcasts.collect::<Result<_, _>>()? })
}

/// One statement with its note.
const CREATE: &str = "\
    WITH made AS (
        INSERT INTO carillon.broadcasts (id, status, version, kind, content, publish_at, created_by, created_at, updated_at,
            key_scope, key, fingerprint)
        SELECT $1, 'scheduled', 1, $2, $3, coalesce($4, t.now), $5, t.now, t.now, $6, $7, $8
        FROM (SELECT carillon.now_ms() AS now OFFSET 0) t
        ON CONFLICT DO NOTHING RETURNING id
    ) SELECT carillon.note($9, $10, $11, $12, $1)::text FROM made";

async fn create(connection: &mut AsyncPgConnection, new: &NewBroadcast) -> Result<Creation, StepError> {
    let (draft, key, note) = (&new.draft, new.key.as_ref(), &new.note);
    if let Some(key) = key {
        forget(connection, key).await?;
    }
    let create = Statement::<Text>::new(CREATE)
        .bind::<SqlUuid, _>(new.id.as_uuid())
        .bind::<Text, _>(draft.kind.as_str())
        .bind::<Text, _>(content(new.id, draft)?)
        .bind::<Nullable<BigInt>, _>(draft.publish_at.map(Timestamp::as_millis))
        .bind::<Text, _>(&new.by)
        .bind::<Nullable<Text>, _>(key.map(|key| key.scope.as_str()))
        .bind::<Nullable<Text>, _>(key.map(|key| key.key.as_str()))
        .bind::<Nullable<Binary>, _>(key.map(|key| &key.fingerprint[..]))
        .bind::<Text, _>(&note.actor)
        .bind::<Text, _>(note.action.as_str())
        .bind::<Text, _>(&note.subject)
        .bind::<Text, _>(note.detail.as_str());
    create.execute(connection).await?;
    if let Some(made) = get(connection, new.id).await? {
        return Ok(Creation::Created(made));
    }
    let key = key.ok_or_else(|| missing(new.id))?;
    use broadcasts as b;
    let used = b::table.filter(b::key_scope.eq(&key.scope).and(b::key.eq(&key.key)));
    let used = used.select((Record::as_select(), b::fingerprint)).first(connection).await;
    let (record, print): (Record, Option<Vec<u8>>) = used?;
    let is_same = print.as_deref() == Some(&key.fingerprint[..]);
    Ok(if is_same { Creation::Replayed(read(record)?) } else { Creation::Mismatch })
}

/// Lets a key go that is older than a day.
async fn forget(connection: &mut AsyncPgConnection, key: &IdempotencyKey) -> Result<(), StepError> {
    const FORGET: &str = "\
        UPDATE carillon.broadcasts SET key_scope = NULL, key = NULL
        WHERE key_scope = $1 AND key = $2 AND created_at < carillon.now_ms() - $3";
    Statement::<()>::new(FORGET)
        .bind::<Text, _>(&key.scope)
        .bind::<Text, _>(&key.key)
        .bind::<BigInt, _>(KEYS_FOR_MS)
        .execute(connection)
        .await?;
    Ok(())
}

/// One statement with its note: whoever is sending the broadcast this instant is waited for, and has won.
const CHANGE: &str = "\
    WITH made AS (
        UPDATE carillon.broadcasts SET version = version + 1, content = $3, publish_at = coalesce($4, carillon.now_ms()),
            updated_at = carillon.now_ms()
        WHERE id = $1 AND version = $2 AND status = 'scheduled' RETURNING id
    ) SELECT carillon.note($5, $6, $7, $8, NULL)::text FROM made";

async fn change(
    connection: &mut AsyncPgConnection,
    id: BroadcastId,
    version: u32,
    draft: &BroadcastDraft,
    note: &AuditNote,
) -> Result<Change, StepError> {
    let change = Statement::<Text>::new(CHANGE)
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Integer, _>(version.cast_signed())
        .bind::<Text, _>(content(id, draft)?)
        .bind::<Nullable<BigInt>, _>(draft.publish_at.map(Timestamp::as_millis))
        .bind::<Text, _>(&note.actor)
        .bind::<Text, _>(note.action.as_str())
        .bind::<Text, _>(&note.subject)
        .bind::<Text, _>(note.detail.as_str());
    let changed = change.execute(connection).await?;
    outcome(connection, id, changed).await
}

const CANCEL: &str = "\
    WITH made AS (
        UPDATE carillon.broadcasts SET status = 'canceled', updated_at = carillon.now_ms()
        WHERE id = $1 AND version = coalesce($2, version) AND status = 'scheduled' RETURNING id
    ) SELECT carillon.note($3, $4, $5, $6, NULL)::text FROM made";

async fn cancel(
    connection: &mut AsyncPgConnection,
    id: BroadcastId,
    version: Option<u32>,
    note: &AuditNote,
) -> Result<Change, StepError> {
    let cancel = Statement::<Text>::new(CANCEL)
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Nullable<Integer>, _>(version.map(u32::cast_signed))
        .bind::<Text, _>(&note.actor)
        .bind::<Text, _>(note.action.as_str())
        .bind::<Text, _>(&note.subject)
        .bind::<Text, _>(note.detail.as_str());
    let changed = cancel.execute(connection).await?;
    outcome(connection, id, changed).await
}

async fn outcome(
    connection: &mut AsyncPgConnection,
    id: BroadcastId,
    changed: usize,
) -> Result<Change, StepError> {
    let current = get(connection, id).await?;
    Ok(match current {
        None => Change::NotFound,
        Some(current) if changed == 0 => Change::refused(&current),
        Some(current) => Change::Made(current),
    })
}

fn missing(id: BroadcastId) -> StepError {
    StepError::Corrupt { table: "broadcasts", row: id.to_string() }
}
