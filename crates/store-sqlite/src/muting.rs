//! What users mute. The spans themselves are kept by triggers (`migrations/sqlite`).

use std::collections::{HashMap, HashSet};

use carillon_domain::{Entitled, Head, Kind, Muting, Mutings, Span, Timestamp, UNREAD_BOUND, UserId};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::error::StepError;
use crate::inbox::{Reading, readings};
use crate::log::head;
use crate::marks;
use crate::rows::position;
use crate::schema::{inbox_marks, mutes, notifications};

/// Priorities that can be muted, as `carillon_domain::is_mutable` has it.
pub(crate) const MUTABLE: [&str; 2] = ["low", "medium"];

type Record = (String, String, i64, i64);

/// Of one user.
pub(crate) fn muting(connection: &mut SqliteConnection, user_id: &UserId) -> Result<Muting, StepError> {
    let spans: Vec<Record> = mutes::table.filter(mutes::user_id.eq(user_id.as_str())).load(connection)?;
    let spans = spans.into_iter().map(|record| span(record).map(|(_, span)| span));
    Ok(Muting::new(spans.collect::<Result<_, _>>()?))
}

/// Of all.
pub(crate) fn mutings(connection: &mut SqliteConnection) -> Result<Mutings, StepError> {
    let Head { epoch, position: as_of, .. } = head(connection)?;
    let records: Vec<Record> = mutes::table.load(connection)?;
    let mut spans: HashMap<UserId, Vec<Span>> = HashMap::new();
    for record in records {
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

/// From the few spans to the rows in them: nearly everyone has none.
const MUTED: &str = "\
    SELECT n.position FROM mutes AS u CROSS JOIN notifications AS n \
    WHERE u.user_id = ?1 AND u.until > ?3 AND n.room = ?2 AND n.position > ?3 AND n.position <= ?4 \
        AND n.position > u.since AND n.position <= u.until AND n.type = u.type AND n.priority IN ('low', 'medium')";

#[derive(QueryableByName)]
struct At {
    #[diesel(sql_type = BigInt)]
    position: i64,
}

/// The rows of a room after a place, up to another, that lie in its reader's spans. The places bound how many.
pub(crate) fn muted(
    connection: &mut SqliteConnection,
    reading: &Reading<'_>,
    after: i64,
    up_to: i64,
) -> Result<HashSet<i64>, StepError> {
    let rows: Vec<At> = diesel::sql_query(MUTED)
        .bind::<Text, _>(reading.user)
        .bind::<Text, _>(reading.room)
        .bind::<BigInt, _>(after)
        .bind::<BigInt, _>(up_to)
        .load(connection)?;
    Ok(rows.into_iter().map(|row| row.position).collect())
}

/// Moves what was read up to over the first thousand rows of a room that has more beyond, and makes those among them unread
/// one by one that are: nothing changes but where it is written down. So what is muted does not hide what is not from the
/// count, however much of it comes. Answers whether it is worth counting anew.
pub(crate) fn settle(
    connection: &mut SqliteConnection,
    who: &Entitled,
    now: Timestamp,
) -> Result<bool, StepError> {
    use {inbox_marks as m, notifications as n};
    for mut reading in readings(connection, who)? {
        let beyond: Vec<(i64, Option<i64>)> = n::table
            .filter(n::room.eq(reading.room).and(n::position.gt(reading.read_up_to)))
            .order(n::position)
            .limit(i64::from(UNREAD_BOUND) + 1)
            .select((n::position, n::expires_at))
            .load(connection)?;
        let Some((first, [_one_more])) = beyond.split_at_checked(UNREAD_BOUND as usize) else { continue };
        let Some((place, _)) = first.last() else { continue };
        let marks = m::table.filter(m::user_id.eq(reading.user).and(m::room.eq(reading.room)));
        let again = marks.filter(m::read_at.is_null()).filter(m::position.le(reading.read_up_to));
        let again = again.limit(UNREAD_BOUND.into()).select(m::position).load::<i64>(connection)?;
        // As many as are counted.
        if again.len() >= UNREAD_BOUND as usize {
            return Ok(false);
        }
        let marked = marks.filter(m::position.gt(reading.read_up_to).and(m::position.le(place)));
        let mut read: HashSet<i64> = marked.select(m::position).load(connection)?.into_iter().collect();
        read.extend(muted(connection, &reading, reading.read_up_to, *place)?);
        let is_over = |end: &Option<i64>| end.is_some_and(|end| end <= now.as_millis());
        let (over, unread): (Vec<_>, Vec<_>) =
            first.iter().filter(|(at, _)| !read.contains(at)).partition(|(_, end)| is_over(end));
        let never = None::<i64>;
        for (at, _) in unread {
            let mark = (
                m::user_id.eq(reading.user),
                m::room.eq(reading.room),
                m::position.eq(at),
                m::read_at.eq(never),
            );
            diesel::insert_into(m::table).values(mark).execute(connection)?;
        }
        marks::set(connection, &mut reading, *place, (!over.is_empty()).then_some(now))?;
        return Ok(true);
    }
    Ok(false)
}
