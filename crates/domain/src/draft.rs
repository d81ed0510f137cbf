//! From what a service posted to what may be kept: a [`Draft`] cannot be wrong, and nothing inside asks again.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::blocking;
use crate::fault::{Fields, text};
use crate::{
    AuditAction, AuditNote, Data, EventId, EventName, Faults, Kind, Notification, NotificationId, Priority,
    Room, Route, Timestamp, UserId,
};

mod batch;

/// The most rooms one publish may name.
pub const MAX_ROOMS: usize = 20;
/// The most characters of a title.
pub const MAX_TITLE: usize = 200;
/// The most characters of a message.
pub const MAX_MESSAGE: usize = 2_000;
/// The most bytes of an [`ActionUrl`].
pub const MAX_URL: usize = 2_048;

/// A number that is kept as a fraction and lies below this, 2⁵³, is the one that was sent. Beyond, it may be another: an integer too
/// large for 64 bits is rounded.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// A checked publish: one content for 1 to [`MAX_ROOMS`] distinct rooms.
#[derive(Clone, PartialEq)]
pub struct Draft {
    rooms: Vec<Room>,
    event: Option<EventName>,
    kind: Kind,
    title: String,
    message: String,
    data: Data,
    priority: Priority,
    action_url: Option<ActionUrl>,
    expires_at: Option<Timestamp>,
}

impl Draft {
    /// Reads the body of `POST /api/v1/events`: `{event, data, title?, message?, actionUrl?, priority?}`. The rooms,
    /// and whatever the publisher leaves out, come from the routing table.
    ///
    /// # Errors
    /// Every fault of the body, each with its pointer.
    pub fn parse_event(body: Value) -> Result<Self, Faults> {
        let mut fields = Fields::of(body)?;
        let name = fields.require("event");
        let name = fields.parse("event", name, |value| {
            EventName::find(&text(value)?).ok_or("is not one of the eight known events")
        });
        let object = take_object(&mut fields);
        let rooms = name.map(|name| route(&mut fields, name.route(), &object));
        let data = keep(&mut fields, &object);
        let title = take_text(&mut fields, "title", 1, MAX_TITLE);
        let message = take_text(&mut fields, "message", 0, MAX_MESSAGE);
        let action_url = take_parsed(&mut fields, "actionUrl");
        let priority = take_parsed(&mut fields, "priority");
        fields.finish()?;
        let incomplete = || Faults::one("", "is incomplete");
        let (event, rooms, data) =
            (name.zip(rooms).zip(data)).map(|((a, b), c)| (a, b, c)).ok_or_else(incomplete)?;
        let route = event.route();
        Ok(Self {
            rooms,
            event: Some(event),
            kind: route.kind.parse().map_err(|_| incomplete())?,
            title: title.unwrap_or_else(|| route.title.into()),
            message: message.unwrap_or_else(|| route.message.into()),
            data,
            priority: priority.unwrap_or(route.priority),
            action_url,
            expires_at: None,
        })
    }

    /// Reads the body of `POST /api/v1/notifications`:
    /// `{to, type, title, message, data?, priority?, actionUrl?, expiresAt?}`. Repeated rooms count once; the
    /// priority is `medium` unless given; `expiresAt` must lie after `now`.
    ///
    /// # Errors
    /// Every fault of the body, each with its pointer.
    pub fn parse_notification(body: Value, now: Timestamp) -> Result<Self, Faults> {
        let mut fields = Fields::of(body)?;
        let rooms = take_rooms(&mut fields);
        let kind = fields.require("type");
        let kind = fields.parse("type", kind, |value| text(value)?.parse::<Kind>());
        let title = take_required_text(&mut fields, "title", 1, MAX_TITLE);
        let message = take_required_text(&mut fields, "message", 0, MAX_MESSAGE);
        let object = take_object(&mut fields);
        let data = keep(&mut fields, &object);
        let priority = take_parsed(&mut fields, "priority");
        let action_url = take_parsed(&mut fields, "actionUrl");
        let expires_at = fields.take("expiresAt");
        let expires_at = fields.parse("expiresAt", expires_at, |value| {
            let end: Timestamp = text(value)?.parse().map_err(|_| "must be an RFC 3339 date and time")?;
            if end > now { Ok(end) } else { Err("must lie in the future") }
        });
        fields.finish()?;
        let (Some(kind), Some(title), Some(message), Some(data)) = (kind, title, message, data) else {
            return Err(Faults::one("", "is incomplete"));
        };
        let priority = priority.unwrap_or(Priority::Medium);
        Ok(Self { rooms, event: None, kind, title, message, data, priority, action_url, expires_at })
    }

    /// Who is to hear it.
    #[must_use]
    pub fn rooms(&self) -> &[Room] {
        &self.rooms
    }

    /// What is to be noted once this is in the log as `event_id`: who blocked a user, or let one in again.
    #[must_use]
    pub fn note(&self, actor: &str, event_id: EventId) -> Option<AuditNote> {
        let (user_id, status) = blocking::change(self.event, self.rooms.first()?, &self.data)?;
        let detail = Map::from_iter([("status".to_owned(), serde_json::to_value(status).ok()?)]);
        Some(AuditNote {
            actor: actor.to_owned(),
            action: AuditAction::UserStatusChanged,
            subject: user_id.to_string(),
            detail: Data::new(&detail).ok()?,
            key: Some(event_id.as_uuid()),
        })
    }

