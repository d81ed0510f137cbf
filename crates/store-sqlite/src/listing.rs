//! Which rows an inbox shows, newest first, and how each of its items looks to its reader.

use std::cmp::Reverse;

use carillon_domain::{Entitled, InboxItem, Position, ReadStatus, Room, Timestamp, UserId};
use diesel::dsl::{exists, max, min, not};
use diesel::prelude::*;

use crate::error::StepError;
use crate::inbox::{Reading, readings};
use crate::muting::{self, MUTABLE};
use crate::rows::{self, Record};
use crate::schema::{inbox_marks, inbox_reads, mutes, notifications};

/// The positions of the newest `most` visible rows in this state: from each room its newest, read off an index.
pub(crate) fn newest(
    connection: &mut SqliteConnection,
    who: &Entitled,
    before: i64,
    status: ReadStatus,
    most: usize,
    now: Timestamp,
) -> Result<Vec<i64>, StepError> {
    let mut found: Vec<i64> = Vec::new();
    let mut after = Position::START.as_i64();
    for reading in readings(connection, who)? {
        let span = Span { after: after.max(reading.since), before, most, now: now.as_millis() };
        found.extend(match status {
            ReadStatus::All => span.rows(connection, &reading, None)?,
            // What is newer stands in front, so the older half only fills up.
            ReadStatus::Unread => {
                let mut unread = span.after(reading.read_up_to).rows(connection, &reading, Some(true))?;
                let rest = span.before(reading.read_up_to + 1).filling(&unread);
                unread.extend(rest.marks(connection, &reading, false)?);
                unread
            }
            ReadStatus::Read => {
                let beyond = span.after(reading.read_up_to);
                let mut read = beyond.marks(connection, &reading, true)?;
                read.extend(beyond.muted(connection, &reading)?);
                let rest = span.before(reading.read_up_to + 1).filling(&read);
                read.extend(rest.rows(connection, &reading, Some(false))?);
                read
            }
        });
        found.sort_unstable_by_key(|position| Reverse(*position));
        found.truncate(most);
        // A full page ends here: the rooms that follow have no say below it.
        if found.len() == most {
            after = found.last().copied().unwrap_or(after);
        }
    }
    Ok(found)
}

/// Whether a row of `notifications` lies in one of its reader's muted spans.
macro_rules! in_span {
    ($reading:expr) => {
        notifications::priority.eq_any(MUTABLE).and(exists(
            mutes::table
                .filter(mutes::user_id.eq($reading.user))
                .filter(mutes::kind.eq(notifications::kind))
                .filter(mutes::since.lt(notifications::position))
                .filter(mutes::until.ge(notifications::position)),
        ))
    };
}

/// A stretch of the log between two places, both outside it, and how many of its newest rows are asked for.
#[derive(Clone, Copy)]
struct Span {
    after: i64,
    before: i64,
    most: usize,
    now: i64,
}

impl Span {
    fn after(self, place: i64) -> Self {
        Self { after: self.after.max(place), ..self }
    }

    fn before(self, place: i64) -> Self {
        Self { before: self.before.min(place), ..self }
    }

    fn filling(self, found: &[i64]) -> Self {
        Self { most: self.most.saturating_sub(found.len()), ..self }
    }

    fn limit(self) -> i64 {
        i64::try_from(self.most).unwrap_or(i64::MAX)
    }

    /// A room's rows: all of them; with `Some(true)` those without a read mark, with `Some(false)` those without an
    /// unread mark.
    fn rows(
        self,
        connection: &mut SqliteConnection,
        reading: &Reading<'_>,
        unread: Option<bool>,
    ) -> Result<Vec<i64>, StepError> {
        use {inbox_marks as m, notifications as n};
        let mut rows = n::table
            .filter(n::room.eq(reading.room))
            .filter(n::position.gt(self.after).and(n::position.lt(self.before)))
            .filter(n::expires_at.is_null().or(n::expires_at.gt(self.now)))
            .order(n::position.desc())
            .limit(self.limit())
            .select(n::position)
            .into_boxed();
        let mark = m::table
            .filter(m::user_id.eq(reading.user))
            .filter(m::room.eq(reading.room))
            .filter(m::position.eq(n::position));
        match unread {
            None => {}
            Some(true) => {
                rows = rows.filter(not(exists(mark.filter(m::read_at.is_not_null()))));
                rows = rows.filter(not(in_span!(reading)).or(exists(mark)));
            }
            Some(false) => rows = rows.filter(not(exists(mark.filter(m::read_at.is_null())))),
        }
        Ok(rows.load(connection)?)
    }

