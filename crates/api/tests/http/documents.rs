use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::Method;
use actix_web::test::TestRequest;
use jsonschema::Draft;
use serde_json::{Value, json};

use crate::desk::{Desk, get};
use crate::document::{DOCUMENT, objections};

#[test]
fn the_committed_documents_are_current() {
    for (committed, document) in [
        (include_str!("../../../../docs/api/openapi.json"), carillon_api::openapi()),
        (include_str!("../../../../docs/api/asyncapi.json"), carillon_api::asyncapi()),
    ] {
        assert!(committed == format!("{document:#}\n"), "write them anew: just api-docs");
    }
}

/// The routes as lib.rs mounts them: each `resource(path, methods, …)`.
fn mounted() -> BTreeMap<String, BTreeSet<String>> {
    let source = include_str!("../../src/lib.rs");
    let resource = |text: &str| {
        let mut literals = text.split('"').skip(1).step_by(2);
        let (path, methods) = (literals.next()?, literals.next()?);
        let path = if path.starts_with("/v1/") { format!("/api{path}") } else { path.to_owned() };
        let methods = methods.split(", ").filter(|method| *method != "HEAD").map(str::to_lowercase).collect();
        path.starts_with('/').then_some((path, methods))
    };
    source.split("resource(").skip(1).filter_map(resource).collect()
}

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let described: BTreeMap<String, BTreeSet<String>> = paths
        .iter()
        .map(|(path, methods)| (path.clone(), methods.as_object().unwrap().keys().cloned().collect()))
        .collect();
    assert_eq!(described, mounted());
}

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn references_lead_somewhere_and_what_has_a_name_is_used() {
    for (document, kinds) in [
        (carillon_api::openapi(), ["schemas", "responses"]),
        (carillon_api::asyncapi(), ["schemas", "messages"]),
    ] {
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in &found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        for kind in kinds {
            for (name, described) in document["components"][kind].as_object().unwrap() {
                assert!(found.contains(format!("#/components/{kind}/{name}").as_str()), "{name} is not used");
                assert!(
                    described.as_object().is_some_and(|described| !described.is_empty()),
                    "{name} says nothing"
                );
            }
        }
    }
}

#[test]
fn operations_have_names_of_their_own() {
    let paths = DOCUMENT["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|methods| methods.as_object().unwrap().values());
    let names: Vec<_> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

#[test]
fn each_message_has_an_example_that_is_one() {
    let document = carillon_api::asyncapi();
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        let mut root = message["payload"].clone();
        root["components"] = json!({"schemas": document["components"]["schemas"]});
        let options = jsonschema::options().with_draft(Draft::Draft7).should_validate_formats(true);
        let validator = options.build(&root).unwrap();
        let example = &message["examples"][0]["payload"];
        assert_eq!(validator.validate(example).map_err(|fault| fault.to_string()), Ok(()), "{name}");
        assert!(!validator.is_valid(&json!([{"ok": "perhaps"}])), "{name} allows anything");
    }
}

#[test]
fn the_check_minds_what_is_missing_and_what_is_not_described() {
    let fault = |fields: Value| objections("Fault", fields.as_object().unwrap());
    assert_eq!(fault(json!({"pointer": "", "detail": "d"})), 0);
    assert_eq!(fault(json!({"pointer": ""})), 1);
    assert_eq!(fault(json!({"pointer": "", "detail": "d", "value": 1})), 1);
    let page = |fault: Value| {
        let problem =
            json!({"type": "", "title": "", "status": 422, "detail": "", "code": "", "errors": [fault]});
        objections("Problem", problem.as_object().unwrap())
    };
    assert_eq!(page(json!({"pointer": "", "detail": "d"})), 0);
    assert!(page(json!({"pointer": "", "detail": "d", "value": 1})) > 0);
}

#[actix_web::test]
async fn documents_are_served_once_and_then_by_name() {
    let desk = Desk::new();
    for (uri, kind) in [
        ("/openapi.json", "application/json"),
        ("/asyncapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
    ] {
        let answer = desk.call(TestRequest::get().uri(uri)).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{uri}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        let etag = answer.header("etag").unwrap();
        for (known, status) in [(etag, 304), (&format!("\"x\", W/{etag}"), 304), ("\"x\"", 200)] {
            let again = desk.call(TestRequest::get().uri(uri).insert_header(("If-None-Match", known))).await;
            assert_eq!((again.status, again.header("etag")), (status, Some(etag)), "{uri} {known}");
        }
        let head = desk.call(TestRequest::get().uri(uri).method(Method::HEAD)).await;
        assert_eq!((head.status, head.header("etag")), (200, Some(etag)));
    }
    assert_eq!(desk.call(TestRequest::get().uri("/openapi.json")).await.body, *DOCUMENT);
}

#[actix_web::test]
async fn the_page_names_every_operation_and_loads_nothing() {
    let answer = Desk::new().call(get("/docs", "patient.1")).await;
    let page = answer.body.as_str().unwrap();
    for path in DOCUMENT["paths"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("http://"), "{page}");
}
