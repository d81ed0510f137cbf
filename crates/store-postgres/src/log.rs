//! The log. Appending is in `append`.
//!
//! Every read is one statement: it sees one moment of the database, rows and head alike.

use std::sync::Arc;

use async_trait::async_trait;
use carillon_domain::ports::{Appended, Log, Missed, PortError, Publish, Secret, Trim};
use carillon_domain::{Blocked, Entitlement, Epoch, Head, Kind, Page, Position, Timestamp};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::PostgresStore;
use crate::append::append;
use crate::erasing;
use crate::error::StepError;
use crate::explain;
use crate::muting;
use crate::rows::{self, Record, RecordSql, position};
use crate::schema::log_head;
use crate::statement::{Statement, done};

const PORT: &str = "log";

#[async_trait]
impl Log for PostgresStore {
    async fn append(&self, batch: &[Publish]) -> Result<Appended, PortError> {
        self.appender.run(PORT, |mut c| async move { Ok((append(&mut c, batch).await?, c)) }).await
    }

    async fn head(&self) -> Result<Head, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((head(&mut c).await?, c)) }).await
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Page, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((read(&mut c, after, limit).await?, c)) }).await
    }

    async fn replay(
        &self,
        rooms: &[Entitlement],
        after: Position,
        up_to: Position,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, PortError> {
        self.readers
            .run(PORT, |mut c| async move { Ok((replay(&mut c, rooms, after, up_to, limit, now).await?, c)) })
            .await
    }

    async fn missed(
        &self,
        rooms: &[Entitlement],
        after: Position,
        most: u32,
        now: Timestamp,
    ) -> Result<Missed, PortError> {
        self.readers
            .run(PORT, |mut c| async move { Ok((missed(&mut c, rooms, after, most, now).await?, c)) })
            .await
    }

    async fn secret(&self) -> Result<Secret, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((secret(&mut c).await?, c)) }).await
    }

    async fn blocked(&self) -> Result<Blocked, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((blocked(&mut c).await?, c)) }).await
    }

    async fn trim_kind(&self, kind: &Kind, before: Timestamp) -> Result<bool, PortError> {
        self.writers
            .run(PORT, |mut c| async move { Ok((erasing::trim_kind(&mut c, kind, before).await?, c)) })
            .await
    }

    async fn trim(&self, trim: Trim) -> Result<bool, PortError> {
        self.writers.run(PORT, |mut c| async move { Ok((delete_old(&mut c, trim).await?, c)) }).await
    }
}

pub(crate) fn read_head((epoch, at, trimmed): (i64, i64, i64)) -> Result<Head, StepError> {
    Ok(Head {
        epoch: Epoch::new(epoch.cast_unsigned()),
        position: position(at, "log_head", 1)?,
        trimmed: position(trimmed, "log_head", 1)?,
    })
}

pub(crate) async fn head(connection: &mut AsyncPgConnection) -> Result<Head, StepError> {
    use log_head as h;
    read_head(h::table.find(1).select((h::epoch, h::position, h::trimmed)).first(connection).await?)
}

pub(crate) async fn renew_epoch(connection: &mut AsyncPgConnection) -> Result<Epoch, StepError> {
    const RENEW: &str =
        "UPDATE carillon.log_head SET epoch = carillon.random_epoch() WHERE id = 1 RETURNING epoch";
    let epoch: i64 = done(Statement::<BigInt>::new(RENEW).load(connection).await?)?;
    Ok(Epoch::new(epoch.cast_unsigned()))
}

async fn secret(connection: &mut AsyncPgConnection) -> Result<Secret, StepError> {
    let secret: Vec<u8> = log_head::table.find(1).select(log_head::secret).first(connection).await?;
    let corrupt = |_| StepError::Corrupt { table: "log_head", row: "1".to_owned() };
    secret.try_into().map(Secret).map_err(corrupt)
}

/// The list itself is kept by a trigger (`migrations/postgres`).
const BLOCKED: &str = "\
    SELECT h.epoch, h.position, ARRAY(SELECT user_id FROM carillon.blocked_users)
    FROM carillon.log_head h WHERE h.id = 1";

async fn blocked(connection: &mut AsyncPgConnection) -> Result<Blocked, StepError> {
    let (epoch, at, users): (i64, i64, Vec<String>) =
        Statement::<(BigInt, BigInt, Array<Text>)>::new(BLOCKED).get_result(connection).await?;
    let read = |id: String| id.parse().map_err(|_| StepError::Corrupt { table: "blocked_users", row: id });
    Ok(Blocked {
        epoch: Epoch::new(epoch.cast_unsigned()),
        as_of: position(at, "log_head", 1)?,
        users: users.into_iter().map(read).collect::<Result<_, _>>()?,
    })
}

/// The head, and beside it a row or nothing.
type PageSql = (BigInt, BigInt, BigInt, Nullable<RecordSql>);

const READ: &str = "\
    SELECT h.epoch, h.position, h.trimmed, n.* FROM carillon.log_head h LEFT JOIN LATERAL (
        SELECT * FROM carillon.notifications n WHERE n.position > $1 ORDER BY n.position LIMIT $2
    ) n ON true WHERE h.id = 1 ORDER BY n.position";

