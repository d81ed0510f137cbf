//! What went wrong, as the caller is told: RFC 9457, with a stable `code`.
//!
//! `{type, title, status, detail, code, requestId, errors?}`. `type` is `/problems/` and the code with
//! hyphens, a name and not an address; `errors` lists `{pointer, detail}` for each fault of a body or query.
//! Neither quotes a value that was sent.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use carillon_domain::ports::PortError;
use carillon_domain::{
    BroadcastError, EraseError, Faults, PreferencesError, PublishError, ReadError, Refusal,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::schemas;

/// Every code there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BadJson,
    Token(Refusal),
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    PayloadTooLarge,
    UnsupportedMediaType,
    Validation,
    IdempotencyKeyInvalid,
    IdempotencyMismatch,
    NotScheduled,
    VersionMismatch,
    RateLimited,
    TooManyConnections,
    Internal,
    Unavailable,
}

impl Code {
    pub(crate) const fn status(self) -> StatusCode {
        self.facts().0
    }

    /// The code as callers are told it.
    pub(crate) const fn word(self) -> &'static str {
        self.facts().1
    }

    pub(crate) const fn title(self) -> &'static str {
        self.facts().2
    }

    /// Status, code and title.
    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadJson => (S::BAD_REQUEST, "bad_json", "The body is not JSON"),
            Self::Token(refusal @ Refusal::UserBlocked) => (S::FORBIDDEN, refusal.code(), "Not permitted"),
            Self::Token(refusal) => (S::UNAUTHORIZED, refusal.code(), "Not authenticated"),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "Not permitted"),
            Self::NotFound => (S::NOT_FOUND, "not_found", "Not found"),
            Self::MethodNotAllowed => {
                (S::METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here")
            }
            Self::RequestTimeout => (S::REQUEST_TIMEOUT, "request_timeout", "The body came too slowly"),
            Self::PayloadTooLarge => (S::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is too large"),
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body's type is not supported")
            }
            Self::Validation => (S::UNPROCESSABLE_ENTITY, "validation", "The request is not valid"),
            Self::IdempotencyKeyInvalid => {
                (S::UNPROCESSABLE_ENTITY, "idempotency_key_invalid", "The idempotency key is not valid")
            }
            Self::IdempotencyMismatch => (
                S::UNPROCESSABLE_ENTITY,
                "idempotency_mismatch",
                "The idempotency key was used for another request",
            ),
            Self::NotScheduled => (S::CONFLICT, "not_scheduled", "It can no longer be changed"),
            Self::VersionMismatch => (S::CONFLICT, "version_mismatch", "It was changed meanwhile"),
            Self::RateLimited => (S::TOO_MANY_REQUESTS, "rate_limited", "Too many requests"),
            Self::TooManyConnections => {
                (S::TOO_MANY_REQUESTS, "too_many_connections", "Too many connections")
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here"),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable", "Try again soon"),
        }
    }
}

