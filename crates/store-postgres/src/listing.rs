//! Which rows an inbox shows, newest first, and how each of its items looks to its reader.

use std::cmp::Reverse;

use carillon_domain::{Entitled, InboxItem, Position, ReadStatus, Timestamp, UserId};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::error::StepError;
use crate::inbox::{Reading, readings};
use crate::rows::{self, Record, RecordSql};
use crate::statement::Statement;

/// The positions of the newest `most` visible rows in this state: from each room its newest, read off an index.
pub(crate) async fn newest(
    connection: &mut AsyncPgConnection,
    who: &Entitled,
    before: i64,
    status: ReadStatus,
    most: usize,
    now: Timestamp,
) -> Result<Vec<i64>, StepError> {
    let mut found: Vec<i64> = Vec::new();
    let mut after = Position::START.as_i64();
    for reading in readings(connection, who).await? {
        let span = Span { after: after.max(reading.since), before, most, now: now.as_millis() };
        found.extend(match status {
            ReadStatus::All => span.rows(connection, &reading, None).await?,
            // What is newer stands in front, so the older half only fills up.
            ReadStatus::Unread => {
                let mut unread =
                    span.after(reading.read_up_to).rows(connection, &reading, Some(true)).await?;
                let rest = span.before(reading.read_up_to + 1).filling(&unread);
                unread.extend(rest.marks(connection, &reading, false).await?);
                unread
            }
            ReadStatus::Read => {
                let beyond = span.after(reading.read_up_to);
                let mut read = beyond.marks(connection, &reading, true).await?;
                read.extend(beyond.muted(connection, &reading).await?);
                let rest = span.before(reading.read_up_to + 1).filling(&read);
                read.extend(rest.rows(connection, &reading, Some(false)).await?);
                read
            }
        });
        found.sort_unstable_by_key(|position| Reverse(*position));
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

/// A room's rows, newest first, less those with a mark of the kind named and, of the unread, less the muted. Pairs are compared so that the index by room
/// is the only way; the bounds on the position alone pick the partitions.
pub(crate) const ROWS: &str = "\
    SELECT n.position FROM carillon.notifications n
    WHERE (n.room, n.position) > ($1, $2) AND (n.room, n.position) < ($1, $3) AND n.position > $2 AND n.position < $3
        AND (n.expires_at IS NULL OR n.expires_at > $4)
        AND ($5 IS NULL OR NOT EXISTS (SELECT FROM carillon.inbox_marks m
            WHERE m.user_id = $6 AND m.room = $1 AND m.position = n.position AND (m.read_at IS NOT NULL) = $5))
        AND ($5 IS NOT TRUE OR n.priority NOT IN ('low', 'medium')
            OR NOT EXISTS (SELECT FROM carillon.mutes u WHERE u.user_id = $6 AND u.type = n.type
                AND u.since < n.position AND u.until >= n.position)
            OR EXISTS (SELECT FROM carillon.inbox_marks m
                WHERE m.user_id = $6 AND m.room = $1 AND m.position = n.position))
    ORDER BY n.room DESC, n.position DESC LIMIT $7";

/// The muted rows of a room without a mark. Those who mute nothing are not searched for any.
const MUTED: &str = "\
    SELECT n.position FROM (
        SELECT min(u.since) AS first, max(u.until) AS last FROM carillon.mutes u WHERE u.user_id = $1
    ) s CROSS JOIN LATERAL (
        SELECT n.position FROM carillon.notifications n
        WHERE (n.room, n.position) > ($2, greatest($3, s.first)) AND (n.room, n.position) < ($2, $4)
            AND n.position > greatest($3, s.first) AND n.position < $4 AND n.position <= s.last
            AND (n.expires_at IS NULL OR n.expires_at > $5) AND n.priority IN ('low', 'medium')
            AND EXISTS (SELECT FROM carillon.mutes u WHERE u.user_id = $1 AND u.type = n.type
                AND u.since < n.position AND u.until >= n.position)
            AND NOT EXISTS (SELECT FROM carillon.inbox_marks m
                WHERE m.user_id = $1 AND m.room = $2 AND m.position = n.position)
        ORDER BY n.room DESC, n.position DESC LIMIT $6
    ) n WHERE s.first IS NOT NULL";

/// The rows of a room that are marked. Two texts, since those made unread have an index of their own.
const READ: &str = "\
    SELECT m.position FROM carillon.inbox_marks m JOIN carillon.notifications n ON n.position = m.position
    WHERE m.user_id = $1 AND m.room = $2 AND m.position > $3 AND m.position < $4 AND m.read_at IS NOT NULL
        AND (n.expires_at IS NULL OR n.expires_at > $5)
    ORDER BY m.position DESC LIMIT $6";
const UNREAD: &str = "\
    SELECT m.position FROM carillon.inbox_marks m JOIN carillon.notifications n ON n.position = m.position
    WHERE m.user_id = $1 AND m.room = $2 AND m.position > $3 AND m.position < $4 AND m.read_at IS NULL
        AND (n.expires_at IS NULL OR n.expires_at > $5)
    ORDER BY m.position DESC LIMIT $6";

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
    async fn rows(
        self,
        connection: &mut AsyncPgConnection,
        reading: &Reading<'_>,
        unread: Option<bool>,
    ) -> Result<Vec<i64>, StepError> {
        let rows = Statement::<BigInt>::new(ROWS)
            .bind::<Text, _>(reading.room)
            .bind::<BigInt, _>(self.after)
            .bind::<BigInt, _>(self.before)
            .bind::<BigInt, _>(self.now)
            .bind::<Nullable<Bool>, _>(unread)
            .bind::<Text, _>(reading.user)
            .bind::<BigInt, _>(self.limit());
        Ok(rows.load(connection).await?)
    }

    /// The muted rows of a room without a mark.
    async fn muted(
        self,
        connection: &mut AsyncPgConnection,
        reading: &Reading<'_>,
    ) -> Result<Vec<i64>, StepError> {
        Ok(self.of(MUTED, reading).load(connection).await?)
    }

    /// The rows of a room that are marked, as read or as unread.
    async fn marks(
        self,
        connection: &mut AsyncPgConnection,
        reading: &Reading<'_>,
        read: bool,
    ) -> Result<Vec<i64>, StepError> {
        Ok(self.of(if read { READ } else { UNREAD }, reading).load(connection).await?)
    }

    fn of<'a>(self, statement: &'static str, reading: &Reading<'a>) -> Statement<'a, BigInt> {
        Statement::new(statement)
            .bind::<Text, _>(reading.user)
            .bind::<Text, _>(reading.room)
            .bind::<BigInt, _>(self.after)
            .bind::<BigInt, _>(self.before)
            .bind::<BigInt, _>(self.now)
            .bind::<BigInt, _>(self.limit())
    }
}

