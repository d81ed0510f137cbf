//! Deleting out of the middle of the log: what was said to one user alone, and old rows of one type.

use carillon_domain::ports::{Erasing, Trim};
use carillon_domain::{Kind, Room, Timestamp, UserId};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::error::StepError;
use crate::schema::inbox;
use crate::statement::{Statement, done};

/// Each deletes so many and no more.
const ROWS: &str = "\
    DELETE FROM carillon.notifications WHERE position = ANY (ARRAY(
        SELECT n.position FROM carillon.notifications n WHERE n.room = ANY ($1) LIMIT $2))";
const MARKS: &str = "\
    DELETE FROM carillon.inbox_marks WHERE (user_id, room, position) IN (
        SELECT m.user_id, m.room, m.position FROM carillon.inbox_marks m WHERE m.user_id = $1 LIMIT $2)";
const READS: &str = "\
    DELETE FROM carillon.inbox_reads WHERE (user_id, room, up_to) IN (
        SELECT r.user_id, r.room, r.up_to FROM carillon.inbox_reads r WHERE r.user_id = $1 LIMIT $2)";
const ACKS: &str = "\
    DELETE FROM carillon.acks WHERE (broadcast_id, user_id) IN (
        SELECT a.broadcast_id, a.user_id FROM carillon.acks a WHERE a.user_id = $1 LIMIT $2)";

/// A part of what there is of a user; each statement by itself. The rest goes with the memo, by a trigger.
pub(crate) async fn erase(
    connection: &mut AsyncPgConnection,
    user_id: &UserId,
) -> Result<Erasing, StepError> {
    use inbox as i;
    let (user, most) = (user_id.as_str(), i64::from(Trim::MAX_ROWS));
    let entered: Vec<String> = i::table.filter(i::user_id.eq(user)).select(i::room).load(connection).await?;
    let corrupt = || StepError::Corrupt { table: "inbox", row: user.to_owned() };
    let mut rooms =
        entered.iter().map(|room| room.parse().map_err(|_| corrupt())).collect::<Result<Vec<Room>, _>>()?;
    rooms.retain(|room| !room.is_shared());
    rooms.extend(Room::of(user_id));
    rooms.sort_unstable();
    rooms.dedup();
    let names: Vec<&str> = rooms.iter().map(Room::as_str).collect();
    let rows = Statement::<()>::new(ROWS).bind::<Array<Text>, _>(names).bind::<BigInt, _>(most);
    let mut deleted = vec![rows.execute(connection).await?];
    for statement in [MARKS, READS, ACKS] {
        let delete = Statement::<()>::new(statement).bind::<Text, _>(user).bind::<BigInt, _>(most);
        deleted.push(delete.execute(connection).await?);
    }
    Ok(Erasing { rooms, has_more: deleted.contains(&(Trim::MAX_ROWS as usize)) })
}

/// The next stretch of time.
pub(crate) async fn trim_kind(
    connection: &mut AsyncPgConnection,
    kind: &Kind,
    before: Timestamp,
) -> Result<bool, StepError> {
    let trim = Statement::<Bool>::new("SELECT carillon.trim_type($1, $2, $3)")
        .bind::<Text, _>(kind.as_str())
        .bind::<BigInt, _>(before.as_millis())
        .bind::<Integer, _>(Trim::MAX_ROWS.cast_signed());
    Ok(done(trim.load(connection).await?)?)
}
