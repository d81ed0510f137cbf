//! Each user's inbox: entering, listing, looking up. Marks are in `marks`, counting in `unread`.

use async_trait::async_trait;
use carillon_domain::ports::{Inbox, PortError};
use carillon_domain::{
    Entitled, Entitlement, InboxItem, ListQuery, Listing, Mark, Marked, NotificationId, Position, Principal,
    ReadStatus, Room, Timestamp, UserId,
};
use diesel::dsl::{exists, not};
use diesel::prelude::*;

use crate::SqliteStore;
use crate::error::StepError;
use crate::log::head;
use crate::rows::{self, Record, position};
use crate::schema::{inbox, inbox_marks, inbox_reads, notifications};
use crate::{marks, unread};

const PORT: &str = "inbox";

#[async_trait]
impl Inbox for SqliteStore {
    async fn enter(&self, principal: &Principal) -> Result<Entitled, PortError> {
        let (user_id, rooms) = (principal.user_id().clone(), principal.rooms().to_vec());
        let step = {
            let (user_id, rooms) = (user_id.clone(), rooms.clone());
            move |connection: &mut SqliteConnection| entitled(connection, &user_id, &rooms)
        };
        // Nearly always a visit like the last: no need to wait for the writer.
        if let Some(known) = self.readers.run(PORT, step).await? {
            return Ok(known);
        }
        let step = move |connection: &mut SqliteConnection| entitle(connection, &user_id, &rooms);
        self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await
    }

    async fn list(
        &self,
        who: &Entitled,
        query: ListQuery,
        now: Timestamp,
    ) -> Result<Option<Listing>, PortError> {
        let who = who.clone();
        let step = move |connection: &mut SqliteConnection| list(connection, &who, query, now);
        self.readers.run(PORT, move |connection| connection.transaction(step)).await
    }

    async fn get(
        &self,
        who: &Entitled,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<InboxItem>, PortError> {
        let who = who.clone();
        let step = move |connection: &mut SqliteConnection| {
            let Some(place) = find(connection, &who, id, now)? else { return Ok(None) };
            Ok(items(connection, &who.user_id, vec![place.position])?.pop())
        };
        self.readers.run(PORT, move |connection| connection.transaction(step)).await
    }

    async fn unread(&self, who: &Entitled, up_to: Position, now: Timestamp) -> Result<u32, PortError> {
        let who = who.clone();
        let step = move |connection: &mut SqliteConnection| unread::count(connection, &who, up_to, now);
        self.readers.run(PORT, move |connection| connection.transaction(step)).await
    }

    async fn mark(&self, who: &Entitled, mark: &Mark, now: Timestamp) -> Result<Option<Marked>, PortError> {
        let (who, mark) = (who.clone(), mark.clone());
        let step = move |connection: &mut SqliteConnection| marks::mark(connection, &who, &mark, now);
        self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await
    }
}

/// A user's entitlements, if all of these rooms are known to be theirs.
fn entitled(
    connection: &mut SqliteConnection,
    user_id: &UserId,
    rooms: &[Room],
) -> Result<Option<Entitled>, StepError> {
    use inbox as i;
    let known: Vec<(String, i64)> =
        i::table.filter(i::user_id.eq(user_id.as_str())).select((i::room, i::since)).load(connection)?;
    let mut entitlements = Vec::with_capacity(rooms.len());
    for room in rooms {
        let Some((_, since)) = known.iter().find(|(name, _)| name == room.as_str()) else { return Ok(None) };
        let since = position(*since, "inbox", format_args!("{user_id} {room}"))?;
        entitlements.push(Entitlement { room: room.clone(), since });
    }
    Ok(Some(Entitled { user_id: user_id.clone(), rooms: entitlements }))
}

/// Entitles a user to those of the rooms that are new to them, from now on or from the start.
fn entitle(
    connection: &mut SqliteConnection,
    user_id: &UserId,
    rooms: &[Room],
) -> Result<Entitled, StepError> {
    use inbox as i;
    let head = head(connection)?.position;
    for room in rooms {
        let since = if room.is_shared() { head } else { Position::START }.as_i64();
        let first = (
            i::user_id.eq(user_id.as_str()),
            i::room.eq(room.as_str()),
            i::since.eq(since),
            i::read_up_to.eq(since),
        );
        diesel::insert_into(i::table).values(first).on_conflict_do_nothing().execute(connection)?;
    }
    let missing = || StepError::Corrupt { table: "inbox", row: user_id.to_string() };
    entitled(connection, user_id, rooms)?.ok_or_else(missing)
}

/// How far a user has read in one of their rooms.
pub(crate) struct Reading<'a> {
    pub(crate) user: &'a str,
    pub(crate) room: &'a str,
    pub(crate) since: i64,
    /// At or below it all is read but for the marks; never below `since`.
    pub(crate) read_up_to: i64,
}

