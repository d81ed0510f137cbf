//! One route and method, described: who may, what they send, what they are answered.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use carillon_domain::Refusal;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Document;
use crate::problem::{Code, ProblemBody};

/// What the operations are sorted by.
pub(super) const TAGS: [(&str, &str); 7] = [
    ("publish", "For services with a publish key, and for admins"),
    ("inbox", "For users: their own notifications"),
    ("presence", "Who is here"),
    ("broadcasts", "For admins: what is said to everyone"),
    ("admin", "For admins: what was done, and what became of it"),
    ("health", "For whoever starts, stops and balances nodes"),
    ("documents", "What this is"),
];

/// Whom an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Anyone,
    Publishers,
    Users,
    Admins,
}

impl Who {
    fn security(self) -> Value {
        match self {
            Self::Anyone => json!([]),
            Self::Publishers => json!([{"publishKey": []}, {"adminToken": []}]),
            Self::Users => json!([{"userToken": []}]),
            Self::Admins => json!([{"adminToken": []}]),
        }
    }

    /// What any request of theirs may be answered.
    fn codes(self) -> Vec<Code> {
        let mut codes = vec![
            Code::Token(Refusal::TokenMissing),
            Code::Token(Refusal::TokenInvalid { reason: "" }),
            Code::Token(Refusal::TokenExpired),
            Code::Token(Refusal::UserBlocked),
            Code::RateLimited,
            Code::Internal,
            Code::Unavailable,
        ];
        match self {
            Self::Anyone => codes.clear(),
            Self::Publishers | Self::Admins => codes.push(Code::Forbidden),
            Self::Users => {}
        }
        codes
    }
}

pub(super) fn security_schemes() -> Value {
    let bearer = |description: &str| json!({"type": "http", "scheme": "bearer", "description": description});
    json!({
        "publishKey": bearer("A service's key, one of `PUBLISH_KEYS`."),
        "userToken": bearer("A user's JWT, of any role. The bare token, without `Bearer`, is taken too."),
        "adminToken": bearer("A JWT whose role is ADMIN or SUPER_ADMIN."),
    })
}

