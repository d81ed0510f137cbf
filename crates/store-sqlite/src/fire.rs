//! Sending broadcasts: into the log and marked, in one transaction.

use carillon_domain::ports::{Fired, Firing};
use carillon_domain::{Broadcast, BroadcastId};
use diesel::prelude::*;

use crate::broadcasts::{bytes, now};
use crate::error::StepError;
use crate::log;
use crate::schema::broadcasts;

/// Sends what is still as it was read, scheduled and due for no longer than may be.
pub(crate) fn fire(connection: &mut SqliteConnection, batch: Vec<Firing>) -> Result<Fired, StepError> {
    use broadcasts as b;
    let now = now(connection)?;
    let longest = i64::try_from(Broadcast::MISSED.as_millis()).unwrap_or(i64::MAX);
    let (mut ids, mut publishes) = (Vec::new(), Vec::new());
    let mut next = log::head(connection)?.position;
    for Firing { id, version, late, publish } in batch {
        let due = b::table
            .find(bytes(&id))
            .filter(b::status.eq("scheduled").and(b::version.eq(i64::from(version))))
            .filter(b::publish_at.between(now - longest, now));
        let sent = diesel::update(due).set((
            b::status.eq("sent"),
            b::late.eq(i64::from(late)),
            b::sent_at.eq(now),
            b::updated_at.eq(now),
            b::position.eq(next.plus(1).as_i64()),
        ));
        if sent.execute(connection)? == 1 {
            next = next.plus(publish.rows.len());
            ids.push(id);
            publishes.push(publish);
        }
    }
    Ok(Fired { ids, appended: log::append_within(connection, publishes)? })
}

/// Marks those missed that are still as they were read.
pub(crate) fn miss(
    connection: &mut SqliteConnection,
    batch: &[(BroadcastId, u32)],
) -> Result<u32, StepError> {
    use broadcasts as b;
    let now = now(connection)?;
    let mut missed = 0;
    for (id, version) in batch {
        let same = b::table
            .find(bytes(id))
            .filter(b::status.eq("scheduled").and(b::version.eq(i64::from(*version))));
        let set = (b::status.eq("missed"), b::updated_at.eq(now));
        missed += u32::from(diesel::update(same).set(set).execute(connection)? == 1);
    }
    Ok(missed)
}
