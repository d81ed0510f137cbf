//! Deleting out of the middle of the log: what was said to one user alone, and old rows of one type.

use carillon_domain::ports::{Erasing, Trim};
use carillon_domain::{Kind, Room, Timestamp, UserId};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::error::StepError;
use crate::schema::{inbox, kept_types, notifications};

/// Each deletes so many and no more.
const MARKS: &str = "\
    DELETE FROM inbox_marks WHERE (user_id, room, position) IN \
        (SELECT user_id, room, position FROM inbox_marks WHERE user_id = ?1 LIMIT ?2)";
const READS: &str = "\
    DELETE FROM inbox_reads WHERE (user_id, room, up_to) IN \
        (SELECT user_id, room, up_to FROM inbox_reads WHERE user_id = ?1 LIMIT ?2)";
const ACKS: &str = "\
    DELETE FROM acks WHERE (broadcast_id, user_id) IN \
        (SELECT broadcast_id, user_id FROM acks WHERE user_id = ?1 LIMIT ?2)";

/// A part of what there is of a user, within the caller's transaction. The rest goes with the memo, by a trigger.
pub(crate) fn erase(connection: &mut SqliteConnection, user_id: &UserId) -> Result<Erasing, StepError> {
    use {inbox as i, notifications as n};
    let (user, most) = (user_id.as_str(), i64::from(Trim::MAX_ROWS));
    let entered: Vec<String> = i::table.filter(i::user_id.eq(user)).select(i::room).load(connection)?;
    let corrupt = || StepError::Corrupt { table: "inbox", row: user.to_owned() };
    let mut rooms =
        entered.iter().map(|room| room.parse().map_err(|_| corrupt())).collect::<Result<Vec<Room>, _>>()?;
    rooms.retain(|room| !room.is_shared());
    rooms.extend(Room::of(user_id));
    rooms.sort_unstable();
    rooms.dedup();
    let theirs = n::room.eq_any(rooms.iter().map(Room::as_str));
    let rows: Vec<i64> = n::table.filter(theirs).limit(most).select(n::position).load(connection)?;
    let mut deleted = vec![diesel::delete(n::table.filter(n::position.eq_any(rows))).execute(connection)?];
    for statement in [MARKS, READS, ACKS] {
        let delete = diesel::sql_query(statement).bind::<Text, _>(user).bind::<BigInt, _>(most);
        deleted.push(delete.execute(connection)?);
    }
    Ok(Erasing { rooms, has_more: deleted.contains(&(Trim::MAX_ROWS as usize)) })
}

/// The next stretch of time, within the caller's transaction.
pub(crate) fn trim_kind(
    connection: &mut SqliteConnection,
    kind: &Kind,
    before: Timestamp,
) -> Result<bool, StepError> {
    use {kept_types as k, notifications as n};
    let before = before.as_millis();
    let swept: Option<i64> = k::table.find(kind.as_str()).select(k::swept).first(connection).optional()?;
    let from = swept.unwrap_or(0);
    if from >= before {
        return Ok(false);
    }
    let stretch = n::created_at.ge(from).and(n::created_at.lt(before));
    let next =
        n::table.filter(stretch).order(n::created_at).offset(Trim::MAX_ROWS.into()).select(n::created_at);
    let next: Option<i64> = next.first(connection).optional()?;
    // As many at one instant: they are looked through at once.
    let to = next.map_or(before, |next| next.max(from + 1));
    let over = n::created_at.ge(from).and(n::created_at.lt(to)).and(n::kind.eq(kind.as_str()));
    diesel::delete(n::table.filter(over)).execute(connection)?;
    diesel::replace_into(k::table)
        .values((k::kind.eq(kind.as_str()), k::swept.eq(to)))
        .execute(connection)?;
    Ok(to < before)
}
