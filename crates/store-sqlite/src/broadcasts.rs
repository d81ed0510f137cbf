//! Broadcasts and their schedule. Sending is in `fire`.

use async_trait::async_trait;
use carillon_domain::ports::{Broadcasts, Change, Creation, Due, Fired, Firing, NewBroadcast, PortError};
use carillon_domain::{
    AuditNote, Broadcast, BroadcastDraft, BroadcastId, BroadcastQuery, IdempotencyKey, Timestamp,
};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use uuid::Uuid;

use crate::error::StepError;
use crate::schema::broadcasts;
use crate::{SqliteStore, audit, fire};

const PORT: &str = "broadcasts";
/// How long a maker's key is remembered (contract §5).
const KEYS_FOR_MS: i64 = 86_400_000;
const SCHEDULED: &str = "scheduled";

#[async_trait]
impl Broadcasts for SqliteStore {
    async fn now(&self) -> Result<Timestamp, PortError> {
        self.readers.run(PORT, |connection| read_now(now(connection)?)).await
    }

    async fn create(&self, new: &NewBroadcast) -> Result<Creation, PortError> {
        let new = new.clone();
        let step = move |connection: &mut SqliteConnection| create(connection, &new);
        self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await
    }

    async fn get(&self, id: BroadcastId) -> Result<Option<Broadcast>, PortError> {
        self.readers.run(PORT, move |connection| get(connection, id)).await
    }

    async fn list(&self, query: BroadcastQuery) -> Result<Vec<Broadcast>, PortError> {
        self.readers.run(PORT, move |connection| list(connection, query)).await
    }

    async fn change(
        &self,
        id: BroadcastId,
        version: u32,
        draft: &BroadcastDraft,
        note: &AuditNote,
    ) -> Result<Change, PortError> {
        let (draft, note) = (draft.clone(), note.clone());
        let step = move |connection: &mut SqliteConnection| change(connection, id, version, &draft, &note);
        self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await
    }

    async fn cancel(
        &self,
        id: BroadcastId,
        version: Option<u32>,
        note: &AuditNote,
    ) -> Result<Change, PortError> {
        let note = note.clone();
        let step = move |connection: &mut SqliteConnection| cancel(connection, id, version, &note);
        self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await
    }

    async fn due(&self, limit: u32) -> Result<Due, PortError> {
        self.readers.run(PORT, move |connection| connection.transaction(|c| due(c, limit))).await
    }

    async fn fire(&self, batch: &[Firing]) -> Result<Fired, PortError> {
        let batch = batch.to_vec();
        let step = move |connection: &mut SqliteConnection| fire::fire(connection, batch);
        self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await
    }

    async fn miss(&self, batch: &[(BroadcastId, u32)]) -> Result<u32, PortError> {
        let batch = batch.to_vec();
        let step = move |connection: &mut SqliteConnection| fire::miss(connection, &batch);
        self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await
    }
}

/// SQLite's clock: the machine's.
pub(crate) fn now(connection: &mut SqliteConnection) -> Result<i64, StepError> {
    let now = diesel::dsl::sql::<BigInt>("CAST(unixepoch('subsec') * 1000 AS INTEGER)");
    Ok(diesel::select(now).get_result(connection)?)
}

pub(crate) fn read_now(now: i64) -> Result<Timestamp, StepError> {
    Timestamp::from_millis(now)
        .ok_or_else(|| StepError::Corrupt { table: "broadcasts", row: "now".to_owned() })
}

pub(crate) fn bytes(id: &BroadcastId) -> Vec<u8> {
    id.as_uuid().as_bytes().to_vec()
}

/// A row of `broadcasts` as it is shown.
#[derive(Queryable, Selectable)]
#[diesel(table_name = broadcasts)]
pub(crate) struct Record {
    id: Vec<u8>,
    status: String,
    version: i64,
    kind: String,
    content: String,
    publish_at: i64,
    late: i64,
    sent_at: Option<i64>,
    created_by: String,
    created_at: i64,
    updated_at: i64,
}

/// Reads a record back. Whatever cannot be is named by its id; its content stays out of the error.
fn read(record: Record) -> Result<Broadcast, StepError> {
    let id = Uuid::from_slice(&record.id).ok().map(BroadcastId::from_uuid);
    let row = || id.map_or_else(|| "?".to_owned(), |id| id.to_string());
    let corrupt = || StepError::Corrupt { table: "broadcasts", row: row() };
    let instant = |millis| Timestamp::from_millis(millis).ok_or_else(corrupt);
    let kind = record.kind.parse().map_err(|_| corrupt())?;
    let draft = BroadcastDraft::from_stored(kind, instant(record.publish_at)?, &record.content);
    Ok(Broadcast {
        id: id.ok_or_else(corrupt)?,
        status: record.status.parse().map_err(|_| corrupt())?,
        version: u32::try_from(record.version).map_err(|_| corrupt())?,
        draft: draft.ok_or_else(corrupt)?,
        late: record.late != 0,
        sent_at: record.sent_at.map(instant).transpose()?,
        created_by: record.created_by,
        created_at: instant(record.created_at)?,
        updated_at: instant(record.updated_at)?,
    })
}

fn content(id: BroadcastId, draft: &BroadcastDraft) -> Result<String, StepError> {
    draft.to_stored().map_err(|_| missing(id))
}

pub(crate) fn get(
    connection: &mut SqliteConnection,
    id: BroadcastId,
) -> Result<Option<Broadcast>, StepError> {
    let found = broadcasts::table.find(bytes(&id)).select(Record::as_select()).first(connection);
    found.optional()?.map(read).transpose()
}

