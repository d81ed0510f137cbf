//! What users mute. The spans themselves are kept by a trigger (`migrations/postgres`).

use std::collections::{HashMap, HashSet};

use carillon_domain::{
    Entitled, Head, Kind, Muting, Mutings, Position, Span, Timestamp, UNREAD_BOUND, UserId,
};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::error::StepError;
use crate::inbox::{Reading, readings};
use crate::log::read_head;
use crate::marks;
use crate::rows::position;
use crate::schema::mutes;
use crate::statement::Statement;

type Record = (String, String, i64, i64);

/// Of one user.
pub(crate) async fn muting(
    connection: &mut AsyncPgConnection,
    user_id: &UserId,
) -> Result<Muting, StepError> {
    let spans: Vec<Record> =
        mutes::table.filter(mutes::user_id.eq(user_id.as_str())).load(connection).await?;
    let spans = spans.into_iter().map(|record| span(record).map(|(_, span)| span));
    Ok(Muting::new(spans.collect::<Result<_, _>>()?))
}

/// The head, and beside it a span or nothing: one statement, one moment.
const MUTINGS: &str = "\
    SELECT h.epoch, h.position, h.trimmed, u.user_id, u.type, u.since, u.until
    FROM carillon.log_head h LEFT JOIN carillon.mutes u ON true WHERE h.id = 1";

type MutingsSql = (BigInt, BigInt, BigInt, Nullable<(Text, Text, BigInt, BigInt)>);

/// Of all.
pub(crate) async fn mutings(connection: &mut AsyncPgConnection) -> Result<Mutings, StepError> {
    let records: Vec<(i64, i64, i64, Option<Record>)> =
        Statement::<MutingsSql>::new(MUTINGS).load(connection).await?;
    let missing = || StepError::Corrupt { table: "log_head", row: "1".to_owned() };
    let &(epoch, at, trimmed, _) = records.as_slice().first().ok_or_else(missing)?;
    let Head { epoch, position: as_of, .. } = read_head((epoch, at, trimmed))?;
    let mut spans: HashMap<UserId, Vec<Span>> = HashMap::new();
    for record in records.into_iter().filter_map(|(.., record)| record) {
        let (user_id, span) = span(record)?;
        spans.entry(user_id).or_default().push(span);
    }
    let users = spans.into_iter().map(|(user_id, spans)| (user_id, Muting::new(spans))).collect();
    Ok(Mutings { epoch, as_of, users })
}

fn span((user, kind, since, until): Record) -> Result<(UserId, Span), StepError> {
    let corrupt = || StepError::Corrupt { table: "mutes", row: user.clone() };
    let kind = kind.parse::<Kind>().map_err(|_| corrupt())?;
    let (since, until) = (position(since, "mutes", &user)?, position(until, "mutes", &user)?);
    Ok((user.parse().map_err(|_| corrupt())?, Span { kind, since, until }))
}

const MUTED: &str = "\
    SELECT n.position FROM carillon.notifications n JOIN carillon.mutes u
        ON u.user_id = $1 AND u.type = n.type AND u.since < n.position AND u.until >= n.position
    WHERE n.position = ANY ($2) AND n.priority IN ('low', 'medium')";

/// Which of these rows lie in their reader's spans.
pub(crate) async fn muted(
    connection: &mut AsyncPgConnection,
    user: &str,
    positions: Vec<i64>,
) -> Result<HashSet<i64>, StepError> {
    if positions.is_empty() {
        return Ok(HashSet::new());
    }
    let muted = Statement::<BigInt>::new(MUTED).bind::<Text, _>(user).bind::<Array<BigInt>, _>(positions);
    Ok(muted.load(connection).await?.into_iter().collect())
}

