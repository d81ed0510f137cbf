//! Each user's inbox: entering it and looking things up. `listing` pages through it, `marks` marks, `unread` counts.
//!
//! What takes several statements takes them in one transaction. It holds no lock but on its own users' rows, so that a
//! node which freezes in the middle holds up those alone (and whoever enters together with one of them for the first time),
//! and that until the server ends the transaction.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use carillon_domain::ports::{Erasing, Inbox, PortError};
use carillon_domain::{
    Entitled, Entitlement, InboxItem, ListQuery, Listing, Mark, Marked, Muting, Mutings, NotificationId,
    Position, Principal, Room, Timestamp, UNREAD_BOUND, UserId,
};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::StepError;
use crate::listing::{items, newest};
use crate::pool::Lease;
use crate::rows::position;
use crate::schema::{inbox, notifications};
use crate::statement::Statement;
use crate::{erasing, marks, muting, unread};

const PORT: &str = "inbox";
/// How many thousand rows of an inbox one count gets past.
const SETTLINGS: u32 = 20;

#[async_trait]
impl Inbox for PostgresStore {
    async fn enter(&self, principal: &Principal) -> Result<Entitled, PortError> {
        let entered = self.enter_all(std::slice::from_ref(principal)).await?;
        entered.into_iter().next().ok_or_else(|| PortError::Rejected { port: PORT, source: "nobody".into() })
    }

    async fn enter_all(&self, principals: &[Principal]) -> Result<Vec<Entitled>, PortError> {
        let step = |mut c: Lease| async move { Ok((entitled(&mut c, principals).await?, c)) };
        let known = self.readers.run(PORT, step).await?;
        // Nearly always visits like the last, which change nothing.
        if let Some(all) = known.iter().cloned().collect() {
            return Ok(all);
        }
        let new: Vec<&Principal> =
            principals.iter().zip(&known).filter_map(|(p, known)| known.is_none().then_some(p)).collect();
        let new = &new;
        let step = |mut c: Lease| async move {
            entitle(&mut c, new).await?;
            let entered = entitled(&mut c, principals).await?;
            let missing = || StepError::Corrupt { table: "inbox", row: "of one who has just entered".into() };
            Ok((entered.into_iter().collect::<Option<Vec<_>>>().ok_or_else(missing)?, c))
        };
        self.writers.run(PORT, step).await
    }

    async fn list(
        &self,
        who: &Entitled,
        query: ListQuery,
        now: Timestamp,
    ) -> Result<Option<Listing>, PortError> {
        let step = |mut c: Lease| async move {
            let mut snapshot = c.build_transaction().repeatable_read().read_only();
            let listing = snapshot.run(async |c| list(c, who, query, now).await).await?;
            Ok((listing, c))
        };
        self.readers.run(PORT, step).await
    }

    async fn get(
        &self,
        who: &Entitled,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<InboxItem>, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((get(&mut c, who, id, now).await?, c)) }).await
    }

    async fn unread(&self, who: &Entitled, up_to: Position, now: Timestamp) -> Result<u32, PortError> {
        for _ in 0..SETTLINGS {
            let count = |mut c: Lease| async move { Ok((unread::count(&mut c, who, up_to, now).await?, c)) };
            let unread = self.readers.run(PORT, count).await?;
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
        let asked: &Vec<_> = &all.iter().map(|(who, up_to)| (who.as_ref(), *up_to)).collect();
        let count = |mut c: Lease| async move { Ok((unread::count_all(&mut c, asked, now).await?, c)) };
        self.readers.run(PORT, count).await
    }

    async fn mark(&self, who: &Entitled, mark: &Mark, now: Timestamp) -> Result<Option<Marked>, PortError> {
        let step = |mut c: Lease| async move {
            let marked = c.transaction(async |c| marks::mark(c, who, mark, now).await).await?;
            Ok((marked, c))
        };
        match self.writers.run(PORT, step).await? {
            Some(marked) if marked.unread >= UNREAD_BOUND => {
                let unread = self.unread(who, Position::END, now).await?;
                Ok(Some(Marked { unread, ..marked }))
            }
            marked => Ok(marked),
        }
    }

    async fn erase(&self, user_id: &UserId) -> Result<Erasing, PortError> {
        self.writers.run(PORT, |mut c| async move { Ok((erasing::erase(&mut c, user_id).await?, c)) }).await
    }

    async fn muting(&self, user_id: &UserId) -> Result<Muting, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((muting::muting(&mut c, user_id).await?, c)) }).await
    }

    async fn mutings(&self) -> Result<Mutings, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((muting::mutings(&mut c).await?, c)) }).await
    }
}

impl PostgresStore {
    async fn settle(&self, who: &Entitled, now: Timestamp) -> Result<bool, PortError> {
        let step = |mut c: Lease| async move {
            let settled = c.transaction(async |c| muting::settle(c, who, now).await).await?;
            Ok((settled, c))
        };
        self.writers.run(PORT, step).await
    }
}

