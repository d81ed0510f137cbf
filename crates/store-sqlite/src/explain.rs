//! What became of a publish.

use async_trait::async_trait;
use carillon_domain::ports::{Explain, PortError};
use carillon_domain::{EventId, Explained, Position, Readers, Row, Timestamp, Trace, UserId, is_mutable};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::SqliteStore;
use crate::error::StepError;
use crate::rows::{self, Record};
use crate::schema::{notifications, reached};

const PORT: &str = "log";

/// Marks of the row itself, and whoever has read the room up to it or beyond, without a mark, and entered before it, and has
/// not muted it. Both
/// also cover rows that had expired unread, so for a row that expires the time counts; and both are looked at to a bound.
const READERS: &str = "\
    SELECT user_id FROM ( \
        SELECT user_id, room, read_at FROM inbox_marks WHERE position = ?1 LIMIT ?4 \
    ) WHERE room = ?2 AND read_at < ifnull(?3, read_at + 1) \
    UNION ALL \
    SELECT user_id FROM ( \
        SELECT user_id, since FROM inbox WHERE room = ?2 AND read_up_to >= ?1 ORDER BY read_up_to LIMIT ?4 \
    ) AS i WHERE since < ?1 \
        AND NOT EXISTS (SELECT 1 FROM inbox_marks AS m \
            WHERE m.user_id = i.user_id AND m.room = ?2 AND m.position = ?1) \
        AND NOT EXISTS (SELECT 1 FROM mutes AS u \
            WHERE u.user_id = i.user_id AND u.type = ?6 AND u.since < ?1 AND u.until >= ?1) \
        AND (?3 IS NULL OR ?3 > (SELECT read_at FROM inbox_reads AS r \
            WHERE r.user_id = i.user_id AND r.room = ?2 AND r.up_to >= ?1 ORDER BY r.up_to LIMIT 1)) \
    LIMIT ?5";

/// One statement for all. Its rows travel as JSON, since SQLite bounds the number of parameters.
const REACHED: &str = "\
    INSERT INTO reached (position, node, sockets) \
    SELECT value ->> 0, ?1, value ->> 1 FROM json_each(?2) \
    WHERE EXISTS (SELECT 1 FROM notifications AS n WHERE n.position = value ->> 0) \
    ON CONFLICT DO UPDATE SET sockets = sockets + excluded.sockets";

#[async_trait]
impl Explain for SqliteStore {
    async fn explain(&self, event_id: EventId) -> Result<Option<Explained>, PortError> {
        let step = move |connection: &mut SqliteConnection| explain(connection, event_id);
        self.readers.run(PORT, move |connection| connection.transaction(step)).await
    }

    async fn reached(&self, node: &str, sockets: &[(Position, u32)]) -> Result<(), PortError> {
        let pairs: Vec<_> = sockets.iter().map(|(at, sockets)| format!("[{},{sockets}]", at.get())).collect();
        let (node, pairs) = (node.to_owned(), format!("[{}]", pairs.join(",")));
        let step = move |connection: &mut SqliteConnection| {
            diesel::sql_query(REACHED).bind::<Text, _>(node).bind::<Text, _>(pairs).execute(connection)?;
            Ok(())
        };
        self.writer.run(PORT, step).await
    }
}

fn explain(connection: &mut SqliteConnection, event_id: EventId) -> Result<Option<Explained>, StepError> {
    use notifications as n;
    let records: Vec<Record> = n::table
        .filter(n::event_id.eq(&event_id.as_uuid().as_bytes()[..]))
        .order(n::position)
        .select(Record::as_select())
        .load(connection)?;
    let rows = records.into_iter().map(rows::read).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = rows.first() else { return Ok(None) };
    let (event, created_at) = (first.notification.event, first.notification.created_at);
    let notifications = rows.iter().map(|row| trace(connection, row)).collect::<Result<_, _>>()?;
    Ok(Some(Explained { event_id, event, created_at, notifications }))
}

fn trace(connection: &mut SqliteConnection, row: &Row) -> Result<Trace, StepError> {
    use reached as r;
    let counts: Vec<(String, i64)> = r::table
        .filter(r::position.eq(row.position.as_i64()))
        .select((r::node, r::sockets))
        .load(connection)?;
    Ok(Trace {
        id: row.notification.id,
        room: row.room.clone(),
        read_by: Readers::new(readers(connection, row)?),
        reached: counts.into_iter().map(|(node, sockets)| (node, sockets.cast_unsigned())).collect(),
    })
}

#[derive(QueryableByName)]
struct Reader {
    #[diesel(sql_type = Text)]
    user_id: String,
}

pub(crate) fn readers(connection: &mut SqliteConnection, row: &Row) -> Result<Vec<UserId>, StepError> {
    let mutable = is_mutable(row.notification.priority);
    let readers: Vec<Reader> = diesel::sql_query(READERS)
        .bind::<BigInt, _>(row.position.as_i64())
        .bind::<Text, _>(row.room.as_str())
        .bind::<Nullable<BigInt>, _>(row.notification.expires_at.map(Timestamp::as_millis))
        .bind::<BigInt, _>(i64::from(Readers::LOOKED_AT))
        .bind::<BigInt, _>(i64::from(Readers::BOUND))
        .bind::<Nullable<Text>, _>(mutable.then(|| row.notification.kind.as_str()))
        .load(connection)?;
    let corrupt = |_| StepError::Corrupt { table: "inbox", row: row.room.to_string() };
    readers.into_iter().map(|reader| reader.user_id.parse().map_err(corrupt)).collect()
}
