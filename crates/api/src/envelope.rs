//! What every answer has in common, whatever its handler did: a request id, headers, what its caller has left, problems as
//! JSON, one log line, its place in the figures.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _};
use metrics::{counter, histogram};
use uuid::Uuid;

use crate::limits::Allowance;
use crate::problem::{Code, Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One request's name, in its answer and in the log: the caller's `X-Request-Id` if that is 1 to 64 of
/// `A-Z a-z 0-9 . _ -`, or else a new UUIDv7.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let known = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
        let given = headers.get(REQUEST_ID).filter(|id| {
            let id = id.as_bytes();
            (1..=64).contains(&id.len()) && id.iter().copied().all(known)
        });
        Self(given.cloned().unwrap_or_else(|| {
            // A UUID is always a header value; were it not, the request would go without a name.
            let minted = HeaderValue::from_str(&Uuid::now_v7().to_string());
            minted.unwrap_or_else(|_| HeaderValue::from_static("none"))
        }))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// The middleware around every route.
pub(crate) async fn envelope(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (id, began) = (RequestId::of(request.headers()), Instant::now());
    request.extensions_mut().insert(id.clone());
    let mut answer = next.call(request).await?.map_into_boxed_body();
    if let Some(json) = problem_json(&answer, id.as_str()) {
        answer = answer.map_body(|_, _| BoxBody::new(json));
        let kind = HeaderValue::from_static("application/problem+json");
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    count(&answer, began);
    let allowance = answer.request().extensions().get::<Allowance>().copied();
    let headers = answer.headers_mut();
    if let Some(allowance) = allowance {
        allowance.write(headers);
    }
    headers.insert(REQUEST_ID, id.0);
    // Inboxes are private and change; a proxy that kept one would show it to the next user.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(answer)
}

/// By its route's pattern, never by its path: anyone can ask for paths.
fn count(answer: &ServiceResponse, began: Instant) {
    let route = answer.request().match_pattern().unwrap_or_else(|| "none".to_owned());
    let status = answer.status().as_u16().to_string();
    let method = answer.request().method().to_string();
    histogram!("carillon_http_seconds", "route" => route.clone()).record(began.elapsed());
    counter!("carillon_http_requests_total", "method" => method, "route" => route, "status" => status)
        .increment(1);
}

fn problem_json(answer: &ServiceResponse, request_id: &str) -> Option<Vec<u8>> {
    let error = answer.response().error()?;
    // No handler here lets actix refuse a request on its own, so this is our mistake if it happens.
    let other = || Problem::new(Code::Internal, "The request could not be served.");
    let foreign = error.as_error::<Problem>().is_none().then(other);
    let problem = foreign.as_ref().or_else(|| error.as_error())?;
    problem.log(request_id);
    serde_json::to_vec(&problem.body(Some(request_id))).ok()
}
