//! What became of a publish.

use async_trait::async_trait;
use carillon_domain::ports::{Explain, PortError, Trim};
use carillon_domain::{EventId, Explained, Position, Readers, Row, Timestamp, Trace, UserId, is_mutable};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::PostgresStore;
use crate::error::StepError;
use crate::pool::Lease;
use crate::rows::{self, Record, RecordSql};
use crate::schema::reached;
use crate::statement::Statement;

const PORT: &str = "log";

const ROWS: &str = "SELECT * FROM carillon.notifications n WHERE n.event_id = $1 ORDER BY n.position";

/// Marks of the row itself, and whoever has read the room up to it or beyond, without a mark, and entered before it, and has
/// not muted it. Both
/// also cover rows that had expired unread, so for a row that expires the time counts; and both are looked at to a bound.
const READERS: &str = "\
    SELECT m.user_id FROM (
        SELECT user_id, room, read_at FROM carillon.inbox_marks WHERE position = $1 LIMIT $4
    ) m WHERE m.room = $2 AND m.read_at < coalesce($3, m.read_at + 1)
    UNION ALL
    SELECT i.user_id FROM (
        SELECT user_id, since FROM carillon.inbox WHERE room = $2 AND read_up_to >= $1
        ORDER BY room, read_up_to LIMIT $4
    ) i WHERE i.since < $1
        AND NOT EXISTS (SELECT FROM carillon.inbox_marks m
            WHERE m.user_id = i.user_id AND m.room = $2 AND m.position = $1)
        AND NOT EXISTS (SELECT FROM carillon.mutes u
            WHERE u.user_id = i.user_id AND u.type = $6 AND u.since < $1 AND u.until >= $1)
        AND ($3 IS NULL OR $3 > (SELECT r.read_at FROM carillon.inbox_reads r
            WHERE r.user_id = i.user_id AND r.room = $2 AND r.up_to >= $1 ORDER BY r.up_to LIMIT 1))
    LIMIT $5";

const REACHED: &str = "\
    INSERT INTO carillon.reached AS r (position, node, sockets)
    SELECT u.position, $1, u.sockets FROM unnest($2, $3) AS u (position, sockets)
    WHERE EXISTS (SELECT FROM carillon.notifications n WHERE n.position = u.position)
    ON CONFLICT (position, node) DO UPDATE SET sockets = r.sockets + excluded.sockets";

const FORGET: &str = "\
    DELETE FROM carillon.reached WHERE (position, node) IN (
        SELECT r.position, r.node FROM carillon.reached r
        WHERE r.position < coalesce((SELECT min(n.position) FROM carillon.notifications n), $1)
        ORDER BY r.position LIMIT $2
    )";

#[async_trait]
impl Explain for PostgresStore {
    async fn explain(&self, event_id: EventId) -> Result<Option<Explained>, PortError> {
        let step = |mut c: Lease| async move {
            let mut snapshot = c.build_transaction().repeatable_read().read_only();
            let explained = snapshot.run(async |c| explain(c, event_id).await).await?;
            Ok((explained, c))
        };
        self.readers.run(PORT, step).await
    }

    async fn reached(&self, node: &str, sockets: &[(Position, u32)]) -> Result<(), PortError> {
        let (places, counts): (Vec<i64>, Vec<i64>) =
            sockets.iter().map(|(at, sockets)| (at.as_i64(), i64::from(*sockets))).unzip();
        let (places, counts) = (places.as_slice(), counts.as_slice());
        let step = |mut c: Lease| async move {
            Statement::<()>::new(REACHED)
                .bind::<Text, _>(node)
                .bind::<Array<BigInt>, _>(places)
                .bind::<Array<BigInt>, _>(counts)
                .execute(&mut c)
                .await?;
            Ok(((), c))
        };
        self.writers.run(PORT, step).await
    }
}

async fn explain(
    connection: &mut AsyncPgConnection,
    event_id: EventId,
) -> Result<Option<Explained>, StepError> {
    let records: Vec<Record> =
        Statement::<RecordSql>::new(ROWS).bind::<Uuid, _>(event_id.as_uuid()).load(connection).await?;
    let rows = records.into_iter().map(rows::read).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = rows.as_slice().first() else { return Ok(None) };
    let (event, created_at) = (first.notification.event, first.notification.created_at);
    let mut notifications = Vec::with_capacity(rows.len());
    for row in &rows {
        notifications.push(trace(connection, row).await?);
    }
    Ok(Some(Explained { event_id, event, created_at, notifications }))
}

async fn trace(connection: &mut AsyncPgConnection, row: &Row) -> Result<Trace, StepError> {
    use reached as r;
    let counts: Vec<(String, i64)> = r::table
        .filter(r::position.eq(row.position.as_i64()))
        .select((r::node, r::sockets))
        .load(connection)
        .await?;
    let readers: Vec<String> = readers(row).load(connection).await?;
    let corrupt = |_| StepError::Corrupt { table: "inbox", row: row.room.to_string() };
    let readers = readers.into_iter().map(|user| user.parse::<UserId>().map_err(corrupt));
    Ok(Trace {
        id: row.notification.id,
        room: row.room.clone(),
        read_by: Readers::new(readers.collect::<Result<_, _>>()?),
        reached: counts.into_iter().map(|(node, sockets)| (node, sockets.cast_unsigned())).collect(),
    })
}

pub(crate) fn readers(row: &Row) -> Statement<'_, Text> {
    let mutable = is_mutable(row.notification.priority);
    Statement::new(READERS)
        .bind::<BigInt, _>(row.position.as_i64())
        .bind::<Text, _>(row.room.as_str())
        .bind::<Nullable<BigInt>, _>(row.notification.expires_at.map(Timestamp::as_millis))
        .bind::<BigInt, _>(i64::from(Readers::LOOKED_AT))
        .bind::<BigInt, _>(i64::from(Readers::BOUND))
        .bind::<Nullable<Text>, _>(mutable.then(|| row.notification.kind.as_str()))
}

/// Takes the counts along whose rows have been trimmed; answers whether there may be more of them.
pub(crate) async fn forget(connection: &mut AsyncPgConnection) -> Result<bool, StepError> {
    let gone = Statement::<()>::new(FORGET)
        .bind::<BigInt, _>(Position::END.as_i64())
        .bind::<BigInt, _>(i64::from(Trim::MAX_ROWS))
        .execute(connection)
        .await?;
    Ok(gone == Trim::MAX_ROWS as usize)
}
