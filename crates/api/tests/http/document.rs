//! Holds what is asked and answered against /openapi.json. Whatever a test sends and gets passes through here: a path, a method, a
//! status, a header or a field that is not in the document fails the test that met it, and so does a field that the document promises and
//! the answer lacks. What is accepted must be what the document allows, and what is refused as not valid what it forbids.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use actix_http::{Payload, Request};
use actix_web::HttpMessage as _;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, Uri};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use crate::desk::Answer;

pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(carillon_api::openapi);

/// Headers of ours that an answer may have only where the document says so.
const OURS: [&str; 9] = [
    "allow",
    "etag",
    "idempotency-replayed",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

/// What no schema can say: that an instant lies ahead, how large and how deep an object is, which types a node knows and how many.
fn is_beyond_schemas(pointer: &str) -> bool {
    ["/publishAt", "/endsAt", "/expiresAt", "/data", "/muted"].contains(&pointer)
        || pointer.starts_with("/muted/")
}

/// A request as it was sent.
pub(crate) struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    /// Reads a request, and gives it back as it was.
    pub(crate) async fn of(mut request: Request) -> (Self, Request) {
        let mut payload = request.take_payload();
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            body.extend_from_slice(&chunk.unwrap());
        }
        let body = body.freeze();
        let asked = Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            body: body.clone(),
        };
        let payload = stream::once(async { Ok(body) });
        let (request, _) = request.replace_payload(Payload::Stream { payload: payload.boxed_local() });
        (asked, request)
    }
}

/// Panics unless this answer to this request is as the document says.
pub(crate) fn check(asked: &Asked, answer: &Answer) {
    let case = format!("{} {} → {}: {}", asked.method, asked.uri, answer.status, answer.body);
    let Some((path, methods)) = find(asked.uri.path()) else {
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "not in the document: {case}");
        return valid("problem", &json!({"$ref": "#/components/schemas/Problem"}), true, &answer.body, &case);
    };
    let method = if asked.method == Method::HEAD { "get" } else { &asked.method.as_str().to_lowercase() };
    let Some(operation) = methods.get(method) else {
        assert_eq!(
            (answer.status, answer.code()),
            (405, "method_not_allowed"),
            "not in the document: {case}"
        );
        return valid("problem", &json!({"$ref": "#/components/schemas/Problem"}), true, &answer.body, &case);
    };
    let name = format!("{method} {path}");
    let response = resolve(&operation["responses"][answer.status.to_string()]);
    assert!(response.is_object(), "this status is not in the document: {case}");
    check_headers(response, answer, &case);
    check_content(&name, asked, response, answer, &case);
    if answer.status < 300 {
        check_parameters(&name, operation, asked, &case);
    }
    check_body(&name, operation, asked, answer, &case);
}

/// The path that the document has for this one.
fn find(path: &str) -> Option<(&'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let (of, it): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        of.len() == it.len()
            && of.iter().zip(it).all(|(of, it)| *of == it || (of.starts_with('{') && !it.is_empty()))
    };
    let found = paths.get_key_value(path).or_else(|| paths.iter().find(|(template, _)| fits(template)));
    found.map(|(template, methods)| (template.as_str(), methods))
}

pub(crate) fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn check_headers(response: &Value, answer: &Answer, case: &str) {
    let documented = response["headers"].as_object().unwrap();
    for (name, header) in documented {
        let value = answer.headers.get(name).map(|value| value.to_str().unwrap());
        assert!(value.is_some() || header["required"] != true, "{name} is missing: {case}");
        if let Some(value) = value {
            let value = if header["schema"]["type"] == "integer" { number(value) } else { json!(value) };
            valid(
                &header["schema"].to_string(),
                &header["schema"],
                false,
                &value,
                &format!("{name} of {case}"),
            );
        }
    }
    for name in OURS.iter().filter(|name| answer.headers.contains_key(**name)) {
        let is_known = documented.keys().any(|documented| documented.eq_ignore_ascii_case(name));
        assert!(is_known, "{name} is not in the document: {case}");
    }
}

fn check_content(name: &str, asked: &Asked, response: &Value, answer: &Answer, case: &str) {
    let content = &response["content"];
    // The body of a HEAD is left out further below, by the server.
    if asked.method == Method::HEAD {
        return;
    }
    if content.is_null() {
        return assert_eq!(answer.body, "", "{case}");
    }
    let media_type = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    let content = &content[media_type];
    assert!(content.is_object(), "{media_type:?} is not in the document: {case}");
    valid(&format!("{name} {}", answer.status), &content["schema"], true, &answer.body, case);
}

