//! Between the log's rows and the table's.

use std::fmt::Display;

use carillon_domain::{
    ActionUrl, Data, EventId, EventName, Notification, NotificationId, Position, Row, Timestamp,
};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::error::StepError;
use crate::schema::notifications;

/// A row of `notifications` as it is kept.
#[derive(Queryable)]
pub(crate) struct Record {
    position: i64,
    id: Uuid,
    event_id: Uuid,
    room: String,
    event: Option<String>,
    kind: String,
    title: String,
    message: String,
    data: String,
    priority: String,
    action_url: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
}

/// The columns of [`Record`], in its order.
pub(crate) type RecordSql = (
    BigInt,
    diesel::sql_types::Uuid,
    diesel::sql_types::Uuid,
    Text,
    Nullable<Text>,
    Text,
    Text,
    Text,
    Text,
    Text,
    Nullable<Text>,
    BigInt,
    Nullable<BigInt>,
);

/// Reads a record back. Whatever cannot be is named by its position; its content stays out of the error.
pub(crate) fn read(record: Record) -> Result<Row, StepError> {
    let position = record.position;
    let corrupt = || StepError::Corrupt { table: "notifications", row: position.to_string() };
    let optional = |text: Option<String>| text.map(|url| url.parse::<ActionUrl>()).transpose();
    let event = record.event.map(|name| EventName::find(&name).ok_or_else(corrupt)).transpose()?;
    let instant = |millis| Timestamp::from_millis(millis).ok_or_else(corrupt);
    Ok(Row {
        position: Position::from_i64(position).ok_or_else(corrupt)?,
        room: record.room.parse().map_err(|_| corrupt())?,
        event_id: EventId::from_uuid(record.event_id),
        notification: Notification {
            id: NotificationId::from_uuid(record.id),
            event,
            kind: record.kind.parse().map_err(|_| corrupt())?,
            title: record.title,
            message: record.message,
            data: Data::from_stored(record.data).map_err(|_| corrupt())?,
            priority: record.priority.parse().map_err(|_| corrupt())?,
            action_url: optional(record.action_url).map_err(|_| corrupt())?,
            created_at: instant(record.created_at)?,
            expires_at: record.expires_at.map(instant).transpose()?,
        },
    })
}

/// A stored position.
pub(crate) fn position(n: i64, table: &'static str, row: impl Display) -> Result<Position, StepError> {
    Position::from_i64(n).ok_or_else(|| StepError::Corrupt { table, row: row.to_string() })
}

/// The id of the row at a position.
pub(crate) async fn id_at(connection: &mut AsyncPgConnection, at: i64) -> Result<NotificationId, StepError> {
    use notifications as n;
    let id: Uuid = n::table.find(at).select(n::id).first(connection).await?;
    Ok(NotificationId::from_uuid(id))
}
