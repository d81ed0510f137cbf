//! Between the log's rows and the table's.

use std::fmt::Display;

use carillon_domain::{
    ActionUrl, Data, EventId, EventName, Notification, NotificationId, Position, Row, Timestamp,
};
use diesel::prelude::*;
use uuid::Uuid;

use crate::error::StepError;
use crate::schema::notifications;

/// A row of `notifications` as it is kept.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications)]
pub(crate) struct Record {
    position: i64,
    id: Vec<u8>,
    event_id: Vec<u8>,
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

impl Record {
    /// Its position.
    pub(crate) fn place(&self) -> i64 {
        self.position
    }
}

/// Reads a record back. Whatever cannot be is named by its position; its content stays out of the error.
pub(crate) fn read(record: Record) -> Result<Row, StepError> {
    let position = record.position;
    let corrupt = || StepError::Corrupt { table: "notifications", row: position.to_string() };
    let uuid = |bytes: &[u8]| Uuid::from_slice(bytes).map_err(|_| corrupt());
    let optional = |text: Option<String>| text.map(|url| url.parse::<ActionUrl>()).transpose();
    let event = record.event.map(|name| EventName::find(&name).ok_or_else(corrupt)).transpose()?;
    let instant = |millis| Timestamp::from_millis(millis).ok_or_else(corrupt);
    Ok(Row {
        position: Position::from_i64(position).ok_or_else(corrupt)?,
        room: record.room.parse().map_err(|_| corrupt())?,
        event_id: EventId::from_uuid(uuid(&record.event_id)?),
        notification: Notification {
            id: NotificationId::from_uuid(uuid(&record.id)?),
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

/// Inserts a row. One at a time, since SQLite is in this process: the prepared statement is what makes it quick.
pub(crate) fn insert(connection: &mut SqliteConnection, row: &Row) -> Result<(), StepError> {
    use notifications as n;
    let Row { position, room, event_id, notification } = row;
    diesel::insert_into(n::table)
        .values((
            n::position.eq(position.as_i64()),
            n::id.eq(&notification.id.as_uuid().as_bytes()[..]),
            n::event_id.eq(&event_id.as_uuid().as_bytes()[..]),
            n::room.eq(room.as_str()),
            n::event.eq(notification.event.map(EventName::as_str)),
            n::kind.eq(notification.kind.as_str()),
            n::title.eq(&notification.title),
            n::message.eq(&notification.message),
            n::data.eq(notification.data.as_str()),
            n::priority.eq(notification.priority.as_str()),
            n::action_url.eq(notification.action_url.as_ref().map(ActionUrl::as_str)),
            n::created_at.eq(notification.created_at.as_millis()),
            n::expires_at.eq(notification.expires_at.map(Timestamp::as_millis)),
        ))
        .execute(connection)?;
    Ok(())
}

/// A stored position.
pub(crate) fn position(n: i64, table: &'static str, row: impl Display) -> Result<Position, StepError> {
    Position::from_i64(n).ok_or_else(|| StepError::Corrupt { table, row: row.to_string() })
}

/// The id of the row at a position.
pub(crate) fn id_at(connection: &mut SqliteConnection, at: i64) -> Result<NotificationId, StepError> {
    use notifications as n;
    let id: Vec<u8> = n::table.find(at).select(n::id).first(connection)?;
    let corrupt = |_| StepError::Corrupt { table: "notifications", row: at.to_string() };
    Uuid::from_slice(&id).map(NotificationId::from_uuid).map_err(corrupt)
}
