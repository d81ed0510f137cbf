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

use carillon_domain::{
    Entitled, Mark, Marked, NotificationId, Position, ReadStatus, Timestamp, UNREAD_BOUND,
};
use diesel::connection::DefaultLoadingMode;
use diesel::dsl::{exists, select};
use diesel::prelude::*;

use crate::error::StepError;
use crate::inbox::{Place, Reading, find, readings};
use crate::listing::newest;
use crate::log::head;
use crate::schema::{inbox, inbox_marks, inbox_reads, notifications};
use crate::{muting, rows, unread};

/// Marks, within the caller's transaction.
pub(crate) fn mark(
    connection: &mut SqliteConnection,
    who: &Entitled,
    mark: &Mark,
    now: Timestamp,
) -> Result<Option<Marked>, StepError> {
    let mut newest_id = None;
    match mark {
        Mark::Read(ids) => {
            let Some(places) = find_all(connection, who, ids, now)? else { return Ok(None) };
            read(connection, who, &places, now)?;
        }
        Mark::Unread(ids) => {
            let Some(places) = find_all(connection, who, ids, now)? else { return Ok(None) };
            unread_again(connection, who, &places)?;
        }
        Mark::ReadUpTo(id) => {
            let Some(place) = find(connection, who, *id, now)? else { return Ok(None) };
            read_up_to(connection, who, place.position, now)?;
        }
        Mark::ReadAll => {
            let newest = newest(connection, who, Position::END.as_i64(), ReadStatus::All, 1, now)?;
            newest_id = newest.first().map(|position| rows::id_at(connection, *position)).transpose()?;
            let head = head(connection)?.position;
            read_up_to(connection, who, head.as_i64(), now)?;
        }
    }
    let unread = unread::count(connection, who, Position::END, now)?;
    Ok(Some(Marked { unread, newest: newest_id }))
}

fn find_all(
    connection: &mut SqliteConnection,
    who: &Entitled,
    ids: &[NotificationId],
    now: Timestamp,
) -> Result<Option<Vec<Place>>, StepError> {
    ids.iter().map(|id| find(connection, who, *id, now)).collect()
}

fn read(
    connection: &mut SqliteConnection,
    who: &Entitled,
    places: &[Place],
    now: Timestamp,
) -> Result<(), StepError> {
    use inbox_marks as m;
    let mut readings = readings(connection, who)?;
    for Place { position, room } in places {
        let reading = &readings[*room];
        let Reading { user, room, read_up_to, .. } = *reading;
        let mark = m::table.filter(m::user_id.eq(user).and(m::room.eq(room)).and(m::position.eq(position)));
        // By itself only if it was made unread.
        let again = diesel::update(mark.filter(m::read_at.is_null()))
            .set(m::read_at.eq(now.as_millis()))
            .execute(connection)?;
        if again == 0 && *position > read_up_to && !is_muted(connection, reading, *position)? {
            let mark = (
                m::user_id.eq(user),
                m::room.eq(room),
                m::position.eq(position),
                m::read_at.eq(now.as_millis()),
            );
            diesel::insert_into(m::table).values(mark).on_conflict_do_nothing().execute(connection)?;
        }
    }
    for (n, reading) in readings.iter_mut().enumerate() {
        if places.iter().any(|place| place.room == n) {
            advance(connection, reading, now)?;
        }
    }
    Ok(())
}

fn unread_again(
    connection: &mut SqliteConnection,
    who: &Entitled,
    places: &[Place],
) -> Result<(), StepError> {
    use inbox_marks as m;
    let readings = readings(connection, who)?;
    for Place { position, room } in places {
        let reading = &readings[*room];
        let Reading { user, room, read_up_to, .. } = *reading;
        if *position <= read_up_to || is_muted(connection, reading, *position)? {
            let never = None::<i64>;
            let mark =
                (m::user_id.eq(user), m::room.eq(room), m::position.eq(position), m::read_at.eq(never));
            diesel::replace_into(m::table).values(mark).execute(connection)?;
        } else {
            let mark =
                m::table.filter(m::user_id.eq(user).and(m::room.eq(room)).and(m::position.eq(position)));
            diesel::delete(mark).execute(connection)?;
        }
    }
    Ok(())
}

