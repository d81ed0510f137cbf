//! Each user's inbox: entering it and looking things up. `listing` pages through it, `marks` marks, `unread` counts.

use std::sync::Arc;

use async_trait::async_trait;
use carillon_domain::ports::{Erasing, Inbox, PortError};
use carillon_domain::{
    Entitled, Entitlement, InboxItem, ListQuery, Listing, Mark, Marked, Muting, Mutings, NotificationId,
    Position, Principal, Room, Timestamp, UNREAD_BOUND, UserId,
};
use diesel::prelude::*;

use crate::SqliteStore;
use crate::error::StepError;
use crate::listing::{items, newest};
use crate::log::head;
use crate::rows::position;
use crate::schema::{inbox, notifications};
use crate::{erasing, marks, muting, unread};

const PORT: &str = "inbox";
/// How many thousand rows of an inbox one count gets past.
const SETTLINGS: u32 = 20;

#[async_trait]
impl Inbox for SqliteStore {
    async fn enter(&self, principal: &Principal) -> Result<Entitled, PortError> {
        let entered = self.enter_all(std::slice::from_ref(principal)).await?;
        entered.into_iter().next().ok_or_else(|| PortError::Rejected { port: PORT, source: "nobody".into() })
    }

    async fn enter_all(&self, principals: &[Principal]) -> Result<Vec<Entitled>, PortError> {
        let visits: Arc<[(UserId, Vec<Room>)]> =
            principals.iter().map(|p| (p.user_id().clone(), p.rooms().to_vec())).collect();
        let step = {
            let visits = Arc::clone(&visits);
            move |c: &mut SqliteConnection| {
                visits.iter().map(|(user, rooms)| entitled(c, user, rooms)).collect()
            }
        };
        let known: Vec<Option<Entitled>> = self.readers.run(PORT, step).await?;
        // Nearly always visits like the last: no need to wait for the writer.
        if let Some(all) = known.iter().cloned().collect() {
            return Ok(all);
        }
        let step = move |connection: &mut SqliteConnection| {
            let head = head(connection)?.position;
            let let_in = |(known, (user_id, rooms)): (Option<Entitled>, &(UserId, Vec<Room>))| match known {
                Some(known) => Ok(known),
                None => entitle(connection, user_id, rooms, head),
            };
            known.into_iter().zip(visits.iter()).map(let_in).collect()
        };
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
        for _ in 0..SETTLINGS {
            let unread = {
                let who = who.clone();
                let step =
                    move |connection: &mut SqliteConnection| unread::count(connection, &who, up_to, now);
                self.readers.run(PORT, move |connection| connection.transaction(step)).await?
            };
            let is_exact = unread < UNREAD_BOUND || self.muting(&who.user_id).await?.spans().is_empty();
            if is_exact || !self.settle(who, now).await? {
                return Ok(unread);
            }
        }
        Ok(UNREAD_BOUND)
    }

    async fn unread_all(
        &self,
        all: &[(Arc<Entitled>, Position)],
        now: Timestamp,
    ) -> Result<Vec<u32>, PortError> {
        let all = all.to_vec();
        let step = move |c: &mut SqliteConnection| {
            all.iter().map(|(who, up_to)| unread::count(c, who, *up_to, now)).collect()
        };
        self.readers.run(PORT, move |connection| connection.transaction(step)).await
    }

    async fn mark(&self, who: &Entitled, mark: &Mark, now: Timestamp) -> Result<Option<Marked>, PortError> {
        let marked = {
            let (who, mark) = (who.clone(), mark.clone());
            let step = move |connection: &mut SqliteConnection| marks::mark(connection, &who, &mark, now);
            self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await?
        };
        match marked {
            Some(marked) if marked.unread >= UNREAD_BOUND => {
                let unread = self.unread(who, Position::END, now).await?;
                Ok(Some(Marked { unread, ..marked }))
            }
            marked => Ok(marked),
        }
    }

    async fn erase(&self, user_id: &UserId) -> Result<Erasing, PortError> {
        let user_id = user_id.clone();
        let step = move |connection: &mut SqliteConnection| erasing::erase(connection, &user_id);
        self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await
    }

    async fn muting(&self, user_id: &UserId) -> Result<Muting, PortError> {
        let user_id = user_id.clone();
        self.readers.run(PORT, move |connection| muting::muting(connection, &user_id)).await
    }

    async fn mutings(&self) -> Result<Mutings, PortError> {
        self.readers.run(PORT, |connection| connection.transaction(muting::mutings)).await
    }
}

impl SqliteStore {
    async fn settle(&self, who: &Entitled, now: Timestamp) -> Result<bool, PortError> {
        let who = who.clone();
        let step = move |connection: &mut SqliteConnection| muting::settle(connection, &who, now);
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

/// Entitles a user to those of the rooms that are new to them, from now on (the log's head) or from the start.
fn entitle(
    connection: &mut SqliteConnection,
    user_id: &UserId,
    rooms: &[Room],
    head: Position,
) -> Result<Entitled, StepError> {
    use inbox as i;
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