fn list(connection: &mut SqliteConnection, query: BroadcastQuery) -> Result<Vec<Broadcast>, StepError> {
    use broadcasts as b;
    let mut found =
        b::table.select(Record::as_select()).order(b::id.desc()).limit(query.limit.into()).into_boxed();
    if let Some(before) = query.before {
        found = found.filter(b::id.lt(bytes(&before)));
    }
    if let Some(kind) = query.kind {
        found = found.filter(b::kind.eq(kind.as_str()));
    }
    if let Some(status) = query.status {
        found = found.filter(b::status.eq(status.as_str()));
    }
    found.load(connection)?.into_iter().map(read).collect()
}

pub(crate) fn due(connection: &mut SqliteConnection, limit: u32) -> Result<Due, StepError> {
    use broadcasts as b;
    let now = now(connection)?;
    let records: Vec<Record> = b::table
        // Not bound: the index of those that are scheduled is known to hold them by their text alone.
        .filter(sql::<Bool>("status = 'scheduled'").and(b::publish_at.le(now)))
        .order((b::publish_at, b::id))
        .limit(limit.into())
        .select(Record::as_select())
        .load(connection)?;
    Ok(Due { now: read_now(now)?, broadcasts: records.into_iter().map(read).collect::<Result<_, _>>()? })
}

fn create(connection: &mut SqliteConnection, new: &NewBroadcast) -> Result<Creation, StepError> {
    use broadcasts as b;
    let now = now(connection)?;
    if let Some(kept) = get(connection, new.id)? {
        return Ok(Creation::Created(kept));
    }
    if let Some(key) = &new.key
        && let Some(used) = use_key(connection, key, now)?
    {
        return Ok(used);
    }
    let (draft, key) = (&new.draft, new.key.as_ref());
    diesel::insert_into(b::table)
        .values((
            b::id.eq(bytes(&new.id)),
            b::status.eq(SCHEDULED),
            b::version.eq(1),
            b::kind.eq(draft.kind.as_str()),
            b::content.eq(content(new.id, draft)?),
            b::publish_at.eq(draft.publish_at.map_or(now, Timestamp::as_millis)),
            (b::created_by.eq(&new.by), b::created_at.eq(now), b::updated_at.eq(now)),
            (
                b::key_scope.eq(key.map(|key| &key.scope)),
                b::key.eq(key.map(|key| &key.key)),
                b::fingerprint.eq(key.map(|key| key.fingerprint.to_vec())),
            ),
        ))
        .execute(connection)?;
    audit::add(connection, &new.note)?;
    get(connection, new.id)?.map(Creation::Created).ok_or_else(|| missing(new.id))
}

/// What a key was used for within a day; one that is older is let go.
fn use_key(
    connection: &mut SqliteConnection,
    IdempotencyKey { scope, key, fingerprint }: &IdempotencyKey,
    now: i64,
) -> Result<Option<Creation>, StepError> {
    use broadcasts as b;
    let of_key = b::key_scope.eq(scope).and(b::key.eq(key));
    diesel::update(b::table.filter(of_key.and(b::created_at.lt(now - KEYS_FOR_MS))))
        .set((b::key_scope.eq(None::<String>), b::key.eq(None::<String>)))
        .execute(connection)?;
    let used = b::table.filter(b::key_scope.eq(scope).and(b::key.eq(key)));
    let used: Option<(Record, Option<Vec<u8>>)> =
        used.select((Record::as_select(), b::fingerprint)).first(connection).optional()?;
    let Some((record, print)) = used else { return Ok(None) };
    let is_same = print.as_deref() == Some(&fingerprint[..]);
    Ok(Some(if is_same { Creation::Replayed(read(record)?) } else { Creation::Mismatch }))
}

fn change(
    connection: &mut SqliteConnection,
    id: BroadcastId,
    version: u32,
    draft: &BroadcastDraft,
    note: &AuditNote,
) -> Result<Change, StepError> {
    use broadcasts as b;
    let now = now(connection)?;
    let scheduled = b::table.find(bytes(&id)).filter(b::status.eq(SCHEDULED));
    let changed = diesel::update(scheduled.filter(b::version.eq(i64::from(version))))
        .set((
            b::version.eq(b::version + 1),
            b::content.eq(content(id, draft)?),
            b::publish_at.eq(draft.publish_at.map_or(now, Timestamp::as_millis)),
            b::updated_at.eq(now),
        ))
        .execute(connection)?;
    outcome(connection, id, changed, note)
}

fn cancel(
    connection: &mut SqliteConnection,
    id: BroadcastId,
    version: Option<u32>,
    note: &AuditNote,
) -> Result<Change, StepError> {
    use broadcasts as b;
    let now = now(connection)?;
    let scheduled = b::table.find(bytes(&id)).filter(b::status.eq(SCHEDULED));
    let change = (b::status.eq("canceled"), b::updated_at.eq(now));
    let changed = match version {
        Some(version) => diesel::update(scheduled.filter(b::version.eq(i64::from(version))))
            .set(change)
            .execute(connection),
        None => diesel::update(scheduled).set(change).execute(connection),
    };
    outcome(connection, id, changed?, note)
}

/// What a change has come to, noted if it was made.
fn outcome(
    connection: &mut SqliteConnection,
    id: BroadcastId,
    changed: usize,
    note: &AuditNote,
) -> Result<Change, StepError> {
    let current = get(connection, id)?;
    if changed == 0 {
        return Ok(current.map_or(Change::NotFound, |current| Change::refused(&current)));
    }
    audit::add(connection, note)?;
    current.map(Change::Made).ok_or_else(|| missing(id))
}

fn missing(id: BroadcastId) -> StepError {
    StepError::Corrupt { table: "broadcasts", row: id.to_string() }
}
