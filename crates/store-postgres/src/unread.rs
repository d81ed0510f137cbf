//! Counting what is unread, at a cost that does not grow with the inbox.

use carillon_domain::{Entitled, Position, Timestamp, UNREAD_BOUND, UserId};
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::error::StepError;
use crate::statement::Statement;

/// Of each room: how many rows lie beyond what was read up to, how many of them are unread, and how many were made unread
/// below. It looks at no more than one entry beyond the bound in either place. Pairs are compared so that the index by
/// room is the only way; the bounds on the position alone pick the partitions. The rows themselves are visited for those who have
/// muted something.
pub(crate) const COUNT: &str = "\
    SELECT b.rows, b.unread, u.unread
    FROM unnest($2, $3) AS e (room, since)
    LEFT JOIN carillon.inbox i ON i.user_id = $1 AND i.room = e.room
    CROSS JOIN LATERAL (SELECT greatest(e.since, i.read_up_to) AS place) r
    CROSS JOIN LATERAL (
        SELECT count(*) AS rows, count(*) FILTER (
            WHERE (n.expires_at IS NULL OR n.expires_at > $5)
                AND NOT EXISTS (SELECT FROM carillon.inbox_marks m WHERE m.user_id = $1 AND m.room = e.room
                    AND m.position = n.position AND m.read_at IS NOT NULL)
                AND NOT ((SELECT EXISTS (SELECT FROM carillon.mutes u WHERE u.user_id = $1))
                    AND EXISTS (SELECT FROM carillon.notifications x JOIN carillon.mutes u
                        ON u.user_id = $1 AND u.type = x.type AND u.since < x.position AND u.until >= x.position
                        WHERE x.position = n.position AND x.priority IN ('low', 'medium'))
                    AND NOT EXISTS (SELECT FROM carillon.inbox_marks m
                        WHERE m.user_id = $1 AND m.room = e.room AND m.position = n.position AND m.read_at IS NULL))
        ) AS unread
        FROM (
            SELECT n.position, n.expires_at FROM carillon.notifications n
            WHERE (n.room, n.position) > (e.room, r.place) AND (n.room, n.position) <= (e.room, $4)
                AND n.position > r.place AND n.position <= $4
            ORDER BY n.room, n.position LIMIT $6 + 1
        ) n
    ) b
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE n.expires_at IS NULL OR n.expires_at > $5) AS unread
        FROM (
            SELECT m.position FROM carillon.inbox_marks m
            WHERE m.user_id = $1 AND m.room = e.room AND m.read_at IS NULL
                AND m.position > e.since AND m.position <= least($4, r.place)
            ORDER BY m.position LIMIT $6
        ) m JOIN carillon.notifications n ON n.position = m.position
    ) u";

/// The unread items at or below `up_to`, at most [`UNREAD_BOUND`]; where more rows lie beyond what was read up to than may
/// be looked at, the answer is the bound.
pub(crate) async fn count(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    up_to: Position,
    now: Timestamp,
) -> Result<u32, StepError> {
    let counts: Vec<(i64, i64, i64)> = statement(who, up_to, now).load(connection).await?;
    let bound = i64::from(UNREAD_BOUND);
    let full = counts.iter().any(|(rows, ..)| *rows > bound);
    let unread: i64 = counts.iter().map(|(_, beyond, below)| beyond + below).sum();
    Ok(if full { UNREAD_BOUND } else { u32::try_from(unread.min(bound)).unwrap_or(UNREAD_BOUND) })
}

pub(crate) fn statement(
    Entitled { user_id, rooms }: &Entitled,
    up_to: Position,
    now: Timestamp,
) -> Statement<'_, (BigInt, BigInt, BigInt)> {
    let (names, places): (Vec<&str>, Vec<i64>) =
        rooms.iter().map(|e| (e.room.as_str(), e.since.as_i64())).unzip();
    Statement::new(COUNT)
        .bind::<Text, _>(UserId::as_str(user_id))
        .bind::<Array<Text>, _>(names)
        .bind::<Array<BigInt>, _>(places)
        .bind::<BigInt, _>(up_to.as_i64())
        .bind::<BigInt, _>(now.as_millis())
        .bind::<BigInt, _>(i64::from(UNREAD_BOUND))
}
