//! What is sent to us, by the limits of the domain's parsers that read it.

use carillon_domain::{
    BroadcastKind, BroadcastStatus, Data, Draft, Kind, ListQuery, MAX_MESSAGE, MAX_ROOMS, MAX_TITLE, MAX_URL,
    Mark, Priority, ROUTES, Role, RoleName, Room, Route, UserId,
};
use serde_json::{Map, Value, json};

/// The characters that are neither control characters nor white space, for a class of a pattern.
const PRINTABLE: &str = r"^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// `POST /api/v1/events`: one of the routing table's rows.
pub(crate) fn event() -> Value {
    json!({"oneOf": ROUTES.iter().map(event_of).collect::<Vec<_>>()})
}

fn event_of(route: &Route) -> Value {
    let needs: Map<String, Value> = (route.needs.iter())
        .map(|&field| {
            let schema = match field {
                "status" if route.statuses.is_empty() => json!({"type": "string", "minLength": 1}),
                "status" => json!({"enum": route.statuses}),
                _ => json!({"oneOf": [user_id(), {"type": "integer", "minimum": i64::MIN, "maximum": u64::MAX}]}),
            };
            (field.to_owned(), schema)
        })
        .collect();
    let mut data = data();
    data["properties"] = needs.into();
    data["required"] = json!(route.needs);
    object(
        &[("event", json!({"const": route.name})), ("data", data)],
        &[
            ("title", with_default(text(1, MAX_TITLE), route.title)),
            ("message", with_default(text(0, MAX_MESSAGE), route.message)),
            ("priority", with_default(priority(), route.priority.as_str())),
            ("actionUrl", action_url()),
        ],
    )
}

/// `POST /api/v1/notifications`
pub(crate) fn notification() -> Value {
    let rooms = json!({"type": "array", "minItems": 1, "maxItems": MAX_ROOMS, "items": room(),
        "description": "Each gets a notification of its own. A room that is named twice counts once."});
    let expires_at =
        json!({"type": "string", "format": "date-time", "description": "Must lie in the future."});
    object(
        &[("to", rooms), ("type", kind()), ("title", text(1, MAX_TITLE)), ("message", text(0, MAX_MESSAGE))],
        &[
            ("data", data()),
            ("priority", with_default(priority(), Priority::Medium.as_str())),
            ("actionUrl", action_url()),
            ("expiresAt", expires_at),
        ],
    )
}

/// `POST /api/v1/notifications/batch`; a faulty item does not spoil the others.
pub(crate) fn batch() -> Value {
    let other = json!({"description": "Anything else is answered 422 in its place."});
    let items = json!({"anyOf": [super::reference("schemas", "NotificationDraft"), other]});
    object(
        &[("items", json!({"type": "array", "minItems": 1, "maxItems": Draft::MAX_BATCH, "items": items}))],
        &[],
    )
}

/// `PATCH /api/v1/notifications/{id}`
pub(crate) fn patch() -> Value {
    object(&[("isRead", json!({"type": "boolean"}))], &[])
}

/// The argument of `notification:list`.
pub(crate) fn list() -> Value {
    object(&[], &[("limit", list_limit()), ("before", uuid()), ("status", read_status())])
}

/// The argument of `notification:unread`.
pub(crate) fn unread() -> Value {
    object(&[("ids", ids())], &[])
}

fn ids() -> Value {
    json!({"type": "array", "minItems": 1, "maxItems": Mark::MAX_IDS, "items": uuid()})
}

/// Which notifications a listing takes.
pub(crate) fn read_status() -> Value {
    json!({"enum": ["all", "unread", "read"], "default": "all"})
}

/// `POST /api/v1/notifications/read`: exactly one of three.
pub(crate) fn read() -> Value {
    let all = json!({"const": true});
    let ways = [("ids", ids()), ("upTo", uuid()), ("all", all)];
    let one = |(name, schema): &(&str, Value)| {
        let mut way = object(&[(name, schema.clone())], &[]);
        for (other, _) in ways.iter().filter(|(other, _)| other != name) {
            way["properties"][*other] = json!({"type": "null"});
        }
        way
    };
    json!({"oneOf": ways.iter().map(one).collect::<Vec<_>>()})
}

