//! Holds what official clients say and hear against docs/api/asyncapi.json: whatever a test's client is told, asks and is
//! answered passes through here. An event or a field that is not in the document fails the test that met it, and so does a field that the document
//! promises and the server leaves out.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../docs/api/asyncapi.json");
    serde_json::from_str(text).unwrap_or_else(|fault| panic!("docs/api/asyncapi.json: {fault}"))
});

/// By the names of the messages.
static VALIDATORS: LazyLock<HashMap<&'static str, Validator>> = LazyLock::new(|| {
    let messages = DOCUMENT["components"]["messages"].as_object().into_iter().flatten();
    messages.map(|(name, message)| (name.as_str(), validator(&message["payload"]))).collect()
});

fn validator(payload: &Value) -> Validator {
    let mut root = payload.clone();
    root["components"] = json!({"schemas": DOCUMENT["components"]["schemas"]});
    close(&mut root);
    let options = jsonschema::options().with_draft(Draft::Draft7).should_validate_formats(true);
    options.build(&root).unwrap_or_else(|fault| panic!("no schema: {fault}: {payload}"))
}

/// Forbids fields that are not described. Clients must put up with them, but we may not forget to describe them.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(close);
            if map.get("properties").is_some_and(Value::is_object)
                && !map.contains_key("additionalProperties")
            {
                map.insert("additionalProperties".into(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What is wrong with a message by the document.
fn faults(kind: &str, event: &str, payload: &Value) -> Vec<String> {
    let name = format!("{kind}.{}", event.replace(':', "."));
    match VALIDATORS.get(name.as_str()) {
        Some(validator) => {
            let fault =
                |fault: jsonschema::ValidationError<'_>| format!("{}: {fault}", fault.instance_path());
            validator.iter_errors(payload).map(fault).collect()
        }
        None => vec![format!("no such message: {name}")],
    }
}

/// What is wrong with an event of the server's.
pub(crate) fn told(event: &str, arguments: &[Value]) -> Vec<String> {
    faults("tells", event, &json!(arguments))
}

/// What is wrong with an answer, or with a question that was answered with `ok`.
pub(crate) fn answered(event: &str, arguments: &[Value], answer: &Value) -> Vec<String> {
    if answer["error"]["code"] == "unknown_event" {
        return Vec::new();
    }
    let mut found = faults("answers", event, &json!([answer]));
    if answer["ok"] == true {
        found.extend(faults("asks", event, &json!(arguments)));
    }
    found
}

/// What is wrong with a refusal at CONNECT.
pub(crate) fn refused(message: &str, data: &Value) -> Vec<String> {
    let mut refusal = json!({"message": message});
    if !data.is_null() {
        refusal["data"] = data.clone();
    }
    faults("answers", "connect:error", &refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_document_is_found() {
        let counts = json!({"admin": 1, "doctor": 0, "patient": 0, "connections": 1});
        assert_eq!(told("presence:counts", std::slice::from_ref(&counts)), [""; 0]);
        let (mut more, mut less) = (counts.clone(), counts.clone());
        more["nurse"] = json!(1);
        less["admin"] = Value::Null;
        for wrong in [vec![more], vec![less], vec![], vec![counts.clone(), json!("1.2")]] {
            assert!(!told("presence:counts", &wrong).is_empty(), "{wrong:?}");
        }
        assert!(!told("presence:guess", &[counts]).is_empty());
        let (ids, good) = (json!({"doctorIds": ["7"]}), json!({"ok": true}));
        assert_eq!(answered("presence:unwatch", &[ids], &good), [""; 0]);
        assert!(!answered("presence:unwatch", &[json!({"ids": ["7"]})], &good).is_empty());
        assert!(!answered("presence:unwatch", &[], &json!({"ok": false})).is_empty());
        assert!(!refused("no", &json!({"code": "no"})).is_empty());
    }
}
