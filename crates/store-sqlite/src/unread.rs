//! Counting what is unread, at a cost that does not grow with the inbox.

use std::collections::{HashMap, HashSet};

use carillon_domain::{Entitled, Position, Timestamp, UNREAD_BOUND};
use diesel::dsl::{exists, not};
use diesel::prelude::*;

use crate::error::StepError;
use crate::inbox::{Reading, readings};
use crate::muting;
use crate::schema::{inbox, inbox_marks, notifications};

/// The unread items at or below `up_to`, at most [`UNREAD_BOUND`]. In each room it looks at that many entries beyond
/// what was read up to, and at that many items made unread below; where more lie beyond, the answer is the bound.
pub(crate) fn count(
    connection: &mut SqliteConnection,
    who: &Entitled,
    up_to: Position,
    now: Timestamp,
) -> Result<u32, StepError> {
    let (up_to, now) = (up_to.as_i64(), now.as_millis());
    let bound = UNREAD_BOUND as usize;
    let mut unread = 0;
    let quiet = quiet(connection, who, up_to)?;
    if who.rooms.iter().all(|entitlement| quiet.contains(entitlement.room.as_str())) {
        return Ok(0);
    }
    for reading in readings(connection, who)? {
        if quiet.contains(reading.room) {
            continue;
        }
        let Some(beyond) = beyond(connection, &reading, up_to, now)? else { return Ok(UNREAD_BOUND) };
        unread += beyond + below(connection, &reading, up_to, now)?;
        if unread >= bound {
            return Ok(UNREAD_BOUND);
        }
    }
    Ok(u32::try_from(unread).unwrap_or(UNREAD_BOUND))
}

/// The user's rooms in which there is nothing to count: no row beyond what was read up to, and none that was made unread.
/// For most who come that is all of them, and they are found by one statement.
fn quiet(
    connection: &mut SqliteConnection,
    who: &Entitled,
    up_to: i64,
) -> Result<HashSet<String>, StepError> {
    use {inbox as i, inbox_marks as m, notifications as n};
    let beyond =
        n::table.filter(n::room.eq(i::room).and(n::position.gt(i::read_up_to)).and(n::position.le(up_to)));
    let marked =
        m::table.filter(m::user_id.eq(i::user_id).and(m::room.eq(i::room)).and(m::read_at.is_null()));
    let rooms = i::table
        .filter(i::user_id.eq(who.user_id.as_str()))
        .filter(not(exists(beyond)).and(not(exists(marked))))
        .select(i::room)
        .load(connection)?;
    Ok(rooms.into_iter().collect())
}

/// Beyond what was read up to: the rows less the marks. `None` when there are more rows than may be looked at.
fn beyond(
    connection: &mut SqliteConnection,
    reading: &Reading<'_>,
    up_to: i64,
    now: i64,
) -> Result<Option<usize>, StepError> {
    use {inbox_marks as m, notifications as n};
    let Reading { user, room, read_up_to, .. } = reading;
    let rows: Vec<(i64, Option<i64>)> = n::table
        .filter(n::room.eq(room).and(n::position.gt(read_up_to)).and(n::position.le(up_to)))
        .order(n::position)
        .limit(i64::from(UNREAD_BOUND) + 1)
        .select((n::position, n::expires_at))
        .load(connection)?;
    if rows.len() > UNREAD_BOUND as usize {
        return Ok(None);
    }
    let Some((last, _)) = rows.last() else { return Ok(Some(0)) };
    // Each mark has its row, so these are no more than those.
    let marks: Vec<(i64, Option<i64>)> = m::table
        .filter(m::user_id.eq(user).and(m::room.eq(room)))
        .filter(m::position.gt(read_up_to).and(m::position.le(up_to)))
        .select((m::position, m::read_at))
        .load(connection)?;
    let marks: HashMap<i64, Option<i64>> = marks.into_iter().collect();
    let muted = muting::muted(connection, reading, *read_up_to, *last)?;
    let is_unread = |(position, expires_at): &&(i64, Option<i64>)| {
        let is_read = marks.get(position).map_or_else(|| muted.contains(position), Option::is_some);
        expires_at.is_none_or(|end| end > now) && !is_read
    };
    Ok(Some(rows.iter().filter(is_unread).count()))
}

/// At or below what was read up to: the items made unread again.
fn below(
    connection: &mut SqliteConnection,
    Reading { user, room, since, read_up_to }: &Reading<'_>,
    up_to: i64,
    now: i64,
) -> Result<usize, StepError> {
    use {inbox_marks as m, notifications as n};
    let marks: Vec<Option<i64>> = m::table
        .inner_join(n::table)
        .filter(m::user_id.eq(user).and(m::room.eq(room)).and(m::read_at.is_null()))
        .filter(m::position.gt(since).and(m::position.le(up_to.min(*read_up_to))))
        .order(m::position)
        .limit(UNREAD_BOUND.into())
        .select(n::expires_at)
        .load(connection)?;
    Ok(marks.iter().filter(|end| end.is_none_or(|end| end > now)).count())
}