/// Each row with its reader's mark; and when it was accepted if it is muted, else when its room was first read up to it or
/// beyond.
const ITEMS: &str = "\
    SELECT n.*, m.position IS NOT NULL, m.read_at, CASE
        WHEN n.priority IN ('low', 'medium') AND EXISTS (SELECT FROM carillon.mutes u
            WHERE u.user_id = $1 AND u.type = n.type AND u.since < n.position AND u.until >= n.position)
        THEN n.created_at
        ELSE (SELECT r.read_at FROM carillon.inbox_reads r
            WHERE r.user_id = $1 AND r.room = n.room AND r.up_to >= n.position ORDER BY r.up_to LIMIT 1)
    END
    FROM carillon.notifications n
    LEFT JOIN carillon.inbox_marks m ON m.user_id = $1 AND m.room = n.room AND m.position = n.position
    WHERE n.position = ANY ($2) ORDER BY n.position DESC";

/// The items at these positions, newest first.
pub(crate) async fn items(
    connection: &mut AsyncPgConnection,
    user_id: &UserId,
    positions: Vec<i64>,
) -> Result<Vec<InboxItem>, StepError> {
    let items = Statement::<(RecordSql, Bool, Nullable<BigInt>, Nullable<BigInt>)>::new(ITEMS)
        .bind::<Text, _>(user_id.as_str())
        .bind::<Array<BigInt>, _>(positions);
    let records: Vec<(Record, bool, Option<i64>, Option<i64>)> = items.load(connection).await?;
    let item = |(record, is_marked, marked_at, otherwise): (Record, bool, Option<i64>, Option<i64>)| {
        let row = rows::read(record)?;
        let read_at = if is_marked { marked_at } else { otherwise };
        let corrupt = || StepError::Corrupt { table: "inbox_marks", row: row.position.get().to_string() };
        let instant = |millis| Timestamp::from_millis(millis).ok_or_else(corrupt);
        Ok(InboxItem { notification: row.notification, read_at: read_at.map(instant).transpose()? })
    };
    records.into_iter().map(item).collect()
}