    /// The muted rows of a room without a mark. Those who mute nothing are not searched for any.
    fn muted(self, connection: &mut SqliteConnection, reading: &Reading<'_>) -> Result<Vec<i64>, StepError> {
        use {inbox_marks as m, mutes as u, notifications as n};
        let spans = u::table.filter(u::user_id.eq(reading.user)).select((min(u::since), max(u::until)));
        let (Some(first), Some(last)) = spans.first::<(Option<i64>, Option<i64>)>(connection)? else {
            return Ok(Vec::new());
        };
        let span = self.after(first).before(last.saturating_add(1));
        let mark = m::table
            .filter(m::user_id.eq(reading.user))
            .filter(m::room.eq(reading.room))
            .filter(m::position.eq(n::position));
        let rows = n::table
            .filter(n::room.eq(reading.room))
            .filter(n::position.gt(span.after).and(n::position.lt(span.before)))
            .filter(n::expires_at.is_null().or(n::expires_at.gt(span.now)))
            .filter(in_span!(reading))
            .filter(not(exists(mark)))
            .order(n::position.desc())
            .limit(span.limit())
            .select(n::position);
        Ok(rows.load(connection)?)
    }

    /// The rows of a room that are marked, as read or as unread.
    fn marks(
        self,
        connection: &mut SqliteConnection,
        reading: &Reading<'_>,
        read: bool,
    ) -> Result<Vec<i64>, StepError> {
        use {inbox_marks as m, notifications as n};
        let marks = m::table
            .inner_join(n::table)
            .filter(m::user_id.eq(reading.user))
            .filter(m::room.eq(reading.room))
            .filter(m::position.gt(self.after).and(m::position.lt(self.before)))
            .filter(n::expires_at.is_null().or(n::expires_at.gt(self.now)))
            .order(m::position.desc())
            .limit(self.limit())
            .select(m::position)
            .into_boxed();
        let marks =
            if read { marks.filter(m::read_at.is_not_null()) } else { marks.filter(m::read_at.is_null()) };
        Ok(marks.load(connection)?)
    }
}

/// The items at these positions, newest first.
pub(crate) fn items(
    connection: &mut SqliteConnection,
    user_id: &UserId,
    positions: Vec<i64>,
) -> Result<Vec<InboxItem>, StepError> {
    use {inbox_marks as m, notifications as n};
    let mark = m::position.eq(n::position).and(m::room.eq(n::room)).and(m::user_id.eq(user_id.as_str()));
    let records: Vec<(Record, Option<i64>, Option<i64>)> = n::table
        .left_join(m::table.on(mark))
        .filter(n::position.eq_any(positions))
        .order(n::position.desc())
        .select((Record::as_select(), m::position.nullable(), m::read_at.nullable()))
        .load(connection)?;
    let muting = muting::muting(connection, user_id)?;
    let item = |(record, marked, read_at): (Record, Option<i64>, Option<i64>)| {
        let row = rows::read(record)?;
        let read_at = match marked {
            Some(_) => read_at,
            None if muting.covers(row.position, &row.notification) => {
                Some(row.notification.created_at.as_millis())
            }
            None => read_up_to_at(connection, user_id, &row.room, row.position)?,
        };
        let corrupt = || StepError::Corrupt { table: "inbox_marks", row: row.position.get().to_string() };
        let instant = |millis| Timestamp::from_millis(millis).ok_or_else(corrupt);
        Ok(InboxItem { notification: row.notification, read_at: read_at.map(instant).transpose()? })
    };
    records.into_iter().map(item).collect()
}

/// When a room was first read up to a place or beyond.
fn read_up_to_at(
    connection: &mut SqliteConnection,
    user_id: &UserId,
    room: &Room,
    place: Position,
) -> Result<Option<i64>, StepError> {
    use inbox_reads as r;
    let first = r::table
        .filter(r::user_id.eq(user_id.as_str()).and(r::room.eq(room.as_str())))
        .filter(r::up_to.ge(place.as_i64()))
        .order(r::up_to)
        .select(r::read_at)
        .first(connection)
        .optional()?;
    Ok(first)
}