/// `PUT /api/v1/preferences`
pub(crate) fn preferences() -> Value {
    object(&[("muted", json!({"type": "array", "items": kind()}))], &[])
}

/// `POST /api/v1/broadcasts`: maintenance alone has a span.
pub(crate) fn broadcast() -> Value {
    let (maintenance, others): (Vec<_>, Vec<_>) =
        BroadcastKind::ALL.into_iter().partition(|kind| *kind == BroadcastKind::Maintenance);
    let way = |kinds: Vec<BroadcastKind>, span: &[(&str, Value)]| {
        let words: Vec<_> = kinds.into_iter().map(BroadcastKind::as_str).collect();
        let required = [
            ("kind", json!({"enum": words})),
            ("title", text(1, MAX_TITLE)),
            ("message", text(0, MAX_MESSAGE)),
        ];
        object(&[&required, span].concat(), &broadcast_options())
    };
    let mut plain = way(others, &[]);
    for name in ["startsAt", "endsAt"] {
        plain["properties"][name] = json!({"type": "null"});
    }
    let span = [("startsAt", instant("When maintenance begins.")), ("endsAt", instant("After it begins."))];
    json!({"oneOf": [plain, way(maintenance, &span)]})
}

/// `PATCH /api/v1/broadcasts/{id}`
pub(crate) fn broadcast_patch() -> Value {
    let version = json!({"type": "integer", "minimum": 0, "maximum": u32::MAX});
    let span =
        [("startsAt", instant("For maintenance alone.")), ("endsAt", instant("For maintenance alone."))];
    let mut patch = object(&[("version", version)], &[broadcast_options(), span.to_vec()].concat());
    patch["properties"]["title"] = text(1, MAX_TITLE);
    patch["properties"]["message"] = text(0, MAX_MESSAGE);
    patch
}

/// What any broadcast may do without.
fn broadcast_options() -> Vec<(&'static str, Value)> {
    let roles = RoleName::ALL.into_iter().map(RoleName::room);
    let rooms: Vec<_> = [Room::all()].into_iter().chain(roles).collect();
    let rooms = json!({"type": "string", "enum": rooms});
    let audience = json!({"type": "array", "minItems": 1, "maxItems": 4, "items": rooms,
        "description": "Everyone unless said otherwise; `all` includes every role."});
    vec![
        ("audience", audience),
        ("actionUrl", action_url()),
        ("publishAt", instant("When to send it; without it at once.")),
        ("expiresAt", instant("From when on it is not shown any more.")),
    ]
}

fn instant(description: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": description})
}

pub(crate) fn broadcast_kind() -> Value {
    json!({"type": "string", "enum": BroadcastKind::ALL.map(BroadcastKind::as_str)})
}

pub(crate) fn broadcast_status() -> Value {
    json!({"type": "string", "enum": BroadcastStatus::ALL.map(BroadcastStatus::as_str)})
}

/// A role as rooms know it.
pub(crate) fn role_name() -> Value {
    json!({"type": "string", "enum": RoleName::ALL.map(RoleName::as_str)})
}

/// Where a page of recipients ends.
pub(crate) fn recipient() -> Value {
    let (roles, most) = (RoleName::ALL.map(RoleName::as_str).join("|"), UserId::MAX_BYTES);
    json!({"type": "string", "pattern": format!("^(?:{roles}):[{PRINTABLE}]{{1,{most}}}$")})
}

/// The parameter of `GET /api/v1/presence/doctors`.
pub(crate) fn doctor_ids(most: usize) -> Value {
    let mut id = user_id();
    id["pattern"] = format!("^[{PRINTABLE},]+$").into();
    json!({"name": "ids", "in": "query", "required": true, "style": "form", "explode": false,
        "description": "The ids of users or of profiles, with commas between them",
        "schema": {"type": "array", "minItems": 1, "maxItems": most, "items": id}})
}