/// An operation under description.
pub(crate) struct Operation {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    id: &'static str,
    summary: &'static str,
    tag: &'static str,
    who: Who,
    parameters: Vec<Value>,
    body: Option<(String, Value, &'static str)>,
    answers: Vec<(StatusCode, &'static str, Answer)>,
    headers: Vec<(&'static str, Value)>,
    codes: Vec<Code>,
}

/// What an answer holds.
enum Answer {
    Nothing,
    Json(fn(&mut Document) -> Value),
    Other(&'static str),
}

impl Operation {
    pub(crate) fn new(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let parameters = path.split(['{', '}']).skip(1).step_by(2).map(path_parameter).collect();
        Self {
            path,
            method,
            id,
            summary,
            tag: "",
            who: Who::Anyone,
            parameters,
            body: None,
            answers: Vec::new(),
            headers: Vec::new(),
            codes: Vec::new(),
        }
    }

    pub(crate) fn by(mut self, who: Who, tag: &'static str) -> Self {
        self.codes.extend(who.codes());
        if who != Who::Anyone {
            self.headers.extend(rate_headers(true));
        }
        Self { who, tag, ..self }
    }

    /// With a parameter of the query that may be left out.
    pub(crate) fn query(self, name: &str, schema: &Value, description: &str) -> Self {
        self.parameter("query", name, schema, description).refuses(&[Code::Validation])
    }

    /// With a parameter written by hand.
    pub(crate) fn asks(mut self, parameter: &Value) -> Self {
        self.parameters.push(parameter.clone());
        self.refuses(&[Code::Validation])
    }

    /// With any parameter that may be left out.
    pub(crate) fn parameter(mut self, place: &str, name: &str, schema: &Value, description: &str) -> Self {
        self.parameters
            .push(json!({"name": name, "in": place, "description": description, "schema": schema}));
        self
    }

    /// With a JSON body, whose schema goes by this name.
    pub(crate) fn takes(self, name: &str, schema: Value, description: &'static str) -> Self {
        Self { body: Some((name.to_owned(), schema, description)), ..self }.refuses(&[
            Code::BadJson,
            Code::RequestTimeout,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::Validation,
        ])
    }

    /// With `Idempotency-Key`.
    pub(crate) fn publishes(mut self) -> Self {
        let again = json!({"type": "string", "const": "true"});
        self.headers.push(("Idempotency-Replayed", json!({
            "description": "Nothing was published: this is what the first request with this key was answered.",
            "schema": again,
        })));
        let key = json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"});
        self.parameter(
            "header",
            "Idempotency-Key",
            &key,
            "The same key and body within 24 hours answers the first result and publishes nothing.",
        )
        .refuses(&[Code::IdempotencyKeyInvalid, Code::IdempotencyMismatch])
    }

    /// Answers with this type, as JSON.
    pub(crate) fn gives<T: ToSchema>(mut self, status: StatusCode, description: &'static str) -> Self {
        self.answers.push((status, description, Answer::Json(Document::schema::<T>)));
        self
    }

    /// Answers with something else.
    pub(crate) fn gives_other(
        mut self,
        status: StatusCode,
        description: &'static str,
        media_type: &'static str,
    ) -> Self {
        self.answers.push((status, description, Answer::Other(media_type)));
        self
    }

    /// Answers with JSON of this schema.
    pub(crate) fn gives_json(
        mut self,
        status: StatusCode,
        description: &'static str,
        schema: fn(&mut Document) -> Value,
    ) -> Self {
        self.answers.push((status, description, Answer::Json(schema)));
        self
    }

    /// Answers without a body.
    pub(crate) fn gives_nothing(mut self, status: StatusCode, description: &'static str) -> Self {
        self.answers.push((status, description, Answer::Nothing));
        self
    }

    /// With one more header in the answers that are no problems.
    pub(crate) fn tells(mut self, name: &'static str, description: &str) -> Self {
        self.headers.push((
            name,
            json!({"description": description, "schema": {"type": "string"}, "required": true}),
        ));
        self
    }

    pub(crate) fn refuses(mut self, codes: &[Code]) -> Self {
        self.codes.extend(codes);
        self
    }

    pub(super) fn finish(self, document: &mut Document) -> Value {
        let mut headers = Map::from_iter([("X-Request-Id".to_owned(), request_id())]);
        headers.extend(self.headers.into_iter().map(|(name, header)| (name.to_owned(), header)));
        let mut responses = problems(&self.codes, document);
        for (status, description, answer) in self.answers {
            let mut response = json!({"description": description, "headers": headers});
            match answer {
                Answer::Nothing => {}
                Answer::Json(schema) => {
                    response["content"] = json!({"application/json": {"schema": schema(document)}});
                }
                Answer::Other(kind) => {
                    let schema = if kind == "application/json" { "object" } else { "string" };
                    response["content"] = json!({kind: {"schema": {"type": schema}}});
                }
            }
            responses.insert(status.as_str().to_owned(), response);
        }
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag],
            "security": self.who.security(),
            "parameters": self.parameters,
            "responses": responses,
        });
        if let Some((name, schema, description)) = self.body {
            let schema = document.keep(&name, schema);
            operation["requestBody"] = json!({
                "required": true, "description": description, "content": {"application/json": {"schema": schema}},
            });
        }
        operation
    }
}

fn path_parameter(name: &str) -> Value {
    let (schema, description) = match name {
        "userId" => (json!({"type": "string", "minLength": 1, "maxLength": 128}), "The user's id"),
        _ => (json!({"type": "string", "format": "uuid"}), "Its id"),
    };
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
}

fn request_id() -> Value {
    json!({"description": "The request's name in the log.", "required": true, "schema": {"type": "string", "maxLength": 64}})
}

/// What a caller who was let in has left.
fn rate_headers(is_always: bool) -> [(&'static str, Value); 3] {
    let number = |description: &str| json!({"description": description, "required": is_always, "schema": {"type": "integer", "minimum": 0}});
    [
        ("RateLimit-Limit", number("How many requests of this kind may come at once.")),
        ("RateLimit-Remaining", number("How many of them may come now.")),
        ("RateLimit-Reset", number("Seconds until all may, or, refused, until it is worth trying.")),
    ]
}

/// One response for each status of these problems.
fn problems(codes: &[Code], document: &mut Document) -> Map<String, Value> {
    let mut by_status: BTreeMap<StatusCode, BTreeMap<&str, Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().insert(code.word(), *code);
    }
    let problem = if codes.is_empty() { Value::Null } else { document.schema::<ProblemBody<'_>>() };
    by_status
        .into_iter()
        .map(|(status, codes)| {
            let name = codes.keys().copied().collect::<Vec<_>>().join(".");
            let response = document.response(&name, || response(status, &codes, &problem));
            (status.as_str().to_owned(), response)
        })
        .collect()
}

fn response(status: StatusCode, codes: &BTreeMap<&str, Code>, problem: &Value) -> Value {
    let words: Vec<_> = codes.keys().collect();
    let description: Vec<_> =
        codes.iter().map(|(word, code)| format!("`{word}`: {}.", code.title())).collect();
    let told = json!({"properties": {"status": {"const": status.as_u16()}, "code": {"enum": words}}});
    let mut headers = Map::from_iter([("X-Request-Id".to_owned(), request_id())]);
    // Whoever was let in before it went wrong.
    headers.extend(rate_headers(false).map(|(name, header)| (name.to_owned(), header)));
    let is_always = |code: &Code| codes.values().all(|other| other == code);
    let text = |description: &str| json!({"description": description, "required": true, "schema": {"type": "string"}});
    for code in codes.values() {
        let after = json!({
            "description": "Seconds until it is worth trying again.",
            "required": is_always(code),
            "schema": {"type": "integer", "minimum": 0},
        });
        match code {
            Code::RateLimited => {
                headers.insert("Retry-After".into(), after);
                headers.extend(rate_headers(is_always(code)).map(|(name, header)| (name.to_owned(), header)));
            }
            Code::Unavailable => drop(headers.insert("Retry-After".into(), after)),
            Code::Token(_) if status == StatusCode::UNAUTHORIZED => {
                headers.insert(
                    "WWW-Authenticate".into(),
                    text("`Bearer`, with an `error` if a token was sent (RFC 6750)."),
                );
            }
            _ => {}
        }
    }
    json!({
        "description": description.join(" "),
        "headers": headers,
        "content": {"application/problem+json": {"schema": {"allOf": [problem, told]}}},
    })
}
