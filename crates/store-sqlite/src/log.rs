//! The log.

use std::sync::Arc;

use async_trait::async_trait;
use carillon_domain::ports::{Appended, Log, Missed, Outcome, PortError, Publish, Secret, Stored, Trim};
use carillon_domain::{
    Blocked, Entitlement, Epoch, EventId, Head, IdempotencyKey, Kind, NotificationId, Page, Position, Row,
    Timestamp,
};
use diesel::dsl::{exists, select};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use uuid::Uuid;

use crate::SqliteStore;
use crate::erasing;
use crate::error::StepError;
use crate::rows::{self, Record, position};
use crate::schema::{blocked_users, idempotency_keys, inbox_reads, log_head, mutes, notifications};

const PORT: &str = "log";

#[async_trait]
impl Log for SqliteStore {
    async fn append(&self, batch: &[Publish]) -> Result<Appended, PortError> {
        let batch = batch.to_vec();
        self.writer.run(PORT, |connection| append(connection, batch)).await
    }

    async fn head(&self) -> Result<Head, PortError> {
        self.readers.run(PORT, head).await
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Page, PortError> {
        self.readers.run(PORT, move |connection| connection.transaction(|c| read(c, after, limit))).await
    }

    async fn replay(
        &self,
        rooms: &[Entitlement],
        after: Position,
        up_to: Position,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, PortError> {
        let rooms = rooms.to_vec();
        let step = move |c: &mut SqliteConnection| replay(c, &rooms, after, up_to, limit, now);
        self.readers.run(PORT, move |connection| connection.transaction(step)).await
    }

    async fn missed(
        &self,
        rooms: &[Entitlement],
        after: Position,
        most: u32,
        now: Timestamp,
    ) -> Result<Missed, PortError> {
        let rooms = rooms.to_vec();
        let step = move |c: &mut SqliteConnection| missed(c, &rooms, after, most, now);
        self.readers.run(PORT, move |connection| connection.transaction(step)).await
    }

    async fn secret(&self) -> Result<Secret, PortError> {
        self.readers.run(PORT, secret).await
    }

    async fn blocked(&self) -> Result<Blocked, PortError> {
        self.readers.run(PORT, |connection| connection.transaction(blocked)).await
    }

    async fn trim_kind(&self, kind: &Kind, before: Timestamp) -> Result<bool, PortError> {
        let kind = kind.clone();
        let step = move |c: &mut SqliteConnection| erasing::trim_kind(c, &kind, before);
        self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await
    }

    async fn trim(&self, trim: Trim) -> Result<bool, PortError> {
        self.writer
            .run(PORT, move |connection| connection.immediate_transaction(|c| delete_old(c, trim)))
            .await
    }
}

pub(crate) fn head(connection: &mut SqliteConnection) -> Result<Head, StepError> {
    use log_head as h;
    let (epoch, at, trimmed) =
        h::table.select((h::epoch, h::position, h::trimmed)).first::<(i64, i64, i64)>(connection)?;
    Ok(Head {
        epoch: Epoch::new(epoch.cast_unsigned()),
        position: position(at, "log_head", 1)?,
        trimmed: position(trimmed, "log_head", 1)?,
    })
}

pub(crate) fn renew_epoch(connection: &mut SqliteConnection) -> Result<Epoch, StepError> {
    connection.immediate_transaction(|connection| {
        diesel::sql_query("UPDATE log_head SET epoch = random() & 9223372036854775807")
            .execute(connection)?;
        Ok(head(connection)?.epoch)
    })
}

/// One transaction that holds SQLite's write lock from its first statement on: positions follow each other in commit
/// order because nobody else can take one meanwhile. Publishes are looked up one by one within it, so that a
/// repetition finds its first even in the same batch.
fn append(connection: &mut SqliteConnection, batch: Vec<Publish>) -> Result<Appended, StepError> {
    connection.immediate_transaction(|connection| append_within(connection, batch))
}

/// The same, as a part of a transaction that holds the write lock.
pub(crate) fn append_within(
    connection: &mut SqliteConnection,
    batch: Vec<Publish>,
) -> Result<Appended, StepError> {
    let head = head(connection)?;
    let (mut rows, mut outcomes) = (Vec::new(), Vec::with_capacity(batch.len()));
    for publish in batch {
        outcomes.push(keep(connection, publish, head.position, &mut rows)?);
    }
    if let Some(last) = rows.last() {
        let last = last.position.as_i64();
        diesel::update(log_head::table).set(log_head::position.eq(last)).execute(connection)?;
    }
    Ok(Appended { epoch: head.epoch, from: head.position, rows, outcomes })
}

fn keep(
    connection: &mut SqliteConnection,
    publish: Publish,
    from: Position,
    rows: &mut Vec<Arc<Row>>,
) -> Result<Outcome, StepError> {
    let event_id = publish.event_id;
    if let Some(stored) = stored(connection, event_id)? {
        return Ok(Outcome::Stored(stored));
    }
    if let Some(key) = &publish.key
        && let Some(outcome) = use_key(connection, key, event_id, publish.at)?
    {
        return Ok(outcome);
    }
    let mut notifications = Vec::with_capacity(publish.rows.len());
    for (room, notification) in publish.rows {
        notifications.push((notification.id, room.clone()));
        let row = Row { position: from.plus(rows.len() + 1), room, event_id, notification };
        rows::insert(connection, &row)?;
        rows.push(Arc::new(row));
    }
    Ok(Outcome::Stored(Stored { event_id, notifications }))
}

/// What an earlier publish of this id left in the log.
fn stored(connection: &mut SqliteConnection, event_id: EventId) -> Result<Option<Stored>, StepError> {
    use notifications as n;
    let kept: Vec<(i64, Vec<u8>, String)> = n::table
        .filter(n::event_id.eq(&event_id.as_uuid().as_bytes()[..]))
        .order(n::position)
        .select((n::position, n::id, n::room))
        .load(connection)?;
    let read = |(at, id, room): (i64, Vec<u8>, String)| {
        let id = Uuid::from_slice(&id).ok().map(NotificationId::from_uuid);
        let corrupt = || StepError::Corrupt { table: "notifications", row: at.to_string() };
        id.zip(room.parse().ok()).ok_or_else(corrupt)
    };
    let notifications = kept.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok((!notifications.is_empty()).then_some(Stored { event_id, notifications }))
}

/// What became of the first use of a key; `None` when this is it.
fn use_key(
    connection: &mut SqliteConnection,
    IdempotencyKey { scope, key, fingerprint }: &IdempotencyKey,
    event_id: EventId,
    at: Timestamp,
) -> Result<Option<Outcome>, StepError> {
    use idempotency_keys as k;
    let used: Option<(Vec<u8>, Vec<u8>)> = k::table
        .filter(k::scope.eq(scope).and(k::key.eq(key)))
        .select((k::fingerprint, k::event_id))
        .first(connection)
        .optional()?;
    if let Some((first_fingerprint, first)) = used {
        if first_fingerprint != fingerprint {
            return Ok(Some(Outcome::Mismatch));
        }
        // The caller's name; their key is theirs.
        let corrupt = |_| StepError::Corrupt { table: "idempotency_keys", row: scope.clone() };
        let first = EventId::from_uuid(Uuid::from_slice(&first).map_err(corrupt)?);
        // A key whose rows are gone is as good as forgotten.
        if let Some(first) = stored(connection, first)? {
            return Ok(Some(Outcome::Replayed(first)));
        }
    }
    diesel::replace_into(k::table)
        .values((
            k::scope.eq(scope),
            k::key.eq(key),
            k::fingerprint.eq(&fingerprint[..]),
            k::event_id.eq(&event_id.as_uuid().as_bytes()[..]),
            k::created_at.eq(at.as_millis()),
        ))
        .execute(connection)?;
    Ok(None)
}

fn read(connection: &mut SqliteConnection, after: Position, limit: u32) -> Result<Page, StepError> {
    use notifications as n;
    let head = head(connection)?;
    let records: Vec<Record> = n::table
        .filter(n::position.gt(after.as_i64()))
        .order(n::position)
        .limit(limit.into())
        .select(Record::as_select())
        .load(connection)?;
    page(head, records, after, head.position, limit)
}

fn replay(
    connection: &mut SqliteConnection,
    rooms: &[Entitlement],
    after: Position,
    up_to: Position,
    limit: u32,
    now: Timestamp,
) -> Result<Page, StepError> {
    use notifications as n;
    let head = head(connection)?;
    let end = up_to.min(head.position);
    let (most, mut last) = (limit as usize, end.as_i64());
    let mut missed: Vec<Record> = Vec::new();
    for Entitlement { room, since } in rooms {
        let of_room: Vec<Record> = n::table
            .filter(n::room.eq(room.as_str()))
            .filter(n::position.gt(after.max(*since).as_i64()).and(n::position.le(last)))
            .filter(n::expires_at.is_null().or(n::expires_at.gt(now.as_millis())))
            .order(n::position)
            .limit(limit.into())
            .select(Record::as_select())
            .load(connection)?;
        missed.extend(of_room);
        missed.sort_unstable_by_key(Record::place);
        missed.truncate(most);
        // A full page ends here: the rooms that follow have no say beyond it.
        if missed.len() == most {
            last = missed.last().map_or(last, Record::place);
        }
    }
    page(head, missed, after, end, limit)
}

fn missed(
    connection: &mut SqliteConnection,
    rooms: &[Entitlement],
    after: Position,
    most: u32,
    now: Timestamp,
) -> Result<Missed, StepError> {
    use notifications as n;
    let head = head(connection)?;
    let mut rows = 0;
    for Entitlement { room, since } in rooms {
        // Bounded, and answered by the index alone.
        let of_room: Vec<i64> = n::table
            .filter(n::room.eq(room.as_str()))
            .filter(n::position.gt(after.max(*since).as_i64()))
            .filter(n::expires_at.is_null().or(n::expires_at.gt(now.as_millis())))
            .limit((most - rows).into())
            .select(n::position)
            .load(connection)?;
        rows += u32::try_from(of_room.len()).unwrap_or(most);
    }
    Ok(Missed { head, rows })
}

fn secret(connection: &mut SqliteConnection) -> Result<Secret, StepError> {
    let secret: Vec<u8> = log_head::table.select(log_head::secret).first(connection)?;
    let corrupt = |_| StepError::Corrupt { table: "log_head", row: "1".to_owned() };
    secret.try_into().map(Secret).map_err(corrupt)
}

/// The list itself is kept by triggers (`migrations/sqlite`).
fn blocked(connection: &mut SqliteConnection) -> Result<Blocked, StepError> {
    let Head { epoch, position: as_of, .. } = head(connection)?;
    let users: Vec<String> = blocked_users::table.select(blocked_users::user_id).load(connection)?;
    let read = |id: String| id.parse().map_err(|_| StepError::Corrupt { table: "blocked_users", row: id });
    Ok(Blocked { epoch, as_of, users: users.into_iter().map(read).collect::<Result<_, _>>()? })
}

/// The page of these records, of which there are no more up to `end` unless the limit cut them.
fn page(
    head: Head,
    records: Vec<Record>,
    after: Position,
    end: Position,
    limit: u32,
) -> Result<Page, StepError> {
    let read = |record| rows::read(record).map(Arc::new);
    let rows = records.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let cut = rows.len() == limit as usize;
    let through = if cut { rows.last().map_or(after, |row| row.position) } else { end };
    Ok(Page { head, rows, through })
}

fn delete_old(connection: &mut SqliteConnection, trim: Trim) -> Result<bool, StepError> {
    use {idempotency_keys as k, notifications as n};
    let rows_before = trim.rows_before.as_millis();
    let keys_before = trim.keys_before.max(trim.rows_before).as_millis();
    let most = i64::from(Trim::MAX_ROWS);
    let old: Vec<i64> = n::table
        .filter(n::created_at.lt(rows_before))
        .order(n::created_at)
        .limit(most)
        .select(n::position)
        .load(connection)?;
    if let Some(&last) = old.iter().max() {
        let trimmed = head(connection)?.trimmed.as_i64().max(last);
        // Marks go with their rows.
        diesel::delete(n::table.filter(n::position.eq_any(old))).execute(connection)?;
        diesel::update(log_head::table).set(log_head::trimmed.eq(trimmed)).execute(connection)?;
    }
    // Keys go in the order of their age as rows do, and each has one row at least: none is left behind its rows.
    diesel::sql_query(
        "DELETE FROM idempotency_keys WHERE (scope, key) IN (SELECT scope, key FROM idempotency_keys \
         WHERE created_at < ? ORDER BY created_at LIMIT ?)",
    )
    .bind::<BigInt, _>(keys_before)
    .bind::<BigInt, _>(most)
    .execute(connection)?;
    let oldest: Option<i64> = n::table.select(diesel::dsl::min(n::position)).first(connection)?;
    let oldest = oldest.unwrap_or(i64::MAX);
    diesel::sql_query(
        "DELETE FROM inbox_reads WHERE (user_id, room, up_to) IN (SELECT user_id, room, up_to FROM inbox_reads \
         WHERE up_to < ? ORDER BY up_to LIMIT ?)",
    )
    .bind::<BigInt, _>(oldest)
    .bind::<BigInt, _>(most)
    .execute(connection)?;
    // Few: a user has some hundred at most.
    diesel::delete(mutes::table.filter(mutes::until.lt(oldest))).execute(connection)?;

    let rows: bool = select(exists(n::table.filter(n::created_at.lt(rows_before)))).get_result(connection)?;
    let keys: bool = select(exists(k::table.filter(k::created_at.lt(keys_before)))).get_result(connection)?;
    let reads: bool =
        select(exists(inbox_reads::table.filter(inbox_reads::up_to.lt(oldest)))).get_result(connection)?;
    Ok(rows || keys || reads)
}