async fn read(connection: &mut AsyncPgConnection, after: Position, limit: u32) -> Result<Page, StepError> {
    let read =
        Statement::<PageSql>::new(READ).bind::<BigInt, _>(after.as_i64()).bind::<BigInt, _>(i64::from(limit));
    page(read.load(connection).await?, after, Position::END, limit)
}

/// From each room its first rows, off the index by room: comparing pairs leaves the planner no other way that keeps the
/// order. The bounds on the position alone pick the partitions.
pub(crate) const REPLAY: &str = "\
    SELECT h.epoch, h.position, h.trimmed, n.* FROM carillon.log_head h LEFT JOIN LATERAL (
        SELECT r.* FROM unnest($1, $2) AS e (room, since) CROSS JOIN LATERAL (
            SELECT * FROM carillon.notifications n
            WHERE (n.room, n.position) > (e.room, e.since) AND (n.room, n.position) <= (e.room, $3)
                AND n.position > e.since AND n.position <= $3
                AND (n.expires_at IS NULL OR n.expires_at > $4)
            ORDER BY n.room, n.position LIMIT $5
        ) r ORDER BY r.position LIMIT $5
    ) n ON true WHERE h.id = 1 ORDER BY n.position";

async fn replay(
    connection: &mut AsyncPgConnection,
    rooms: &[Entitlement],
    after: Position,
    up_to: Position,
    limit: u32,
    now: Timestamp,
) -> Result<Page, StepError> {
    let (names, places) = places(rooms, after);
    let replay = Statement::<PageSql>::new(REPLAY)
        .bind::<Array<Text>, _>(names)
        .bind::<Array<BigInt>, _>(places)
        .bind::<BigInt, _>(up_to.as_i64())
        .bind::<BigInt, _>(now.as_millis())
        .bind::<BigInt, _>(i64::from(limit));
    page(replay.load(connection).await?, after, up_to, limit)
}

/// The rooms, and the place from which each is read.
fn places(rooms: &[Entitlement], after: Position) -> (Vec<&str>, Vec<i64>) {
    rooms.iter().map(|e| (e.room.as_str(), after.max(e.since).as_i64())).unzip()
}

/// As [`REPLAY`], answered by the index alone.
pub(crate) const MISSED: &str = "\
    SELECT h.epoch, h.position, h.trimmed, (
        SELECT count(*) FROM (
            SELECT FROM unnest($1, $2) AS e (room, since) CROSS JOIN LATERAL (
                SELECT FROM carillon.notifications n
                WHERE (n.room, n.position) > (e.room, e.since) AND (n.room, n.position) <= (e.room, h.position)
                    AND n.position > e.since AND (n.expires_at IS NULL OR n.expires_at > $3)
                ORDER BY n.room, n.position LIMIT $4
            ) r LIMIT $4
        ) r
    ) FROM carillon.log_head h WHERE h.id = 1";

async fn missed(
    connection: &mut AsyncPgConnection,
    rooms: &[Entitlement],
    after: Position,
    most: u32,
    now: Timestamp,
) -> Result<Missed, StepError> {
    let (names, places) = places(rooms, after);
    let missed = Statement::<(BigInt, BigInt, BigInt, BigInt)>::new(MISSED)
        .bind::<Array<Text>, _>(names)
        .bind::<Array<BigInt>, _>(places)
        .bind::<BigInt, _>(now.as_millis())
        .bind::<BigInt, _>(i64::from(most));
    let (epoch, at, trimmed, rows): (i64, i64, i64, i64) = missed.get_result(connection).await?;
    Ok(Missed { head: read_head((epoch, at, trimmed))?, rows: u32::try_from(rows).unwrap_or(most) })
}

/// The page of these records, of which there are no more up to `end` or the head unless the limit cut them.
fn page(
    records: Vec<(i64, i64, i64, Option<Record>)>,
    after: Position,
    end: Position,
    limit: u32,
) -> Result<Page, StepError> {
    let missing = || StepError::Corrupt { table: "log_head", row: "1".to_owned() };
    let &(epoch, at, trimmed, _) = records.as_slice().first().ok_or_else(missing)?;
    let head = read_head((epoch, at, trimmed))?;
    let rows = records.into_iter().filter_map(|(.., record)| record);
    let rows = rows.map(|record| rows::read(record).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    let cut = rows.len() == limit as usize;
    let through = if cut { rows.last().map_or(after, |row| row.position) } else { end.min(head.position) };
    Ok(Page { head, rows, through })
}

async fn delete_old(connection: &mut AsyncPgConnection, trim: Trim) -> Result<bool, StepError> {
    let trim = Statement::<Bool>::new("SELECT carillon.trim($1, $2, $3)")
        .bind::<BigInt, _>(trim.rows_before.as_millis())
        .bind::<BigInt, _>(trim.keys_before.as_millis())
        .bind::<Integer, _>(Trim::MAX_ROWS.cast_signed());
    let has_more = done(trim.load(connection).await?)?;
    muting::forget(connection).await?;
    Ok(explain::forget(connection).await? || has_more)
}
