//! When users were last here.

use async_trait::async_trait;
use carillon_domain::ports::{LastSeen, PortError, Seen};
use carillon_domain::{Role, Timestamp, UserId};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::SqliteStore;
use crate::error::StepError;
use crate::schema::last_seen;

const PORT: &str = "last seen";

const KEEP: &str = "\
    INSERT INTO last_seen (user_id, role, profile_id, seen_at) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT DO UPDATE SET role = excluded.role, profile_id = excluded.profile_id, seen_at = excluded.seen_at \
    WHERE excluded.seen_at > last_seen.seen_at";

type Record = (String, String, Option<String>, i64);

#[async_trait]
impl LastSeen for SqliteStore {
    async fn keep(&self, seen: &[Seen]) -> Result<(), PortError> {
        let seen = seen.to_vec();
        let step = move |connection: &mut SqliteConnection| {
            for Seen { user_id, role, profile_id, at } in seen {
                diesel::sql_query(KEEP)
                    .bind::<Text, _>(user_id.as_str())
                    .bind::<Text, _>(role.as_str())
                    .bind::<Nullable<Text>, _>(profile_id.as_ref().map(UserId::as_str))
                    .bind::<BigInt, _>(at.as_millis())
                    .execute(connection)?;
            }
            Ok(())
        };
        self.writer.run(PORT, move |connection| connection.immediate_transaction(step)).await
    }

    async fn doctors(&self, ids: &[UserId]) -> Result<Vec<Seen>, PortError> {
        use last_seen as l;
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let step = move |connection: &mut SqliteConnection| {
            let named = l::user_id.eq_any(&ids).or(l::profile_id.assume_not_null().eq_any(&ids));
            let records =
                l::table.filter(l::role.eq(Role::Doctor.as_str())).filter(named).load(connection)?;
            records.into_iter().map(read).collect()
        };
        self.readers.run(PORT, step).await
    }

    async fn users(
        &self,
        role: Option<Role>,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Seen>, PortError> {
        use last_seen as l;
        let after = after.map(ToString::to_string).unwrap_or_default();
        let step = move |connection: &mut SqliteConnection| {
            let mut query = l::table.filter(l::user_id.gt(&after)).into_boxed();
            if let Some(role) = role {
                query = query.filter(l::role.eq(role.as_str()));
            }
            let records = query.order(l::user_id).limit(i64::from(limit)).load(connection)?;
            records.into_iter().map(read).collect()
        };
        self.readers.run(PORT, step).await
    }
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
