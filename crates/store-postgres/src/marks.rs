//! What readers mark.
//!
//! ```text
//!      since          read_up_to                      head
//!   ─────┼────────────────┼─────────────────────────────┼──▶ positions
//!        │ read, but for  │ unread, but for             │
//!        │ marks without  │ marks with                  │
//!        │ a read_at      │ a read_at                   │
//! ```
//!
//! An item's state is its mark's if it has one, else it is read if it is muted, else it is that of its side of `read_up_to`. When
//! it was read is its mark's `read_at`, else, if it is muted, when it was accepted, else the time of the first entry of
//! `inbox_reads` that covers it; so whatever moves `read_up_to` past an item without a mark leaves such an entry.
//! Beyond `read_up_to`, a mark without a `read_at` stands only where a muted item was made unread.

use std::collections::BTreeMap;

use carillon_domain::{Entitled, Mark, Marked, Position, ReadStatus, Timestamp, UNREAD_BOUND};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::error::StepError;
use crate::inbox::{Place, Reading, find, readings};
use crate::listing::newest;
use crate::log::head;
use crate::schema::{inbox, inbox_marks, inbox_reads};
use crate::statement::Statement;
use crate::{muting, rows, unread};

/// Whether a room has rows between two places.
const NEWS: &str = "\
    SELECT EXISTS (SELECT FROM carillon.notifications n
        WHERE (n.room, n.position) > ($1, $2) AND (n.room, n.position) <= ($1, $3)
            AND n.position > $2 AND n.position <= $3
        ORDER BY n.room, n.position LIMIT 1)";

/// The last of the rows after a place that are read or expired without a gap, and whether one of them has no mark.
pub(crate) const ADVANCE: &str = "\
    SELECT max(a.position), coalesce(bool_or(NOT a.is_marked), false) FROM (
        SELECT n.position, m.position IS NOT NULL AS is_marked, bool_or(
            m.position IS NULL AND (n.expires_at IS NULL OR n.expires_at > $4)
        ) OVER (ORDER BY n.position) AS is_over FROM (
            SELECT n.position, n.expires_at FROM carillon.notifications n
            WHERE (n.room, n.position) > ($2, $3) AND (n.room, n.position) <= ($2, $6) AND n.position > $3
            ORDER BY n.room, n.position LIMIT $5
        ) n LEFT JOIN carillon.inbox_marks m ON m.user_id = $1 AND m.room = $2 AND m.position = n.position
    ) a WHERE NOT a.is_over";

/// Marks, within the caller's transaction.
pub(crate) async fn mark(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    mark: &Mark,
    now: Timestamp,
) -> Result<Option<Marked>, StepError> {
    queue_up(connection, who).await?;
    let mut newest_id = None;
    match mark {
        Mark::Read(ids) => {
            let Some(places) = find(connection, who, ids, now).await? else { return Ok(None) };
            read(connection, who, &places, now).await?;
        }
        Mark::Unread(ids) => {
            let Some(places) = find(connection, who, ids, now).await? else { return Ok(None) };
            unread_again(connection, who, &places).await?;
        }
        Mark::ReadUpTo(id) => {
            let found = find(connection, who, &[*id], now).await?;
            let Some([place]) = found.as_deref() else { return Ok(None) };
            read_up_to(connection, who, place.position, now).await?;
        }
        Mark::ReadAll => {
            let newest = newest(connection, who, Position::END.as_i64(), ReadStatus::All, 1, now).await?;
            if let [position] = newest[..] {
                newest_id = Some(rows::id_at(connection, position).await?);
            }
            let head = head(connection).await?.position;
            read_up_to(connection, who, head.as_i64(), now).await?;
        }
    }
    let unread = unread::count(connection, who, Position::END, now).await?;
    Ok(Some(Marked { unread, newest: newest_id }))
}

/// A user's marks are made one after the other.
pub(crate) async fn queue_up(connection: &mut AsyncPgConnection, who: &Entitled) -> Result<(), StepError> {
    use inbox as i;
    let theirs = i::table.filter(i::user_id.eq(who.user_id.as_str())).order(i::room).select(i::room);
    theirs.for_update().execute(connection).await?;
    Ok(())
}

/// Positions, each with its room's name.
type Named<'a> = Vec<(&'a str, i64)>;

/// The places, each once, that lie at or below what was read up to, and those beyond.
fn sides<'a>(readings: &[Reading<'a>], places: &[Place]) -> (Named<'a>, Named<'a>) {
    let each: BTreeMap<i64, &Place> = places.iter().map(|place| (place.position, place)).collect();
    let is_below = |place: &&Place| place.position <= readings[place.room].read_up_to;
    let (below, beyond): (Vec<&Place>, Vec<&Place>) = each.into_values().partition(is_below);
    let named = |places: Vec<&Place>| {
        places.iter().map(|place| (readings[place.room].room, place.position)).collect()
    };
    (named(below), named(beyond))
}

fn positions(places: &[(&str, i64)]) -> Vec<i64> {
    places.iter().map(|(_, position)| *position).collect()
}

