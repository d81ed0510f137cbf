"""What no schema can say: values that a node takes depend on its clock, on its settings and on what came before."""

import datetime
import uuid

import schemathesis
from hypothesis import strategies

NOW = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
DAY = datetime.timedelta(days=1)


def instants(first, last):
    instants = strategies.datetimes(min_value=NOW + first, max_value=NOW + last)
    return instants.map(lambda at: at.isoformat(timespec="milliseconds") + "Z")


# What is said of a broadcast goes in this order.
schemathesis.openapi.format("soon", instants(DAY, 100 * DAY))
schemathesis.openapi.format("later", instants(200 * DAY, 300 * DAY))
schemathesis.openapi.format("far", instants(400 * DAY, 40_000 * DAY))
FORMATS = {"publishAt": "soon", "startsAt": "later", "endsAt": "far", "expiresAt": "far"}

KNOWN_TYPES = ["PAYMENT_COMPLETED", "REVIEW_CREATED", "SCHEDULE_UPDATED"]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = raw_schema["components"]["schemas"]
    for name in ["NotificationDraft", "BroadcastDraft", "BroadcastPatch"]:
        for draft in schemas[name].get("oneOf", [schemas[name]]):
            for field, format in FORMATS.items():
                schema = draft["properties"].get(field, {})
                for way in [schema, *schema.get("oneOf", [])]:
                    if way.get("format") == "date-time":
                        way["format"] = format
    muted = schemas["PreferencesChange"]["properties"]["muted"]
    muted["items"] = {"type": "string", "enum": KNOWN_TYPES}


@schemathesis.hook
def before_call(context, case, **kwargs):
    # A key that is used again for another body is refused, and rightly so.
    key = (case.headers or {}).get("Idempotency-Key", "")
    if key.isprintable() and 1 <= len(key) <= 255:
        case.headers["Idempotency-Key"] = key[: 255 - 32] + uuid.uuid4().hex
