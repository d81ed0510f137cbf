//! Sending broadcasts: into the log and marked, in one statement. What happens within is `carillon.fire` in
//! `migrations/postgres`.

use std::sync::Arc;

use carillon_domain::ports::{Appended, Fired, Firing, Outcome, Stored};
use carillon_domain::{ActionUrl, Broadcast, BroadcastId, Epoch, Row, Timestamp};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::error::StepError;
use crate::rows::position;
use crate::statement::{Statement, done};

const FIRE: &str = "SELECT epoch, start, fired \
    FROM carillon.fire($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

/// Sends what is still as it was read, scheduled and due for no longer than may be.
pub(crate) async fn fire(connection: &mut AsyncPgConnection, batch: &[Firing]) -> Result<Fired, StepError> {
    let (epoch, start, fired): (i64, i64, Vec<i32>) = done(statement(batch).load(connection).await?)?;
    let from = position(start, "log_head", 1)?;
    let sent = fired.iter().filter_map(|n| batch.get(usize::try_from(n - 1).ok()?));
    let (mut ids, mut rows, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for Firing { id, publish, .. } in sent {
        let notifications = publish.rows.iter().map(|(room, notification)| (notification.id, room.clone()));
        outcomes.push(Outcome::Stored(Stored {
            event_id: publish.event_id,
            notifications: notifications.collect(),
        }));
        for (room, notification) in publish.rows.iter().cloned() {
            let position = from.plus(rows.len() + 1);
            rows.push(Arc::new(Row { position, room, event_id: publish.event_id, notification }));
        }
        ids.push(*id);
    }
    let epoch = Epoch::new(epoch.cast_unsigned());
    Ok(Fired { ids, appended: Appended { epoch, from, rows, outcomes } })
}

fn statement(batch: &[Firing]) -> Statement<'_, (BigInt, BigInt, Array<Integer>)> {
    let rows = || batch.iter().flat_map(|firing| &firing.publish.rows);
    let news = || rows().map(|(_, notification)| notification);
    let publishes = (1_i32..).zip(batch).flat_map(|(n, firing)| firing.publish.rows.iter().map(move |_| n));
    let at = batch.first().map_or(0, |firing| firing.publish.at.as_millis());
    let longest = i64::try_from(Broadcast::MISSED.as_millis()).unwrap_or(i64::MAX);
    Statement::new(FIRE)
        .bind::<Array<SqlUuid>, _>(batch.iter().map(|firing| firing.id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(
            batch.iter().map(|firing| firing.version.cast_signed()).collect::<Vec<_>>(),
        )
        .bind::<Array<Bool>, _>(batch.iter().map(|firing| firing.late).collect::<Vec<_>>())
        .bind::<BigInt, _>(at)
        .bind::<BigInt, _>(longest)
        .bind::<Array<Integer>, _>(publishes.collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(news().map(|n| n.id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows().map(|(room, _)| room.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news().map(|n| n.kind.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news().map(|n| n.title.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news().map(|n| n.message.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news().map(|n| n.data.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news().map(|n| n.priority.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(
            news().map(|n| n.action_url.as_ref().map(ActionUrl::as_str)).collect::<Vec<_>>(),
        )
        .bind::<Array<Nullable<BigInt>>, _>(
            news().map(|n| n.expires_at.map(Timestamp::as_millis)).collect::<Vec<_>>(),
        )
}

/// Marks those missed that are still as they were read.
pub(crate) async fn miss(
    connection: &mut AsyncPgConnection,
    batch: &[(BroadcastId, u32)],
) -> Result<u32, StepError> {
    const MISS: &str = "\
        UPDATE carillon.broadcasts b SET status = 'missed', updated_at = carillon.now_ms()
        FROM unnest($1, $2) AS m (id, version)
        WHERE b.id = m.id AND b.version = m.version AND b.status = 'scheduled'";
    let missed = Statement::<()>::new(MISS)
        .bind::<Array<SqlUuid>, _>(batch.iter().map(|(id, _)| id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(batch.iter().map(|(_, version)| version.cast_signed()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(u32::try_from(missed).unwrap_or(u32::MAX))
}
