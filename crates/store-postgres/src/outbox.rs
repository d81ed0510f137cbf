//! What services have left by `carillon.publish`, within their own transactions.

use std::time::Duration;

use async_trait::async_trait;
use carillon_domain::Faults;
use carillon_domain::ports::{Outbox, PortError, Posted};
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::StepError;
use crate::statement::Statement;

const PORT: &str = "outbox";

#[async_trait]
impl Outbox for PostgresStore {
    async fn claim(&self, limit: u32, lease: Duration) -> Result<Vec<Posted>, PortError> {
        self.writers.run(PORT, |mut c| async move { Ok((claim(&mut c, limit, lease).await?, c)) }).await
    }

    async fn done(&self, ids: &[Uuid]) -> Result<(), PortError> {
        self.writers.run(PORT, |mut c| async move { Ok((done(&mut c, ids).await?, c)) }).await
    }

    async fn refuse(&self, id: Uuid, faults: &Faults) -> Result<(), PortError> {
        let faults = &faults.to_string();
        self.writers.run(PORT, |mut c| async move { Ok((refuse(&mut c, id, faults).await?, c)) }).await
    }
}

/// One statement: a node that dies after it holds nothing but the lease. What another node is claiming is passed over. The
/// array is there so that the inner query runs once, and the outer one walks an index.
const CLAIM: &str = "\
    WITH claimed AS (
        UPDATE carillon.outbox SET leased_until = clock_timestamp() + $2 * interval '1 millisecond'
        WHERE place = ANY (ARRAY(
            SELECT place FROM carillon.outbox WHERE leased_until IS NULL OR leased_until <= clock_timestamp()
            ORDER BY place LIMIT $1 FOR UPDATE SKIP LOCKED))
        RETURNING place, id, event
    ) SELECT id, event::text FROM claimed ORDER BY place";

async fn claim(
    connection: &mut AsyncPgConnection,
    limit: u32,
    lease: Duration,
) -> Result<Vec<Posted>, StepError> {
    let claim = Statement::<(SqlUuid, Text)>::new(CLAIM)
        .bind::<BigInt, _>(i64::from(limit))
        .bind::<BigInt, _>(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
    let claimed: Vec<(Uuid, String)> = claim.load(connection).await?;
    Ok(claimed.into_iter().map(|(id, event)| Posted { id, event }).collect())
}

async fn done(connection: &mut AsyncPgConnection, ids: &[Uuid]) -> Result<(), StepError> {
    const DONE: &str = "DELETE FROM carillon.outbox WHERE id = ANY ($1)";
    Statement::<()>::new(DONE).bind::<Array<SqlUuid>, _>(ids).execute(connection).await?;
    Ok(())
}

const REFUSE: &str = "\
    WITH refused AS (DELETE FROM carillon.outbox WHERE id = $1 RETURNING id, event, written_at)
    INSERT INTO carillon.outbox_refused (id, event, written_at, faults)
    SELECT id, event, written_at, $2 FROM refused";

async fn refuse(connection: &mut AsyncPgConnection, id: Uuid, faults: &str) -> Result<(), StepError> {
    Statement::<()>::new(REFUSE).bind::<SqlUuid, _>(id).bind::<Text, _>(faults).execute(connection).await?;
    Ok(())
}
