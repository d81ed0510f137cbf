//! `/openapi.json`: what this API takes and gives, in OpenAPI 3.1.
//!
//! Each handler's module describes its own routes (`describe`), beside the handlers: answers by the types that are serialised
//! ([`utoipa::ToSchema`]; [`schemas`] stands in for the domain's, which know nothing of documents), bodies and queries in
//! [`bodies`], by the limits of the parsers that read them, problems by their [`Code`]s. The tests hold every request that they
//! make, and every answer that they get, against it.
//!
//! [`Code`]: crate::problem::Code

pub(crate) mod bodies;
mod operation;
pub(crate) mod schemas;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

pub(crate) use operation::{Operation, Who};

const ABOUT: &str = "Services publish notifications, users read them. What is sent over sockets is in /asyncapi.json.

Where GET is answered, HEAD is too. Any other method is a 405 `method_not_allowed` with `Allow`, any other path below /api a 404 \
`not_found`. An answer that is not the one hoped for is a problem (RFC 9457) with a stable `code`. Every answer has a request id, \
`X-Request-Id`: the caller's, if it sent one of 1 to 64 characters of A-Z a-z 0-9 . _ -, or else a new one.

Bodies are JSON in UTF-8 and never compressed. A field that is null is a field left out, but in a change of a broadcast, where it is one taken away. Fields that are not known are refused, and so are \
parameters where a 422 is named, so that a misspelt name is not ignored in silence; answers may gain fields.";

/// The document.
#[must_use]
pub fn openapi() -> Value {
    let mut document = Document::default();
    crate::publish::describe(&mut document);
    crate::inbox::describe(&mut document);
    crate::stream::describe(&mut document);
    crate::preferences::describe(&mut document);
    crate::presence::describe(&mut document);
    crate::broadcasts::describe(&mut document);
    crate::users::describe(&mut document);
    crate::explain::describe(&mut document);
    crate::audit::describe(&mut document);
    crate::health::describe(&mut document);
    crate::documents::describe(&mut document);
    document.finish()
}

/// What has been described so far.
#[derive(Default)]
pub(crate) struct Document {
    paths: BTreeMap<&'static str, Map<String, Value>>,
    schemas: BTreeMap<String, Value>,
    responses: BTreeMap<String, Value>,
}

impl Document {
    pub(crate) fn add(&mut self, operation: Operation) {
        let Operation { path, method, .. } = operation;
        let described = operation.finish(self);
        self.paths.entry(path).or_default().insert(method.into(), described);
    }

    /// The name of a type's schema, which is kept with all that it mentions.
    pub(crate) fn schema<T: ToSchema>(&mut self) -> Value {
        let schema = self.plain::<T>();
        self.keep(&T::name(), schema)
    }

    /// A type's schema, without a name; all that it mentions is kept.
    pub(crate) fn plain<T: ToSchema>(&mut self) -> Value {
        let mut schemas = Vec::new();
        T::schemas(&mut schemas);
        // A schema of ours always serialises; were it not, a test would miss it.
        let value = |schema| serde_json::to_value(schema).unwrap_or_default();
        for (name, schema) in schemas {
            self.keep(&name, value(schema));
        }
        value(T::schema())
    }

    pub(crate) fn into_schemas(self) -> BTreeMap<String, Value> {
        self.schemas
    }

    /// The name of a schema written by hand.
    pub(crate) fn keep(&mut self, name: &str, schema: Value) -> Value {
        let earlier = self.schemas.insert(name.to_owned(), schema);
        debug_assert!(
            earlier.is_none_or(|earlier| earlier == self.schemas[name]),
            "two schemas are called {name}"
        );
        reference("schemas", name)
    }

    fn response(&mut self, name: &str, response: impl FnOnce() -> Value) -> Value {
        self.responses.entry(name.to_owned()).or_insert_with(response);
        reference("responses", name)
    }

    fn finish(self) -> Value {
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Carillon",
                "version": env!("CARGO_PKG_VERSION"),
                "summary": "A durable notification gateway",
                "description": ABOUT,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/", "description": "The node that serves this document"}],
            "tags": operation::TAGS.map(|(name, description)| json!({"name": name, "description": description})),
            "paths": self.paths,
            "components": {
                "schemas": self.schemas,
                "responses": self.responses,
                "securitySchemes": operation::security_schemes(),
            },
        })
    }
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}