/// A role in a query, in any letter case.
pub(crate) fn role() -> Value {
    let either =
        |c: char| if c.is_alphabetic() { format!("[{c}{}]", c.to_ascii_lowercase()) } else { c.into() };
    let words = Role::ALL.map(|role| role.as_str().chars().map(either).collect::<String>()).join("|");
    json!({"type": "string", "pattern": format!("^(?:{words})$"), "examples": Role::ALL.map(Role::as_str)})
}

/// How many at most.
pub(crate) fn limit(default: u32, most: u32) -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": most, "default": default})
}

/// The `limit` of a listing of an inbox.
pub(crate) fn list_limit() -> Value {
    limit(ListQuery::DEFAULT_LIMIT, ListQuery::MAX_LIMIT)
}

pub(crate) fn uuid() -> Value {
    json!({"type": "string", "format": "uuid"})
}

pub(crate) fn user_id() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": UserId::MAX_BYTES, "pattern": format!("^[{PRINTABLE}]+$"),
        "description": format!("At most {} bytes of UTF-8, neither white space nor control characters.", UserId::MAX_BYTES)})
}

pub(crate) fn room() -> Value {
    let most = UserId::MAX_BYTES;
    let id = format!("[{PRINTABLE}]{{1,{most}}}");
    let pattern = format!("^(?:all|role:(?:admin|doctor|patient)|(?:user|doctor|patient):{id})$");
    json!({"type": "string", "pattern": pattern, "examples": ["all", "role:admin", "user:42"]})
}

pub(crate) fn kind() -> Value {
    let pattern = format!("^[A-Z][A-Z0-9_]{{0,{}}}$", Kind::MAX_LENGTH - 1);
    json!({"type": "string", "pattern": pattern, "examples": ["PAYMENT_COMPLETED"]})
}

pub(crate) fn priority() -> Value {
    json!({"type": "string", "enum": Priority::ALL.map(Priority::as_str)})
}

pub(crate) fn event_name() -> Value {
    json!({"type": "string", "enum": ROUTES.each_ref().map(|route| route.name)})
}

/// A text with so many characters.
pub(crate) fn text(least: usize, most: usize) -> Value {
    json!({"type": "string", "minLength": least, "maxLength": most, "pattern": r"^[^\u0000]*$",
        "description": "Plain text, never HTML."})
}

pub(crate) fn action_url() -> Value {
    let (safe, host) = (format!(r"[{PRINTABLE}\\]"), format!(r"{PRINTABLE}\\/?#@"));
    let pattern = format!(r"^(?:/(?:[{PRINTABLE}\\/]{safe}*)?|https://[{host}:][{host}]*(?:[/?#]{safe}*)?)$");
    json!({"type": "string", "maxLength": MAX_URL, "pattern": pattern,
        "description": "A path that begins with a single `/`, or an `https://` URL without user information.",
        "examples": ["/dashboard/appointments"]})
}

pub(crate) fn data() -> Value {
    let description = format!(
        "The publisher's own: at most {} KiB of JSON, {} levels deep, itself the first.",
        Data::MAX_BYTES / 1024,
        Data::MAX_DEPTH
    );
    json!({"type": "object", "description": description, "additionalProperties": true})
}

/// An object of these fields and no others; what may be left out may be null as well.
pub(crate) fn object(required: &[(&str, Value)], optional: &[(&str, Value)]) -> Value {
    let nullable = |schema: &Value| json!({"oneOf": [schema, {"type": "null"}]});
    let required_fields = required.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone()));
    let optional = optional.iter().map(|(name, schema)| ((*name).to_owned(), nullable(schema)));
    let properties: Map<String, Value> = required_fields.chain(optional).collect();
    let names: Vec<_> = required.iter().map(|(name, _)| name).collect();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}

fn with_default(mut schema: Value, default: &str) -> Value {
    schema["default"] = default.into();
    schema
}