/// An answer that is not the one the caller hoped for.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    errors: Option<Faults>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), errors: None, headers: Vec::new(), cause: None }
    }

    /// Nothing is known to have happened; the caller may try again.
    pub(crate) fn unavailable(detail: &'static str) -> Self {
        Self::new(Code::Unavailable, detail).with(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    pub(crate) fn no_route() -> Self {
        Self::new(Code::NotFound, "There is no such route.")
    }

    pub(crate) fn no_notification() -> Self {
        Self::new(Code::NotFound, "There is no such notification.")
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let problem = Self::new(Code::MethodNotAllowed, format!("Allowed here: {allow}."));
        problem.with(header::ALLOW, HeaderValue::from_static(allow))
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With what lies behind it, for the log.
    pub(crate) fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// The JSON; one item of a batch has no request id of its own.
    pub(crate) fn body<'a>(&'a self, request_id: Option<&'a str>) -> impl Serialize + use<'a> {
        let (status, code, title) = self.code.facts();
        let kind = format!("/problems/{}", code.replace('_', "-"));
        let (status, detail, errors) = (status.as_u16(), self.detail.as_ref(), self.errors.as_ref());
        ProblemBody { kind, title, status, detail, code, request_id, errors }
    }

    /// Writes what is our fault into the log, with everything that led to it.
    pub(crate) fn log(&self, request_id: &str) {
        let causes = || Causes(self.cause.as_deref().map(|cause| cause as &dyn Error));
        let code = self.code.facts().1;
        match self.code {
            Code::Internal => tracing::error!(request_id, code, causes = %causes(), "{}", self.detail),
            Code::Unavailable => tracing::warn!(request_id, code, causes = %causes(), "{}", self.detail),
            _ => {}
        }
    }
}

/// An answer that is not the one hoped for (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// `/problems/` and the code with hyphens: a name, no address.
    #[serde(rename = "type")]
    kind: String,
    /// The code in words.
    title: &'static str,
    status: u16,
    /// What is wrong here, for a person.
    detail: &'a str,
    /// Stable: for a program.
    code: &'static str,
    /// The same as `X-Request-Id`; missing in an item of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    request_id: Option<&'a str>,
    /// With `validation`: every fault of the body or the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schemas::Fault>)]
    errors: Option<&'a Faults>,
}

struct Causes<'a>(Option<&'a dyn Error>);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = std::iter::successors(self.0, |&error| error.source());
        for (i, error) in chain.enumerate() {
            write!(f, "{}{error}", if i == 0 { "" } else { ": " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    /// Without a body: the envelope writes it, since it knows the request.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status());
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        let problem = Self::new(Code::Validation, "Some fields are missing, unknown or wrong; see errors.");
        Self { errors: Some(faults), ..problem }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        // RFC 6750 §3.1: a request without credentials is not told of an error.
        let challenge = match refusal {
            Refusal::TokenMissing => "Bearer",
            Refusal::TokenInvalid { .. } | Refusal::TokenExpired => "Bearer error=\"invalid_token\"",
            Refusal::UserBlocked => return Self::new(Code::Token(refusal), format!("{refusal}.")),
        };
        Self::new(Code::Token(refusal), format!("{refusal}."))
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }
}

impl From<PortError> for Problem {
    fn from(fault: PortError) -> Self {
        match fault {
            PortError::Unavailable { .. } => Self::unavailable("The store is not available."),
            PortError::Rejected { .. } | PortError::Corrupt { .. } => {
                Self::new(Code::Internal, "The request could not be served.")
            }
        }
        .because(fault)
    }
}

impl From<ReadError> for Problem {
    fn from(fault: ReadError) -> Self {
        match fault {
            ReadError::NotFound => Self::no_notification(),
            ReadError::Store(fault) => fault.into(),
        }
    }
}

impl From<PreferencesError> for Problem {
    fn from(fault: PreferencesError) -> Self {
        match fault {
            PreferencesError::TooOften => {
                let detail =
                    "Preferences can be changed so often only; nothing was changed. Try again in a day.";
                Self::new(Code::RateLimited, detail).with(header::RETRY_AFTER, 86_400)
            }
            PreferencesError::Publish(fault) => fault.into(),
            PreferencesError::Store(fault) => fault.into(),
        }
    }
}

impl From<EraseError> for Problem {
    fn from(fault: EraseError) -> Self {
        match fault {
            EraseError::Publish(fault) => fault.into(),
            EraseError::Store(fault) => fault.into(),
        }
    }
}

impl From<PublishError> for Problem {
    /// Whatever the store's trouble is, a publisher can do one thing about it: keep the publish and try
    /// again.
    fn from(fault: PublishError) -> Self {
        match fault {
            PublishError::Mismatch => Self::new(
                Code::IdempotencyMismatch,
                "Nothing was published. Use a new key for a new request.",
            ),
            PublishError::Full => {
                Self::unavailable("Too many publishes are waiting; nothing was stored.").because(fault)
            }
            PublishError::Store(_) => {
                Self::unavailable("Not known to be stored; try again with the same key.").because(fault)
            }
            PublishError::Stopped => {
                Self::unavailable("The gateway is going down; try again.").because(fault)
            }
        }
    }
}

impl From<BroadcastError> for Problem {
    fn from(fault: BroadcastError) -> Self {
        match fault {
            BroadcastError::NotFound => Self::new(Code::NotFound, "There is no such broadcast."),
            BroadcastError::NotScheduled(status) => {
                Self::new(Code::NotScheduled, format!("The broadcast is {}.", status.as_str()))
            }
            BroadcastError::OtherVersion(version) => {
                Self::new(Code::VersionMismatch, format!("The broadcast is at version {version}."))
            }
            BroadcastError::Mismatch => Self::new(
                Code::IdempotencyMismatch,
                "Nothing was published. Use a new key for a new request.",
            ),
            BroadcastError::Invalid(faults) => faults.into(),
            BroadcastError::Store(fault) => fault.into(),
        }
    }
}