async fn read(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    places: &[Place],
    now: Timestamp,
) -> Result<(), StepError> {
    use inbox_marks as m;
    let (user, mut readings) = (who.user_id.as_str(), readings(connection, who).await?);
    let (below, mut beyond) = sides(&readings, places);
    let muted = muting::muted(connection, user, positions(&beyond)).await?;
    beyond.retain(|(_, position)| !muted.contains(position));
    // By themselves unless made unread.
    let mut read = positions(&below);
    read.extend(muted);
    diesel::update(
        m::table.filter(m::user_id.eq(user).and(m::position.eq_any(read)).and(m::read_at.is_null())),
    )
    .set(m::read_at.eq(now.as_millis()))
    .execute(connection)
    .await?;
    let mark = |(room, position)| {
        (m::user_id.eq(user), m::room.eq(room), m::position.eq(position), m::read_at.eq(now.as_millis()))
    };
    let marks: Vec<_> = beyond.into_iter().map(mark).collect();
    diesel::insert_into(m::table).values(marks).on_conflict_do_nothing().execute(connection).await?;
    for (n, reading) in readings.iter_mut().enumerate() {
        if places.iter().any(|place| place.room == n) {
            advance(connection, reading, now).await?;
        }
    }
    Ok(())
}

async fn unread_again(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    places: &[Place],
) -> Result<(), StepError> {
    use inbox_marks as m;
    let (user, readings) = (who.user_id.as_str(), readings(connection, who).await?);
    let (mut below, beyond) = sides(&readings, places);
    let muted = muting::muted(connection, user, positions(&beyond)).await?;
    let (muted, beyond): (Named<'_>, Named<'_>) =
        beyond.into_iter().partition(|(_, position)| muted.contains(position));
    // They are read by themselves, as those below are.
    below.extend(muted);
    let never = None::<i64>;
    let mark = |(room, position)| {
        (m::user_id.eq(user), m::room.eq(room), m::position.eq(position), m::read_at.eq(never))
    };
    let marks: Vec<_> = below.into_iter().map(mark).collect();
    diesel::insert_into(m::table)
        .values(marks)
        .on_conflict((m::user_id, m::room, m::position))
        .do_update()
        .set(m::read_at.eq(never))
        .execute(connection)
        .await?;
    diesel::delete(m::table.filter(m::user_id.eq(user).and(m::position.eq_any(positions(&beyond)))))
        .execute(connection)
        .await?;
    Ok(())
}

/// Reads all rooms up to a place. Positions are the same for all rooms, so one place serves them all.
async fn read_up_to(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    place: i64,
    now: Timestamp,
) -> Result<(), StepError> {
    use inbox_marks as m;
    for mut reading in readings(connection, who).await? {
        let Reading { user, room, read_up_to, .. } = reading;
        let again = m::table.filter(m::user_id.eq(user).and(m::room.eq(room)).and(m::position.le(place)));
        diesel::update(again.filter(m::read_at.is_null()))
            .set(m::read_at.eq(now.as_millis()))
            .execute(connection)
            .await?;
        let news = Statement::<Bool>::new(NEWS)
            .bind::<Text, _>(room)
            .bind::<BigInt, _>(read_up_to)
            .bind::<BigInt, _>(place);
        // A room without news gets no entry: reading all each minute must not fill a table.
        if news.get_result(connection).await? {
            set(connection, &mut reading, place, Some(now)).await?;
            advance(connection, &mut reading, now).await?;
        }
    }
    Ok(())
}

/// Moves `read_up_to` over the read and expired rows that follow it, so that counting has little to look at. Bounded;
/// the next mark goes on where this one stopped.
async fn advance(
    connection: &mut AsyncPgConnection,
    reading: &mut Reading<'_>,
    now: Timestamp,
) -> Result<(), StepError> {
    let advance = Statement::<(Nullable<BigInt>, Bool)>::new(ADVANCE)
        .bind::<Text, _>(reading.user)
        .bind::<Text, _>(reading.room)
        .bind::<BigInt, _>(reading.read_up_to)
        .bind::<BigInt, _>(now.as_millis())
        .bind::<BigInt, _>(i64::from(UNREAD_BOUND))
        .bind::<BigInt, _>(Position::END.as_i64());
    let (place, over_unread): (Option<i64>, bool) = advance.get_result(connection).await?;
    if let Some(place) = place {
        set(connection, reading, place, over_unread.then_some(now)).await?;
    }
    Ok(())
}

/// Sets `read_up_to`; with `read_at` where there are items without a mark among those it passes.
pub(crate) async fn set(
    connection: &mut AsyncPgConnection,
    reading: &mut Reading<'_>,
    place: i64,
    read_at: Option<Timestamp>,
) -> Result<(), StepError> {
    use {inbox as i, inbox_reads as r};
    let Reading { user, room, since, .. } = *reading;
    if let Some(read_at) = read_at {
        let entry =
            (r::user_id.eq(user), r::room.eq(room), r::up_to.eq(place), r::read_at.eq(read_at.as_millis()));
        diesel::insert_into(r::table).values(entry).on_conflict_do_nothing().execute(connection).await?;
    }
    let inbox = (i::user_id.eq(user), i::room.eq(room), i::since.eq(since), i::read_up_to.eq(place));
    diesel::insert_into(i::table)
        .values(inbox)
        .on_conflict((i::user_id, i::room))
        .do_update()
        .set(i::read_up_to.eq(place))
        .execute(connection)
        .await?;
    reading.read_up_to = place;
    Ok(())
}
