//! When users were last here.

use async_trait::async_trait;
use carillon_domain::ports::{LastSeen, PortError, Seen};
use carillon_domain::{Role, Timestamp, UserId};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::PostgresStore;
use crate::error::StepError;
use crate::schema::last_seen;
use crate::statement::Statement;

const PORT: &str = "last seen";

/// One statement; in one order, so that two nodes which note the same users do not wait for each other.
const KEEP: &str = "\
    INSERT INTO carillon.last_seen (user_id, role, profile_id, seen_at) \
    SELECT * FROM unnest($1, $2, $3, $4) AS u (user_id, role, profile_id, seen_at) ORDER BY u.user_id COLLATE \"C\" \
    ON CONFLICT (user_id) DO UPDATE SET \
        role = excluded.role, profile_id = excluded.profile_id, seen_at = excluded.seen_at \
    WHERE excluded.seen_at > last_seen.seen_at";

type Record = (String, String, Option<String>, i64);

#[async_trait]
impl LastSeen for PostgresStore {
    async fn keep(&self, seen: &[Seen]) -> Result<(), PortError> {
        self.writers.run(PORT, |mut c| async move { Ok((keep(&mut c, seen).await?, c)) }).await
    }

    async fn doctors(&self, ids: &[UserId]) -> Result<Vec<Seen>, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((doctors(&mut c, ids).await?, c)) }).await
    }

    async fn users(
        &self,
        role: Option<Role>,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Seen>, PortError> {
        self.readers.run(PORT, |mut c| async move { Ok((users(&mut c, role, after, limit).await?, c)) }).await
    }
}

async fn keep(connection: &mut AsyncPgConnection, seen: &[Seen]) -> Result<(), StepError> {
    let users: Vec<&str> = seen.iter().map(|seen| seen.user_id.as_str()).collect();
    let roles: Vec<&str> = seen.iter().map(|seen| seen.role.as_str()).collect();
    let profiles: Vec<Option<&str>> =
        seen.iter().map(|seen| seen.profile_id.as_ref().map(UserId::as_str)).collect();
    let times: Vec<i64> = seen.iter().map(|seen| seen.at.as_millis()).collect();
    let statement = Statement::<()>::new(KEEP)
        .bind::<Array<Text>, _>(users)
        .bind::<Array<Text>, _>(roles)
        .bind::<Array<Nullable<Text>>, _>(profiles)
        .bind::<Array<BigInt>, _>(times);
    RunQueryDsl::execute(statement, connection).await?;
    Ok(())
}

async fn doctors(connection: &mut AsyncPgConnection, ids: &[UserId]) -> Result<Vec<Seen>, StepError> {
    use last_seen as l;
    let ids: Vec<&str> = ids.iter().map(UserId::as_str).collect();
    let named = l::user_id.eq_any(&ids).or(l::profile_id.assume_not_null().eq_any(&ids));
    let query = l::table.filter(l::role.eq(Role::Doctor.as_str())).filter(named);
    let records: Vec<Record> = RunQueryDsl::load(query, connection).await?;
    records.into_iter().map(read).collect()
}

async fn users(
    connection: &mut AsyncPgConnection,
    role: Option<Role>,
    after: Option<&UserId>,
    limit: u32,
) -> Result<Vec<Seen>, StepError> {
    use last_seen as l;
    let after = after.map(UserId::as_str).unwrap_or_default();
    let mut query = l::table.filter(l::user_id.gt(after)).into_boxed();
    if let Some(role) = role {
        query = query.filter(l::role.eq(role.as_str()));
    }
    let query = query.order(l::user_id).limit(i64::from(limit));
    let records: Vec<Record> = RunQueryDsl::load(query, connection).await?;
    records.into_iter().map(read).collect()
}

fn read((user_id, role, profile_id, at): Record) -> Result<Seen, StepError> {
    let corrupt = || StepError::Corrupt { table: "last_seen", row: user_id.clone() };
    let profile_id = profile_id.map(|id| id.parse::<UserId>()).transpose();
    Ok(Seen {
        user_id: user_id.parse().map_err(|_| corrupt())?,
        role: role.parse().map_err(|_| corrupt())?,
        profile_id: profile_id.map_err(|_| corrupt())?,
        at: Timestamp::from_millis(at).ok_or_else(corrupt)?,
    })
}
