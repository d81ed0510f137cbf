//! From what an admin posted to a broadcast that may be kept.

use serde_json::{Map, Value};

use super::{Broadcast, BroadcastDraft, BroadcastKind};
use crate::draft::{MAX_MESSAGE, MAX_TITLE, take_parsed, take_required_text};
use crate::fault::{Fields, text};
use crate::{Faults, RoleName, Room, Timestamp};

/// How far ahead a broadcast may be scheduled.
const AHEAD_MS: i64 = 366 * 86_400_000;

impl BroadcastDraft {
    /// Reads the body of `POST /api/v1/broadcasts`: `{kind, title, message, audience?, actionUrl?, publishAt?, startsAt?,
    /// endsAt?, expiresAt?}`. `now` is the store's. What has a time has one ahead: `publishAt` at most 366 days; `endsAt`,
    /// which maintenance alone has, after `startsAt`; and `expiresAt` after it is sent.
    ///
    /// # Errors
    /// Every fault of the body, each with its pointer.
    pub fn parse(body: Value, now: Timestamp) -> Result<Self, Faults> {
        Self::read(body, now, None)
    }

    /// Reads the body of `PATCH /api/v1/broadcasts/{id}`, `{version, …}` with any of the fields of [`Self::parse`] but the
    /// kind; `null` takes one away that may be missing. Answers the version it is for, the draft as it is to be, and the
    /// names of the fields that were given.
    ///
    /// # Errors
    /// As [`Self::parse`], of the draft as it would be.
    pub fn parse_change(
        current: &Broadcast,
        body: Value,
        now: Timestamp,
    ) -> Result<(u32, Self, Vec<String>), Faults> {
        let Value::Object(mut changes) = body else { return Err(Faults::one("", "must be a JSON object")) };
        let version = changes.remove("version").and_then(|version| u32::try_from(version.as_u64()?).ok());
        let version =
            version.ok_or_else(|| Faults::one("/version", "must be the version that is to be changed"))?;
        if changes.contains_key("kind") {
            return Err(Faults::one("/kind", "cannot be changed"));
        }
        let names: Vec<String> = changes.keys().cloned().collect();
        let current_fields =
            serde_json::to_value(&current.draft).map_err(|_| Faults::one("", "is incomplete"))?;
        let mut fields = match current_fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        fields.extend(changes);
        let draft = Self::read(Value::Object(fields), now, current.draft.publish_at)?;
        Ok((version, draft, names))
    }

    /// `kept` is a time of publishing that is as it was, and may have come meanwhile.
    fn read(body: Value, now: Timestamp, kept: Option<Timestamp>) -> Result<Self, Faults> {
        let mut fields = Fields::of(body)?;
        let kind = fields.require("kind");
        let kind = fields.parse("kind", kind, |value| text(value)?.parse::<BroadcastKind>());
        let title = take_required_text(&mut fields, "title", 1, MAX_TITLE);
        let message = take_required_text(&mut fields, "message", 0, MAX_MESSAGE);
        let audience = take_audience(&mut fields);
        let action_url = take_parsed(&mut fields, "actionUrl");
        let publish_at = take_instant(&mut fields, "publishAt");
        if let Some(at) = publish_at.filter(|at| Some(*at) != kept) {
            if at <= now {
                fields.fault("/publishAt", "must lie in the future; leave it out to publish at once");
            } else if at.as_millis() > now.as_millis().saturating_add(AHEAD_MS) {
                fields.fault("/publishAt", "must lie within 366 days");
            }
        }
        let sent_at = publish_at.unwrap_or(now).max(now);
        let (starts_at, ends_at) = take_span(&mut fields, kind, sent_at);
        let expires_at = take_instant(&mut fields, "expiresAt");
        if expires_at.is_some_and(|end| end <= sent_at) {
            fields.fault("/expiresAt", "must lie after it is published");
        }
        fields.finish()?;
        let (Some(kind), Some(title), Some(message)) = (kind, title, message) else {
            return Err(Faults::one("", "is incomplete"));
        };
        Ok(Self { kind, title, message, audience, action_url, publish_at, starts_at, ends_at, expires_at })
    }
}

/// Everyone unless said otherwise. `all` has everyone in it, so roles beside it count for nothing.
fn take_audience(fields: &mut Fields) -> Vec<Room> {
    let mut rooms = Vec::new();
    let items = match fields.take("audience") {
        None => return vec![Room::all()],
        Some(Value::Array(items)) if (1..=4).contains(&items.len()) => items,
        Some(_) => {
            fields.fault("/audience", "must be a list of 1 to 4 rooms");
            return rooms;
        }
    };
    for (i, item) in items.into_iter().enumerate() {
        let room = fields.parse(&format!("audience/{i}"), Some(item), |value| {
            let room = text(value)?.parse::<Room>().ok();
            let known =
                room.filter(|room| *room == Room::all() || RoleName::of_room(room.as_str()).is_some());
            known.ok_or("must be one of all, role:admin, role:doctor, role:patient")
        });
        rooms.extend(room.filter(|room| !rooms.contains(room)));
    }
    if rooms.contains(&Room::all()) { vec![Room::all()] } else { rooms }
}

fn take_span(
    fields: &mut Fields,
    kind: Option<BroadcastKind>,
    sent_at: Timestamp,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let (starts_at, ends_at) = (take_instant(fields, "startsAt"), take_instant(fields, "endsAt"));
    let is_maintenance = kind == Some(BroadcastKind::Maintenance);
    for (pointer, at) in [("/startsAt", starts_at), ("/endsAt", ends_at)] {
        match at {
            None if is_maintenance && !fields.has_fault(pointer) => {
                fields.fault(pointer, "is required for maintenance");
            }
            Some(_) if !is_maintenance && kind.is_some() => fields.fault(pointer, "is for maintenance alone"),
            _ => {}
        }
    }
    if let (Some(start), Some(end)) = (starts_at, ends_at)
        && (end <= start || end <= sent_at)
    {
        fields.fault("/endsAt", "must lie after startsAt, and after it is published");
    }
    (starts_at, ends_at)
}

fn take_instant(fields: &mut Fields, name: &str) -> Option<Timestamp> {
    let value = fields.take(name);
    fields.parse(name, value, |value| {
        text(value)?.parse::<Timestamp>().map_err(|_| "must be an RFC 3339 date and time")
    })
}

#[cfg(test)]
mod tests;
