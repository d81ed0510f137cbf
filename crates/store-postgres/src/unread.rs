//! Counting what is unread, at a cost that does not grow with the inbox.

use carillon_domain::{Entitled, Position, Timestamp, UNREAD_BOUND};
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::error::StepError;
use crate::statement::Statement;

/// Of each room of each user: how many rows lie beyond what was read up to, how many of them are unread, and how many were
/// made unread below. It looks at no more than one entry beyond the bound in either place. Pairs are compared so that the
/// index by room is the only way; the bounds on the position alone pick the partitions. The rows themselves are visited for
/// those who have muted something.
pub(crate) const COUNT: &str = "\
    SELECT b.rows, b.unread, u.unread
    FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS e (user_id, room, since, up_to, number)
    LEFT JOIN carillon.inbox i ON i.user_id = e.user_id AND i.room = e.room
    CROSS JOIN LATERAL (SELECT greatest(e.since, i.read_up_to) AS place) r
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM carillon.mutes u WHERE u.user_id = e.user_id) AS mutes) w
    CROSS JOIN LATERAL (
        SELECT count(*) AS rows, count(*) FILTER (
            WHERE (n.expires_at IS NULL OR n.expires_at > $5)
                AND NOT EXISTS (SELECT FROM carillon.inbox_marks m WHERE m.user_id = e.user_id AND m.room = e.room
                    AND m.position = n.position AND m.read_at IS NOT NULL)
                AND NOT (w.mutes
                    AND EXISTS (SELECT FROM carillon.notifications x JOIN carillon.mutes u
                        ON u.user_id = e.user_id AND u.type = x.type AND u.since < x.position AND u.until >= x.position
                        WHERE x.position = n.position AND x.priority IN ('low', 'medium'))
                    AND NOT EXISTS (SELECT FROM carillon.inbox_marks m WHERE m.user_id = e.user_id
                        AND m.room = e.room AND m.position = n.position AND m.read_at IS NULL))
        ) AS unread
        FROM (
            SELECT n.position, n.expires_at FROM carillon.notifications n
            WHERE (n.room, n.position) > (e.room, r.place) AND (n.room, n.position) <= (e.room, e.up_to)
                AND n.position > r.place AND n.position <= e.up_to
            ORDER BY n.room, n.position LIMIT $6 + 1
        ) n
    ) b
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE n.expires_at IS NULL OR n.expires_at > $5) AS unread
        FROM (
            SELECT m.position FROM carillon.inbox_marks m
            WHERE m.user_id = e.user_id AND m.room = e.room AND m.read_at IS NULL
                AND m.position > e.since AND m.position <= least(e.up_to, r.place)
            ORDER BY m.position LIMIT $6
        ) m JOIN carillon.notifications n ON n.position = m.position
    ) u
    ORDER BY e.number";

/// The unread items at or below `up_to`, at most [`UNREAD_BOUND`]; where more rows lie beyond what was read up to than may
/// be looked at, the answer is the bound.
pub(crate) async fn count(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    up_to: Position,
    now: Timestamp,
) -> Result<u32, StepError> {
    let counts = count_all(connection, &[(who, up_to)], now).await?;
    Ok(counts.into_iter().next().unwrap_or(UNREAD_BOUND))
}

/// The same for several users, each up to a place of their own.
pub(crate) async fn count_all(
    connection: &mut AsyncPgConnection,
    all: &[(&Entitled, Position)],
    now: Timestamp,
) -> Result<Vec<u32>, StepError> {
    let rooms =
        || all.iter().flat_map(|(who, up_to)| who.rooms.iter().map(move |e| (who, e, up_to.as_i64())));
    let counts: Vec<(i64, i64, i64)> = Statement::<(BigInt, BigInt, BigInt)>::new(COUNT)
        .bind::<Array<Text>, _>(rooms().map(|(who, ..)| who.user_id.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rooms().map(|(_, e, _)| e.room.as_str()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(rooms().map(|(_, e, _)| e.since.as_i64()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(rooms().map(|(.., up_to)| up_to).collect::<Vec<_>>())
        .bind::<BigInt, _>(now.as_millis())
        .bind::<BigInt, _>(i64::from(UNREAD_BOUND))
        .load(connection)
        .await?;
    let (mut counts, bound) = (counts.into_iter(), i64::from(UNREAD_BOUND));
    let of_one = |(who, _): &(&Entitled, Position)| {
        let of_rooms = counts.by_ref().take(who.rooms.len());
        // More than may be looked at in one room is as much as can be.
        let unread: i64 =
            of_rooms.map(|(rows, beyond, below)| if rows > bound { bound } else { beyond + below }).sum();
        u32::try_from(unread.min(bound)).unwrap_or(UNREAD_BOUND)
    };
    Ok(all.iter().map(of_one).collect())
}
