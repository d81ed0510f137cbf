"""What no schema can say: values that a node takes depend on its clock, on its settings and on what came before."""

import datetime
import uuid

import schemathesis
from hypothesis import strategies

FUTURE = strategies.datetimes(
    min_value=datetime.datetime(2100, 1, 1), max_value=datetime.datetime(2900, 1, 1)
).map(lambda at: at.isoformat(timespec="milliseconds") + "Z")
schemathesis.openapi.format("future", FUTURE)

KNOWN_TYPES = ["PAYMENT_COMPLETED", "REVIEW_CREATED", "SCHEDULE_UPDATED"]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = raw_schema["components"]["schemas"]
    for ways in schemas["NotificationDraft"]["properties"]["expiresAt"]["oneOf"]:
        if ways.get("format") == "date-time":
            ways["format"] = "future"
    muted = schemas["PreferencesChange"]["properties"]["muted"]
    muted["items"] = {"type": "string", "enum": KNOWN_TYPES}


@schemathesis.hook
def before_call(context, case, **kwargs):
    # A key that is used again for another body is refused, and rightly so.
    key = (case.headers or {}).get("Idempotency-Key", "")
    if key.isprintable() and 1 <= len(key) <= 255:
        case.headers["Idempotency-Key"] = key[: 255 - 32] + uuid.uuid4().hex