/// The first rows of a room beyond a place, one more than are counted, and whether each is marked or muted, and over.
const BEYOND: &str = "\
    SELECT n.position, m.position IS NOT NULL OR n.priority IN ('low', 'medium') AND EXISTS (
            SELECT FROM carillon.mutes u WHERE u.user_id = $1 AND u.type = n.type
                AND u.since < n.position AND u.until >= n.position),
        coalesce(n.expires_at <= $4, false)
    FROM (
        SELECT n.position, n.type, n.priority, n.expires_at FROM carillon.notifications n
        WHERE (n.room, n.position) > ($2, $3) AND (n.room, n.position) <= ($2, $5) AND n.position > $3
        ORDER BY n.room, n.position LIMIT $6 + 1
    ) n LEFT JOIN carillon.inbox_marks m ON m.user_id = $1 AND m.room = $2 AND m.position = n.position
    ORDER BY n.position";

/// How many were made unread at or below a place, as far as they are counted.
const AGAIN: &str = "\
    SELECT count(*) FROM (SELECT FROM carillon.inbox_marks m
        WHERE m.user_id = $1 AND m.room = $2 AND m.read_at IS NULL AND m.position <= $3 LIMIT $4) m";

const MAKE_UNREAD: &str = "\
    INSERT INTO carillon.inbox_marks (user_id, room, position) SELECT $1, $2, p FROM unnest($3) AS p";

/// Moves what was read up to over the first thousand rows of a room that has more beyond, and makes those among them unread
/// one by one that are: nothing changes but where it is written down. So what is muted does not hide what is not from the
/// count, however much of it comes. Answers whether it is worth counting anew. Within the caller's transaction.
pub(crate) async fn settle(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    now: Timestamp,
) -> Result<bool, StepError> {
    marks::queue_up(connection, who).await?;
    for mut reading in readings(connection, who).await? {
        let Reading { user, room, read_up_to, .. } = reading;
        let beyond = Statement::<(BigInt, Bool, Bool)>::new(BEYOND)
            .bind::<Text, _>(user)
            .bind::<Text, _>(room)
            .bind::<BigInt, _>(read_up_to)
            .bind::<BigInt, _>(now.as_millis())
            .bind::<BigInt, _>(Position::END.as_i64())
            .bind::<BigInt, _>(i64::from(UNREAD_BOUND));
        let beyond: Vec<(i64, bool, bool)> = beyond.load(connection).await?;
        let Some((first, [_one_more])) = beyond.split_at_checked(UNREAD_BOUND as usize) else { continue };
        let Some((place, ..)) = first.last() else { continue };
        let again = Statement::<BigInt>::new(AGAIN)
            .bind::<Text, _>(user)
            .bind::<Text, _>(room)
            .bind::<BigInt, _>(read_up_to)
            .bind::<BigInt, _>(i64::from(UNREAD_BOUND));
        // As many as are counted.
        if again.get_result::<i64>(connection).await? >= i64::from(UNREAD_BOUND) {
            return Ok(false);
        }
        let (over, unread): (Vec<(i64, bool, bool)>, Vec<_>) =
            first.iter().filter(|(_, is_read, _)| !is_read).partition(|(.., is_over)| *is_over);
        Statement::<()>::new(MAKE_UNREAD)
            .bind::<Text, _>(user)
            .bind::<Text, _>(room)
            .bind::<Array<BigInt>, _>(unread.iter().map(|(at, ..)| *at).collect::<Vec<i64>>())
            .execute(connection)
            .await?;
        marks::set(connection, &mut reading, *place, (!over.is_empty()).then_some(now)).await?;
        return Ok(true);
    }
    Ok(false)
}

const FORGET: &str = "\
    DELETE FROM carillon.mutes WHERE until < coalesce((SELECT min(n.position) FROM carillon.notifications n), $1)";

/// Forgets spans that end before the oldest row there is. They are few: a user has some hundred at most.
pub(crate) async fn forget(connection: &mut AsyncPgConnection) -> Result<(), StepError> {
    let end = Position::END.as_i64();
    Statement::<()>::new(FORGET).bind::<BigInt, _>(end).execute(connection).await?;
    Ok(())
}