/// Of each, their entitlements, if all of their rooms are known to be theirs.
async fn entitled(
    connection: &mut AsyncPgConnection,
    principals: &[Principal],
) -> Result<Vec<Option<Entitled>>, StepError> {
    use inbox as i;
    let users: Vec<&str> = principals.iter().map(|principal| principal.user_id().as_str()).collect();
    let rows: Vec<(String, String, i64)> = i::table
        .filter(i::user_id.eq_any(users))
        .select((i::user_id, i::room, i::since))
        .load(connection)
        .await?;
    let mut known: HashMap<&str, Vec<(&str, i64)>> = HashMap::new();
    for (user, room, since) in &rows {
        known.entry(user).or_default().push((room, *since));
    }
    let of_one = |principal: &Principal| {
        let user_id = principal.user_id();
        let known = known.get(user_id.as_str()).map_or(&[][..], Vec::as_slice);
        let entitlement = |room: &Room| {
            let (_, since) = known.iter().find(|(name, _)| *name == room.as_str())?;
            let since = position(*since, "inbox", format_args!("{user_id} {room}"));
            Some(since.map(|since| Entitlement { room: room.clone(), since }))
        };
        let rooms: Option<Result<Vec<_>, _>> = principal.rooms().iter().map(entitlement).collect();
        rooms.transpose().map(|rooms| rooms.map(|rooms| Entitled { user_id: user_id.clone(), rooms }))
    };
    principals.iter().map(of_one).collect()
}

/// In one order for all, so that two visits at once wait for each other and not both for both.
const ENTITLE: &str = "\
    INSERT INTO carillon.inbox (user_id, room, since, read_up_to)
    SELECT e.user_id, e.room, since, since
    FROM carillon.log_head h, unnest($1, $2, $3) AS e (user_id, room, is_shared)
    CROSS JOIN LATERAL (SELECT CASE WHEN e.is_shared THEN h.position ELSE 0 END AS since) s
    WHERE h.id = 1 ORDER BY e.user_id, e.room ON CONFLICT DO NOTHING";

/// Entitles users to those of their rooms that are new to them, from now on or from the start.
async fn entitle(connection: &mut AsyncPgConnection, new: &[&Principal]) -> Result<(), StepError> {
    let pairs = || new.iter().flat_map(|p| p.rooms().iter().map(|room| (p.user_id().as_str(), room)));
    Statement::<()>::new(ENTITLE)
        .bind::<Array<Text>, _>(pairs().map(|(user, _)| user).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(pairs().map(|(_, room)| room.as_str()).collect::<Vec<_>>())
        .bind::<Array<Bool>, _>(pairs().map(|(_, room)| room.is_shared()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
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
pub(crate) async fn readings<'a>(
    connection: &mut AsyncPgConnection,
    who: &'a Entitled,
) -> Result<Vec<Reading<'a>>, StepError> {
    use inbox as i;
    let user = who.user_id.as_str();
    let known: Vec<(String, i64)> =
        i::table.filter(i::user_id.eq(user)).select((i::room, i::read_up_to)).load(connection).await?;
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

/// One for each of the ids, in their order; `None` when one of them is not visible.
pub(crate) async fn find(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    ids: &[NotificationId],
    now: Timestamp,
) -> Result<Option<Vec<Place>>, StepError> {
    use notifications as n;
    let found: Vec<(Uuid, i64, String)> = n::table
        .filter(n::id.eq_any(ids.iter().map(|id| id.as_uuid()).collect::<Vec<_>>()))
        .filter(n::expires_at.is_null().or(n::expires_at.gt(now.as_millis())))
        .select((n::id, n::position, n::room))
        .load(connection)
        .await?;
    let place = |id: &NotificationId| {
        let (_, position, name) = found.iter().find(|(found, ..)| *found == id.as_uuid())?;
        let theirs = |e: &Entitlement| e.room.as_str() == name && e.since.as_i64() < *position;
        who.rooms.iter().position(theirs).map(|room| Place { position: *position, room })
    };
    Ok(ids.iter().map(place).collect())
}

async fn get(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    id: NotificationId,
    now: Timestamp,
) -> Result<Option<InboxItem>, StepError> {
    let found = find(connection, who, &[id], now).await?;
    let Some([place]) = found.as_deref() else { return Ok(None) };
    Ok(items(connection, &who.user_id, vec![place.position]).await?.pop())
}

async fn list(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    query: ListQuery,
    now: Timestamp,
) -> Result<Option<Listing>, StepError> {
    let before = match query.before {
        None => Position::END.as_i64(),
        Some(id) => match find(connection, who, &[id], now).await?.as_deref() {
            Some([place]) => place.position,
            _ => return Ok(None),
        },
    };
    let most = query.limit as usize;
    // One more than asked tells whether there is a next page.
    let mut found = newest(connection, who, before, query.status, most + 1, now).await?;
    let more = found.len() > most;
    found.truncate(most);
    let items = items(connection, &who.user_id, found).await?;
    let next = items.last().filter(|_| more).map(|item| item.notification.id);
    Ok(Some(Listing { items, next }))
}