fn check_parameters(name: &str, operation: &Value, asked: &Asked, case: &str) {
    let parameters = operation["parameters"].as_array().unwrap();
    let of = |place: &'static str| parameters.iter().filter(move |parameter| parameter["in"] == place);
    let pairs =
        actix_web::web::Query::<Vec<(String, String)>>::from_query(asked.uri.query().unwrap_or_default());
    for (query, value) in pairs.unwrap().into_inner() {
        match of("query").find(|parameter| parameter["name"] == *query) {
            Some(parameter) => {
                let value = read(&parameter["schema"], &value);
                valid(
                    &format!("{name} {query}"),
                    &parameter["schema"],
                    false,
                    &value,
                    &format!("{query} of {case}"),
                );
            }
            // Where no query is refused, what is not known is ignored.
            None => {
                assert!(operation["responses"]["422"].is_null(), "{query} is not in the document: {case}");
            }
        }
    }
    for parameter in of("header") {
        let header = parameter["name"].as_str().unwrap();
        if let Some(value) = asked.headers.get(header) {
            let value = json!(String::from_utf8_lossy(value.as_bytes()));
            valid(
                &format!("{name} {header}"),
                &parameter["schema"],
                false,
                &value,
                &format!("{header} of {case}"),
            );
        }
    }
}

/// What was accepted is allowed; what was refused field by field is forbidden.
fn check_body(name: &str, operation: &Value, asked: &Asked, answer: &Answer, case: &str) {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    if schema.is_null() {
        return;
    }
    let body = || serde_json::from_slice(&asked.body).unwrap();
    if answer.status < 300 {
        valid(&format!("{name} body"), schema, false, &body(), case);
    } else if answer.code() == "validation"
        && !answer.pointers().iter().all(|pointer| is_beyond_schemas(pointer))
    {
        let is_valid = validator(&format!("{name} body"), schema, false).is_valid(&body());
        assert!(!is_valid, "the document allows what was refused: {} {case}", body());
    }
}

/// A parameter's value by its schema.
fn read(schema: &Value, text: &str) -> Value {
    match schema["type"].as_str() {
        Some("boolean") => text.parse::<bool>().map_or_else(|_| json!(text), Value::from),
        Some("array") => text.split(',').map(|item| json!(item)).collect(),
        Some("string") => json!(text),
        _ => number(text),
    }
}

/// A text of digits alone is a number.
fn number(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| json!(text), Value::from)
}

fn valid(name: &str, schema: &Value, strict: bool, value: &Value, case: &str) {
    let validator = validator(name, schema, strict);
    let faults: Vec<_> =
        validator.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "not as the document says: {}\nin {case}", faults.join("\n"));
}

/// The validator of a schema of the document. A strict one minds fields that the document does not have: callers must put up with them, but
/// we may not forget to describe them.
fn validator(name: &str, schema: &Value, strict: bool) -> Arc<Validator> {
    static MADE: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let mut schemas = DOCUMENT["components"]["schemas"].clone();
        let mut root = schema.clone();
        if strict {
            schemas.as_object_mut().unwrap().values_mut().for_each(|schema| close(schema, true));
            close(&mut root, false);
        }
        root["components"] = json!({"schemas": schemas});
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        Arc::new(options.build(&root).unwrap())
    };
    Arc::clone(made.entry(format!("{name} {strict}")).or_insert_with(make))
}

/// Forbids every field that is not described, in the schema and all below it. A `part` is closed by whoever refers to it.
fn close(schema: &mut Value, part: bool) {
    let Value::Object(map) = schema else { return };
    let is_object = ["$ref", "properties", "allOf"].iter().any(|word| map.contains_key(*word));
    for (word, below) in map.iter_mut() {
        match (word.as_str(), below) {
            ("properties", Value::Object(fields)) => {
                fields.values_mut().for_each(|field| close(field, false));
            }
            ("items" | "additionalProperties", below) => close(below, false),
            ("oneOf" | "anyOf", Value::Array(ways)) => ways.iter_mut().for_each(|way| close(way, part)),
            ("allOf", Value::Array(parts)) => parts.iter_mut().for_each(|part| close(part, true)),
            _ => {}
        }
    }
    if is_object && !part && !map.contains_key("additionalProperties") {
        map.insert("unevaluatedProperties".into(), json!(false));
    }
}

/// What the check would say of an answer, for the tests of the check itself.
pub(crate) fn objections(schema: &str, value: &Map<String, Value>) -> usize {
    let reference = json!({"$ref": format!("#/components/schemas/{schema}")});
    validator(&format!("{schema} alone"), &reference, true).iter_errors(&Value::Object(value.clone())).count()
}
