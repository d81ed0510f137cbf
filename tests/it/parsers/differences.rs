//! Where Carillon means to differ from the official parsers, and why. Every row is met by some case of the test.

use serde_json::Value;

use super::generate::{Case, Layer, Part};
use super::verdict::{Data, Seen, Verdict};

/// One row: what both made of a case is explained by it.
pub(super) struct Difference {
    pub(super) what: &'static str,
    pub(super) explains: fn(&Case, &Verdict, &Verdict) -> bool,
}

/// The rows.
pub(super) const DIFFERENCES: [Difference; 14] = [
    // Node skips what is no base64 and takes whatever bytes come of it: a client's fault would arrive as other data.
    row("bad base64 closes", |_, ours, theirs| {
        fault(ours, "bad base64") && theirs.packets.len() > ours.packets.len()
    }),
    // No receiver looks at it.
    row("data after 1, 5 and 6 is dropped", |_, ours, theirs| {
        ours.error.is_some() == theirs.error.is_some()
            && ours.packets.iter().zip(&theirs.packets).any(|(ours, theirs)| {
                ours.kind == theirs.kind
                    && ["close", "upgrade", "noop"].iter().any(|kind| theirs.kind == *kind)
                    && theirs.data != Data::None
            })
    }),
    // Number("") and Number(" ") are 0 in JavaScript, so that nothing at all would be a CONNECT.
    row("a type that is missing or white space closes", |case, ours, _| {
        fault(ours, "unknown packet type")
            && texts(case).any(|text| text.chars().next().is_none_or(is_js_space))
    }),
    // "1e0-", "+1-", " 1-" and "0x1-" are 1 to JavaScript; no client writes them.
    row("an attachment count is digits alone", |case, ours, theirs| {
        fault(ours, "illegal attachments")
            && theirs.packets.len() >= ours.packets.len()
            && texts(case).any(|text| {
                let count = text.get(1..).and_then(|rest| rest.split_once('-')).map(|(count, _)| count);
                text.starts_with(['5', '6'])
                    && count.is_some_and(|count| !count.bytes().all(|digit| digit.is_ascii_digit()))
            })
    }),
    // Number(" ") again: JavaScript takes white space before the payload, or in the id, for the digit 0.
    row("white space is no part of an id", |case, _, _| {
        texts(case).any(|text| {
            let rest = after_namespace(text).trim_start_matches(|c: char| c.is_ascii_digit());
            rest.starts_with(is_js_space)
        })
    }),
    // JavaScript would round it, and answer another id than it was asked.
    row("an id beyond 64 bits closes", |_, ours, _| fault(ours, "ack id out of range")),
    // The official decoder serves clients too; a server never hears this packet.
    row("CONNECT_ERROR from a client closes", |_, ours, theirs| {
        fault(ours, "connect error from a client")
            && theirs.packets.get(ours.packets.len()).is_some_and(|packet| packet.kind == 4)
    }),
    // What is taken must be readable by serde_json later, which stops there.
    row("JSON of 128 levels closes", |case, ours, _| {
        (fault(ours, "nested too deep") || fault(ours, "invalid payload"))
            && texts(case).any(|text| text.matches(['[', '{']).count() >= 128)
    }),
    // Text is UTF-8 in Rust and cannot hold it. Arguments go on as raw JSON, so only a reader notices; a name, and
    // arguments that stand beside attachments, are read at once.
    row("a lone surrogate cannot be read", |case, ours, _| is_unread(ours) && texts(case).any(has_surrogate)),
    // JavaScript's Infinity, written back as null. As above.
    row("a number beyond a double cannot be read", |case, ours, _| {
        (is_unread(ours) || ours.packets.iter().any(has_huge_name)) && texts(case).any(has_huge_number)
    }),
    // JSON.stringify never writes 1.0, 1e0 or -0; at 0.5 the official decoder would put undefined.
    row("a placeholder's number is digits alone", |case, ours, _| {
        fault(ours, "illegal attachments")
            && payloads(case).any(|json| {
                any(&json, &|value| {
                    value["_placeholder"] == true
                        && value["num"].as_f64().is_some_and(|num| num >= 0.0)
                        && !value["num"].is_u64()
                })
            })
    }),
    // It stands for bytes, whatever else it holds: the official decoder does not look into it, ours does.
    row("a placeholder within a placeholder is checked", |case, ours, _| {
        fault(ours, "illegal attachments")
            && payloads(case).any(|json| {
                any(&json, &|value| {
                    let fields = value
                        .as_object()
                        .filter(|fields| fields.get("_placeholder") == Some(&Value::Bool(true)));
                    fields.is_some_and(|fields| {
                        fields.values().any(|value| any(value, &|value| value["_placeholder"] == true))
                    })
                })
            })
    }),
    // JavaScript has dropped the earlier of two fields of one name before it looks for placeholders.
    row("a placeholder that a repeated field hides is checked", |case, ours, _| {
        let count = |json: &str| json.matches("_placeholder").count();
        fault(ours, "illegal attachments")
            && texts(case)
                .any(|text| payload(text).is_some_and(|json| count(&json.to_string()) < count(text)))
    }),
    // There is nothing that its attachments could be part of.
    row("a binary packet without payload closes", |_, ours, theirs| {
        fault(ours, "invalid payload")
            && (theirs.pending
                || theirs.packets.get(ours.packets.len()).is_some_and(|packet| packet.data == Data::None))
    }),
];

