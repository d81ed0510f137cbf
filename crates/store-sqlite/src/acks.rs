//! Who has acknowledged an emergency.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use carillon_domain::ports::{Acks, PortError};
use carillon_domain::{
    BroadcastId, BroadcastKind, Entitled, NotificationId, Recipient, RecipientQuery, RoleName, Room, Share,
    Tally, Timestamp,
};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use uuid::Uuid;

use crate::SqliteStore;
use crate::broadcasts::{bytes, get, now, read_now};
use crate::error::StepError;
use crate::inbox::find;
use crate::schema::{acks, broadcasts, inbox, notifications};

const PORT: &str = "broadcasts";

#[async_trait]
impl Acks for SqliteStore {
    async fn acknowledge(
        &self,
        who: &Entitled,
        id: NotificationId,
        at: Timestamp,
    ) -> Result<Option<Timestamp>, PortError> {
        let who = who.clone();
        let step = move |connection: &mut SqliteConnection| acknowledge(connection, &who, id, at);
        self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await
    }

    async fn tally(&self, id: BroadcastId) -> Result<Option<Tally>, PortError> {
        self.readers.run(PORT, move |connection| connection.transaction(|c| tally(c, id))).await
    }

    async fn recipients(&self, id: BroadcastId, query: &RecipientQuery) -> Result<Vec<Recipient>, PortError> {
        let query = query.clone();
        let step = move |connection: &mut SqliteConnection| recipients(connection, id, &query);
        self.readers.run(PORT, move |connection| connection.transaction(step)).await
    }

    async fn stirring(&self, within: Duration) -> Result<Vec<BroadcastId>, PortError> {
        let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let step = move |connection: &mut SqliteConnection| {
            let since = now(connection)?.saturating_sub(within);
            let recent = acks::table.filter(acks::acked_at.ge(since)).select(acks::broadcast_id).distinct();
            let ids: Vec<Vec<u8>> = recent.load(connection)?;
            let corrupt = |_| StepError::Corrupt { table: "acks", row: "?".to_owned() };
            ids.into_iter()
                .map(|id| Uuid::from_slice(&id).map(BroadcastId::from_uuid).map_err(corrupt))
                .collect()
        };
        self.readers.run(PORT, step).await
    }
}

fn acknowledge(
    connection: &mut SqliteConnection,
    who: &Entitled,
    id: NotificationId,
    at: Timestamp,
) -> Result<Option<Timestamp>, StepError> {
    use notifications as n;
    let Some(place) = find(connection, who, id, at)? else { return Ok(None) };
    let event_id: Vec<u8> = n::table.find(place.position).select(n::event_id).first(connection)?;
    let kind: Option<String> =
        broadcasts::table.find(&event_id).select(broadcasts::kind).first(connection).optional()?;
    if kind.as_deref() != Some(BroadcastKind::Emergency.as_str()) {
        return Ok(None);
    }
    let first = (
        acks::broadcast_id.eq(&event_id),
        acks::user_id.eq(who.user_id.as_str()),
        acks::role.eq(RoleName::of(who).as_str()),
        acks::acked_at.eq(now(connection)?),
    );
    diesel::insert_into(acks::table).values(first).on_conflict_do_nothing().execute(connection)?;
    let kept = acks::table.find((&event_id, who.user_id.as_str()));
    read_now(kept.select(acks::acked_at).first(connection)?).map(Some)
}

/// An emergency's audience, and where its rows begin.
type Emergency = (Vec<Room>, Option<i64>);

fn emergency(connection: &mut SqliteConnection, id: BroadcastId) -> Result<Option<Emergency>, StepError> {
    let Some(broadcast) = get(connection, id)? else { return Ok(None) };
    if broadcast.draft.kind != BroadcastKind::Emergency {
        return Ok(None);
    }
    let at = broadcasts::table.find(bytes(&id)).select(broadcasts::position).first(connection)?;
    Ok(Some((broadcast.draft.audience, at)))
}

fn tally(connection: &mut SqliteConnection, id: BroadcastId) -> Result<Option<Tally>, StepError> {
    let Some((audience, sent)) = emergency(connection, id)? else { return Ok(None) };
    let of_id = acks::table.filter(acks::broadcast_id.eq(bytes(&id)));
    let by_role = of_id.group_by(acks::role).select((acks::role, diesel::dsl::count_star()));
    let acked: BTreeMap<String, i64> = by_role.load(connection)?.into_iter().collect();
    let mut entered = |room: &Room| -> Result<u64, StepError> {
        let Some(sent) = sent else { return Ok(0) };
        let theirs = inbox::table.filter(inbox::room.eq(room.as_str()).and(inbox::since.lt(sent)));
        Ok(theirs.count().get_result::<i64>(connection)?.cast_unsigned())
    };
    let mut all = Share { acked: acked.values().sum::<i64>().cast_unsigned(), of: 0 };
    let mut by_role = BTreeMap::new();
    for room in &audience {
        all.of += entered(room)?;
        for role in RoleName::within(room) {
            let acked = acked.get(role.as_str()).copied().unwrap_or(0).cast_unsigned();
            by_role.insert(role, Share { acked, of: entered(&role.room())? });
        }
    }
    Ok(Some(Tally { broadcast_id: id, all, by_role }))
}

/// One role's, in the order of their ids.
const RECIPIENTS: &str = "\
    SELECT i.user_id, a.acked_at FROM inbox AS i \
    LEFT JOIN acks AS a ON a.broadcast_id = ?1 AND a.user_id = i.user_id \
    WHERE i.room = ?2 AND i.user_id > ?3 AND i.since < ?4 AND (?5 IS NULL OR (a.acked_at IS NOT NULL) = ?5) \
    ORDER BY i.user_id LIMIT ?6";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    acked_at: Option<i64>,
}

fn recipients(
    connection: &mut SqliteConnection,
    id: BroadcastId,
    query: &RecipientQuery,
) -> Result<Vec<Recipient>, StepError> {
    let Some((audience, Some(sent))) = emergency(connection, id)? else { return Ok(Vec::new()) };
    let mut recipients = Vec::new();
    for role in query.roles(&audience) {
        let left = i64::from(query.limit) - i64::try_from(recipients.len()).unwrap_or(i64::MAX);
        let after = query.after.as_ref().filter(|after| after.role == role);
        let found: Vec<Found> = diesel::sql_query(RECIPIENTS)
            .bind::<Binary, _>(bytes(&id))
            .bind::<Text, _>(role.room().as_str())
            .bind::<Text, _>(after.map_or("", |after| after.user_id.as_str()))
            .bind::<BigInt, _>(sent)
            .bind::<Nullable<Integer>, _>(query.acked.map(i32::from))
            .bind::<BigInt, _>(left.max(0))
            .load(connection)?;
        for Found { user_id, acked_at } in found {
            let user_id = user_id.parse().map_err(|_| StepError::Corrupt { table: "inbox", row: user_id })?;
            recipients.push(Recipient { user_id, role, acked_at: acked_at.map(read_now).transpose()? });
        }
    }
    Ok(recipients)
}
