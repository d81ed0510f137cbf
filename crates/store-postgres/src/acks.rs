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
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::PostgresStore;
use crate::broadcasts::{get, read_now};
use crate::error::StepError;
use crate::inbox::find;
use crate::pool::Lease;
use crate::schema::{acks, broadcasts, inbox};
use crate::statement::Statement;

const PORT: &str = "broadcasts";

#[async_trait]
impl Acks for PostgresStore {
    async fn acknowledge(
        &self,
        who: &Entitled,
        id: NotificationId,
        at: Timestamp,
    ) -> Result<Option<Timestamp>, PortError> {
        self.writers.run(PORT, |mut c| async move { Ok((acknowledge(&mut c, who, id, at).await?, c)) }).await
    }

    async fn tally(&self, id: BroadcastId) -> Result<Option<Tally>, PortError> {
        let step = |mut c: Lease| async move {
            let mut snapshot = c.build_transaction().repeatable_read().read_only();
            let tally = snapshot.run(async |c| tally(c, id).await).await?;
            Ok((tally, c))
        };
        self.readers.run(PORT, step).await
    }

    async fn recipients(&self, id: BroadcastId, query: &RecipientQuery) -> Result<Vec<Recipient>, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((recipients(&mut c, id, query).await?, c)) }).await
    }

    async fn stirring(&self, within: Duration) -> Result<Vec<BroadcastId>, PortError> {
        let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        self.readers.run(PORT, |mut c| async move { Ok((stirring(&mut c, within).await?, c)) }).await
    }
}

/// By the row of the log, which names its broadcast.
const ACK: &str = "\
    INSERT INTO carillon.acks (broadcast_id, user_id, role, acked_at)
    SELECT b.id, $2, $3, carillon.now_ms()
    FROM carillon.notifications n JOIN carillon.broadcasts b ON b.id = n.event_id
    WHERE n.position = $1 AND b.kind = $4
    ON CONFLICT (broadcast_id, user_id) DO NOTHING";
const ACKED: &str = "\
    SELECT a.acked_at FROM carillon.acks a JOIN carillon.notifications n ON n.event_id = a.broadcast_id
    WHERE n.position = $1 AND a.user_id = $2";

async fn acknowledge(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    id: NotificationId,
    at: Timestamp,
) -> Result<Option<Timestamp>, StepError> {
    let found = find(connection, who, &[id], at).await?;
    let Some([place]) = found.as_deref() else { return Ok(None) };
    Statement::<()>::new(ACK)
        .bind::<BigInt, _>(place.position)
        .bind::<Text, _>(who.user_id.as_str())
        .bind::<Text, _>(RoleName::of(who).as_str())
        .bind::<Text, _>(BroadcastKind::Emergency.as_str())
        .execute(connection)
        .await?;
    let acked = Statement::<BigInt>::new(ACKED)
        .bind::<BigInt, _>(place.position)
        .bind::<Text, _>(who.user_id.as_str());
    let acked: Vec<i64> = acked.load(connection).await?;
    acked.as_slice().first().copied().map(read_now).transpose()
}

/// An emergency's audience, and where its rows begin.
type Emergency = (Vec<Room>, Option<i64>);

async fn emergency(
    connection: &mut AsyncPgConnection,
    id: BroadcastId,
) -> Result<Option<Emergency>, StepError> {
    let Some(broadcast) = get(connection, id).await? else { return Ok(None) };
    if broadcast.draft.kind != BroadcastKind::Emergency {
        return Ok(None);
    }
    let at = broadcasts::table.find(id.as_uuid()).select(broadcasts::position).first(connection).await?;
    Ok(Some((broadcast.draft.audience, at)))
}

async fn tally(connection: &mut AsyncPgConnection, id: BroadcastId) -> Result<Option<Tally>, StepError> {
    let Some((audience, sent)) = emergency(connection, id).await? else { return Ok(None) };
    let of_id = acks::table.filter(acks::broadcast_id.eq(id.as_uuid()));
    let by_role = of_id.group_by(acks::role).select((acks::role, diesel::dsl::count_star()));
    let acked: Vec<(String, i64)> = by_role.load(connection).await?;
    let acked: BTreeMap<String, i64> = acked.into_iter().collect();
    let mut all = Share { acked: acked.values().sum::<i64>().cast_unsigned(), of: 0 };
    let mut by_role = BTreeMap::new();
    for room in &audience {
        all.of += entered(connection, room, sent).await?;
        for role in RoleName::within(room) {
            let acked = acked.get(role.as_str()).copied().unwrap_or(0).cast_unsigned();
            by_role.insert(role, Share { acked, of: entered(connection, &role.room(), sent).await? });
        }
    }
    Ok(Some(Tally { broadcast_id: id, all, by_role }))
}

/// How many had entered a room before a place.
async fn entered(
    connection: &mut AsyncPgConnection,
    room: &Room,
    before: Option<i64>,
) -> Result<u64, StepError> {
    let Some(before) = before else { return Ok(0) };
    let theirs = inbox::table.filter(inbox::room.eq(room.as_str()).and(inbox::since.lt(before)));
    Ok(theirs.count().get_result::<i64>(connection).await?.cast_unsigned())
}

/// One role's, in the order of their ids.
const RECIPIENTS: &str = "\
    SELECT i.user_id, a.acked_at FROM carillon.inbox i
    LEFT JOIN carillon.acks a ON a.broadcast_id = $1 AND a.user_id = i.user_id
    WHERE i.room = $2 AND i.user_id > $3 AND i.since < $4 AND ($5 IS NULL OR (a.acked_at IS NOT NULL) = $5)
    ORDER BY i.user_id LIMIT $6";

async fn recipients(
    connection: &mut AsyncPgConnection,
    id: BroadcastId,
    query: &RecipientQuery,
) -> Result<Vec<Recipient>, StepError> {
    let Some((audience, Some(sent))) = emergency(connection, id).await? else { return Ok(Vec::new()) };
    let mut recipients = Vec::new();
    for role in query.roles(&audience) {
        let left = i64::from(query.limit) - i64::try_from(recipients.len()).unwrap_or(i64::MAX);
        let after = query.after.as_ref().filter(|after| after.role == role);
        let of_role = Statement::<(Text, Nullable<BigInt>)>::new(RECIPIENTS)
            .bind::<SqlUuid, _>(id.as_uuid())
            .bind::<Text, _>(role.room().as_str().to_owned())
            .bind::<Text, _>(after.map_or("", |after| after.user_id.as_str()))
            .bind::<BigInt, _>(sent)
            .bind::<Nullable<Bool>, _>(query.acked)
            .bind::<BigInt, _>(left.max(0));
        let found: Vec<(String, Option<i64>)> = of_role.load(connection).await?;
        for (user_id, acked_at) in found {
            let user_id = user_id.parse().map_err(|_| StepError::Corrupt { table: "inbox", row: user_id })?;
            recipients.push(Recipient { user_id, role, acked_at: acked_at.map(read_now).transpose()? });
        }
    }
    Ok(recipients)
}

async fn stirring(connection: &mut AsyncPgConnection, within: i64) -> Result<Vec<BroadcastId>, StepError> {
    const STIRRING: &str = "\
        SELECT DISTINCT a.broadcast_id FROM carillon.acks a WHERE a.acked_at >= (SELECT carillon.now_ms()) - $1";
    let ids: Vec<Uuid> =
        Statement::<SqlUuid>::new(STIRRING).bind::<BigInt, _>(within).load(connection).await?;
    Ok(ids.into_iter().map(BroadcastId::from_uuid).collect())
}