const fn row(what: &'static str, explains: fn(&Case, &Verdict, &Verdict) -> bool) -> Difference {
    Difference { what, explains }
}

fn fault(verdict: &Verdict, fault: &str) -> bool {
    verdict.error.as_deref() == Some(fault)
}

fn is_unread(ours: &Verdict) -> bool {
    fault(ours, "invalid event name")
        || fault(ours, "illegal attachments")
        || ours.packets.iter().any(|packet| packet.data == Data::Unreadable)
}

fn has_huge_name(packet: &Seen) -> bool {
    let Data::Value(Value::Array(items)) = &packet.data else { return false };
    items.first().and_then(Value::as_str).is_some_and(has_huge_number)
}

/// The packets' texts, on the socket's layer.
fn texts(case: &Case) -> impl Iterator<Item = &str> {
    let parts = if case.layer == Layer::Socket { &case.parts[..] } else { &[] };
    parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Bytes(_) => None,
    })
}

/// What follows the type, the count and the namespace.
fn after_namespace(text: &str) -> &str {
    let mut rest = text.get(1..).unwrap_or_default();
    if text.starts_with(['5', '6']) {
        rest = rest.split_once('-').map_or("", |(_, rest)| rest);
    }
    if rest.starts_with('/') { rest.split_once(',').map_or("", |(_, rest)| rest) } else { rest }
}

/// The packets' payloads, as far as they can be read.
fn payloads(case: &Case) -> impl Iterator<Item = Value> {
    texts(case).filter_map(payload)
}

fn payload(text: &str) -> Option<Value> {
    let json = after_namespace(text).trim_start_matches(|c: char| c.is_ascii_digit());
    serde_json::from_str(json).ok()
}

fn any(value: &Value, wanted: &dyn Fn(&Value) -> bool) -> bool {
    wanted(value)
        || match value {
            Value::Array(items) => items.iter().any(|item| any(item, wanted)),
            Value::Object(fields) => fields.values().any(|item| any(item, wanted)),
            _ => false,
        }
}

/// As ECMAScript's StringToNumber skips it.
fn is_js_space(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

fn has_surrogate(text: &str) -> bool {
    text.match_indices("\\u").any(|(at, _)| {
        let code = text.get(at + 2..at + 6).and_then(|code| u32::from_str_radix(code, 16).ok());
        code.is_some_and(|code| (0xd800..0xe000).contains(&code))
    })
}

fn has_huge_number(text: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c)))
        .any(|number| number.parse::<f64>().is_ok_and(f64::is_infinite))
}