fn is_muted(
    connection: &mut SqliteConnection,
    reading: &Reading<'_>,
    position: i64,
) -> Result<bool, StepError> {
    Ok(!muting::muted(connection, reading, position - 1, position)?.is_empty())
}

/// Reads all rooms up to a place. Positions are the same for all rooms, so one place serves them all.
fn read_up_to(
    connection: &mut SqliteConnection,
    who: &Entitled,
    place: i64,
    now: Timestamp,
) -> Result<(), StepError> {
    use {inbox_marks as m, notifications as n};
    for mut reading in readings(connection, who)? {
        let Reading { user, room, read_up_to, .. } = reading;
        let again = m::table.filter(m::user_id.eq(user).and(m::room.eq(room)).and(m::position.le(place)));
        diesel::update(again.filter(m::read_at.is_null()))
            .set(m::read_at.eq(now.as_millis()))
            .execute(connection)?;
        let news =
            n::table.filter(n::room.eq(room).and(n::position.gt(read_up_to)).and(n::position.le(place)));
        // A room without news gets no entry: reading all each minute must not fill a table.
        if select(exists(news)).get_result(connection)? {
            set(connection, &mut reading, place, Some(now))?;
            advance(connection, &mut reading, now)?;
        }
    }
    Ok(())
}

/// Moves `read_up_to` over the read and expired rows that follow it, so that counting has little to look at. Bounded;
/// the next mark goes on where this one stopped.
fn advance(
    connection: &mut SqliteConnection,
    reading: &mut Reading<'_>,
    now: Timestamp,
) -> Result<(), StepError> {
    use {inbox_marks as m, notifications as n};
    let mark = m::position.eq(n::position).and(m::room.eq(n::room)).and(m::user_id.eq(reading.user));
    let rows = n::table
        .left_join(m::table.on(mark))
        .filter(n::room.eq(reading.room).and(n::position.gt(reading.read_up_to)))
        .order(n::position)
        .limit(UNREAD_BOUND.into())
        .select((n::position, n::expires_at, m::position.nullable()))
        .load_iter::<(i64, Option<i64>, Option<i64>), DefaultLoadingMode>(connection)?;
    let (mut place, mut over_unread) = (reading.read_up_to, false);
    // Read off one by one: most often the first row is where it ends.
    for row in rows {
        let (position, expires_at, marked) = row?;
        let expired = expires_at.is_some_and(|end| end <= now.as_millis());
        match marked {
            Some(_) => {}
            None if expired => over_unread = true,
            None => break,
        }
        place = position;
    }
    if place > reading.read_up_to {
        set(connection, reading, place, over_unread.then_some(now))?;
    }
    Ok(())
}

/// Sets `read_up_to`; with `read_at` where there are items without a mark among those it passes.
pub(crate) fn set(
    connection: &mut SqliteConnection,
    reading: &mut Reading<'_>,
    place: i64,
    read_at: Option<Timestamp>,
) -> Result<(), StepError> {
    use {inbox as i, inbox_reads as r};
    let Reading { user, room, since, .. } = *reading;
    if let Some(read_at) = read_at {
        let entry =
            (r::user_id.eq(user), r::room.eq(room), r::up_to.eq(place), r::read_at.eq(read_at.as_millis()));
        diesel::insert_into(r::table).values(entry).on_conflict_do_nothing().execute(connection)?;
    }
    let inbox = (i::user_id.eq(user), i::room.eq(room), i::since.eq(since), i::read_up_to.eq(place));
    diesel::insert_into(i::table)
        .values(inbox)
        .on_conflict((i::user_id, i::room))
        .do_update()
        .set(i::read_up_to.eq(place))
        .execute(connection)?;
    reading.read_up_to = place;
    Ok(())
}