/// One for each of the user's rooms, in their order.
pub(crate) fn readings<'a>(
    connection: &mut SqliteConnection,
    who: &'a Entitled,
) -> Result<Vec<Reading<'a>>, StepError> {
    use inbox as i;
    let user = who.user_id.as_str();
    let known: Vec<(String, i64)> =
        i::table.filter(i::user_id.eq(user)).select((i::room, i::read_up_to)).load(connection)?;
    let reading = |Entitlement { room, since }: &'a Entitlement| {
        let (room, since) = (room.as_str(), since.as_i64());
        let read_up_to = known.iter().find(|(name, _)| name == room).map_or(since, |(_, at)| since.max(*at));
        Reading { user, room, since, read_up_to }
    };
    Ok(who.rooms.iter().map(reading).collect())
}

/// A visible row: its position, and which of the user's rooms it lies in.
pub(crate) struct Place {
    pub(crate) position: i64,
    pub(crate) room: usize,
}

pub(crate) fn find(
    connection: &mut SqliteConnection,
    who: &Entitled,
    id: NotificationId,
    now: Timestamp,
) -> Result<Option<Place>, StepError> {
    use notifications as n;
    let found: Option<(i64, String)> = n::table
        .filter(n::id.eq(&id.as_uuid().as_bytes()[..]))
        .filter(n::expires_at.is_null().or(n::expires_at.gt(now.as_millis())))
        .select((n::position, n::room))
        .first(connection)
        .optional()?;
    let place = found.and_then(|(position, name)| {
        let theirs = |e: &Entitlement| e.room.as_str() == name && e.since.as_i64() < position;
        who.rooms.iter().position(theirs).map(|room| Place { position, room })
    });
    Ok(place)
}

fn list(
    connection: &mut SqliteConnection,
    who: &Entitled,
    query: ListQuery,
    now: Timestamp,
) -> Result<Option<Listing>, StepError> {
    let before = match query.before.map(|id| find(connection, who, id, now)).transpose()? {
        None => Position::END.as_i64(),
        Some(Some(place)) => place.position,
        Some(None) => return Ok(None),
    };
    let most = query.limit as usize;
    // One more than asked tells whether there is a next page.
    let mut found = newest(connection, who, before, query.status, most + 1, now)?;
    let more = found.len() > most;
    found.truncate(most);
    let items = items(connection, &who.user_id, found)?;
    let next = items.last().filter(|_| more).map(|item| item.notification.id);
    Ok(Some(Listing { items, next }))
}

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
                let mut read = span.after(reading.read_up_to).marks(connection, &reading, true)?;
                let rest = span.before(reading.read_up_to + 1).filling(&read);
                read.extend(rest.rows(connection, &reading, Some(false))?);
                read
            }
        });
        found.sort_unstable_by_key(|position| std::cmp::Reverse(*position));
        found.truncate(most);
        // A full page ends here: the rooms that follow have no say below it.
        if found.len() == most {
            after = found.last().copied().unwrap_or(after);
        }
    }
    Ok(found)
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
            Some(true) => rows = rows.filter(not(exists(mark.filter(m::read_at.is_not_null())))),
            Some(false) => rows = rows.filter(not(exists(mark.filter(m::read_at.is_null())))),
        }
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
fn items(
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
    let item = |(record, marked, read_at): (Record, Option<i64>, Option<i64>)| {
        let row = rows::read(record)?;
        let read_at = match marked {
            Some(_) => read_at,
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