    /// What one row of it costs, in bytes of text.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        // 200 for ids, timestamps and what an index keeps: a bound on a batch, not an account.
        let url = self.action_url.as_ref().map_or(0, |url| url.as_str().len());
        200 + self.title.len() + self.message.len() + self.data.as_str().len() + url
    }

    /// The notification that this draft becomes in one of its rooms.
    pub(crate) fn notification(&self, id: NotificationId, created_at: Timestamp) -> Notification {
        Notification {
            id,
            event: self.event,
            kind: self.kind.clone(),
            title: self.title.clone(),
            message: self.message.clone(),
            data: self.data.clone(),
            priority: self.priority,
            action_url: self.action_url.clone(),
            created_at,
            expires_at: self.expires_at,
        }
    }
}

/// Without the content, for the same reason as [`Notification`]'s.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("rooms", &self.rooms).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Where a click on a notification leads: a path of the page's own origin that starts with exactly one `/`, or an
/// `https://` URL without user information. At most 2,048 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ActionUrl(String);

impl ActionUrl {
    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ActionUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_URL {
            return Err("must be at most 2,048 bytes");
        }
        // Browsers drop tabs and line ends inside a URL and read `\` as `/` (WHATWG URL §4.4), so that a text that
        // looks harmless here would be another one there: none of these may appear at all.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err("must hold no control characters, white space or backslashes");
        }
        let is_path = text.starts_with('/') && !text.starts_with("//");
        let host = text.strip_prefix("https://").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or(""));
        let is_https =
            host.is_some_and(|host| !host.is_empty() && !host.contains('@') && !host.starts_with(':'));
        if is_path || is_https {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be a path that starts with a single / or an https:// URL without user information")
        }
    }
}

fn take_object(fields: &mut Fields) -> Map<String, Value> {
    let value = fields.take("data");
    let object = fields.parse("data", value, |value| match value {
        Value::Object(map) => Ok(map),
        _ => Err("must be an object"),
    });
    object.unwrap_or_default()
}

fn keep(fields: &mut Fields, object: &Map<String, Value>) -> Option<Data> {
    Data::new(object).map_err(|fault| fields.fault("/data", fault)).ok()
}

/// The rooms of an event, and on the way every field of its data that is missing or wrong.
fn route(fields: &mut Fields, route: &Route, data: &Map<String, Value>) -> Vec<Room> {
    let value = |field: &str| data.get(field).filter(|value| !value.is_null());
    for &field in route.needs {
        let fault = match value(field) {
            None => Some("is required by this event".to_owned()),
            Some(status) if field == "status" => check_status(route, status).err(),
            Some(id) => parse_id(id).err(),
        };
        if let Some(detail) = fault {
            fields.fault(format!("/data/{field}"), detail);
        }
    }
    let id = |field: &str| value(field).and_then(|id| parse_id(id).ok());
    let mut rooms: Vec<Room> = Vec::with_capacity(route.rooms.len());
    for rule in route.rooms {
        rooms.extend(rule.room(rule.field().and_then(id).as_ref()));
    }
    rooms
}

/// An id as services write them: a text, or a whole number. `7.0` is one too (JSON Schema, draft 2020-12, §6.1.1).
fn parse_id(value: &Value) -> Result<UserId, String> {
    let text = match value {
        Value::String(id) => id.clone(),
        Value::Number(id) => match id.as_f64() {
            _ if id.is_i64() || id.is_u64() => id.to_string(),
            Some(id) if id.fract() == 0.0 && id.abs() < MAX_WHOLE => format!("{id:.0}"),
            _ => return Err("must be a string or an integer".into()),
        },
        _ => return Err("must be a string or an integer".into()),
    };
    text.parse().map_err(|fault: crate::BadId| fault.to_string())
}

fn check_status(route: &Route, value: &Value) -> Result<(), String> {
    let Some(status) = value.as_str().filter(|status| !status.is_empty()) else {
        return Err("must be a string that is not empty".into());
    };
    if route.statuses.is_empty() || route.statuses.contains(&status) {
        Ok(())
    } else {
        Err(format!("must be one of {}", route.statuses.join(", ")))
    }
}

fn take_rooms(fields: &mut Fields) -> Vec<Room> {
    let mut rooms = Vec::new();
    let items = match fields.require("to") {
        None => return rooms,
        Some(Value::Array(items)) if (1..=MAX_ROOMS).contains(&items.len()) => items,
        Some(_) => {
            fields.fault("/to", format!("must be a list of 1 to {MAX_ROOMS} rooms"));
            return rooms;
        }
    };
    for (i, item) in items.into_iter().enumerate() {
        let room = fields.parse(&format!("to/{i}"), Some(item), |value| {
            text(value).map_err(str::to_owned)?.parse::<Room>().map_err(|fault| fault.to_string())
        });
        rooms.extend(room.filter(|room| !rooms.contains(room)));
    }
    rooms
}

pub(crate) fn take_required_text(
    fields: &mut Fields,
    name: &str,
    least: usize,
    most: usize,
) -> Option<String> {
    let value = fields.require(name);
    parse_text(fields, name, value, least, most)
}

fn take_text(fields: &mut Fields, name: &str, least: usize, most: usize) -> Option<String> {
    let value = fields.take(name);
    parse_text(fields, name, value, least, most)
}

fn parse_text(
    fields: &mut Fields,
    name: &str,
    value: Option<Value>,
    least: usize,
    most: usize,
) -> Option<String> {
    fields.parse(name, value, |value| {
        let text = text(value).map_err(str::to_owned)?;
        if !(least..=most).contains(&text.chars().count()) {
            return Err(format!("must have {least} to {most} characters"));
        }
        // PostgreSQL keeps no U+0000 in a text.
        if text.contains('\0') { Err("must not hold U+0000".into()) } else { Ok(text) }
    })
}

pub(crate) fn take_parsed<T: FromStr<Err = &'static str>>(fields: &mut Fields, name: &str) -> Option<T> {
    let value = fields.take(name);
    fields.parse(name, value, |value| text(value)?.parse::<T>())
}

#[cfg(test)]
mod tests;
