//! Which pages may talk to us. CORS does not guard WebSockets, so the `Origin` header is checked on every entry, and
//! a foreign page is refused before anything else happens.

use std::collections::HashSet;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use carillon_protocol::engine::HandshakeError;

use crate::application::Application;
use crate::counted;
use crate::server::Server;

/// What a preflight allows: what the official server's `cors` answers.
const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE");
/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Which pages may talk to a node.
#[derive(Debug, Clone)]
pub enum AllowedOrigins {
    /// Each one. Answers say `*`, and so no page may send credentials (Fetch standard, "CORS protocol and credentials").
    Any,
    /// These, exact: `scheme://host[:port]`, and the node's own. They may send credentials.
    Only(Vec<String>),
}

/// The allowed origins, to be looked up; `None` is any.
pub(crate) struct Origins(Option<HashSet<String>>);

/// What a request says of where it comes from.
pub(crate) enum Origin {
    /// No page: a server, a phone, or a page's own navigation.
    None,
    /// Whoever; answers say so.
    Any,
    /// One of ours; answers name it.
    Allowed(HeaderValue),
    /// Someone else's page.
    Foreign,
}

impl Origin {
    /// Lets the page read an answer, or says nothing to it.
    pub(crate) fn allow(&self, headers: &mut HeaderMap) {
        match self {
            Self::Any => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                return;
            }
            Self::Allowed(origin) => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
            Self::None | Self::Foreign => {}
        }
        // An answer to one origin must not be handed to another by a cache.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

impl Origins {
    pub(crate) fn new(allowed: &AllowedOrigins) -> Self {
        match allowed {
            AllowedOrigins::Any => Self(None),
            AllowedOrigins::Only(these) => Self(Some(these.iter().cloned().collect())),
        }
    }

    pub(crate) fn classify(&self, headers: &HeaderMap) -> Origin {
        let Some(these) = &self.0 else { return Origin::Any };
        let mut origins = headers.get_all(header::ORIGIN);
        match (origins.next(), origins.next()) {
            (None, _) => Origin::None,
            (Some(origin), None) if allows(these, origin, headers) => Origin::Allowed(origin.clone()),
            _ => Origin::Foreign,
        }
    }
}

fn allows(these: &HashSet<String>, origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if these.contains(origin) {
        return true;
    }
    // The gateway's own page: the same host and port that the request was sent to.
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_some() && host == own
}

/// Answers preflights, refuses foreign pages with 403, and lets allowed ones read every answer, errors included.
///
/// # Errors
/// Those of the inner service.
pub(crate) async fn guard<A: Application>(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let origin = request
        .app_data::<web::Data<Server<A>>>()
        .map_or(Origin::None, |server| server.origins.classify(request.headers()));
    // Where every page is welcome, so is every OPTIONS: the official server's `cors` answers it.
    let is_preflight = request.method() == Method::OPTIONS
        && (matches!(origin, Origin::Any)
            || request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD));
    let mut response = match &origin {
        Origin::None | Origin::Any | Origin::Allowed(_) if !is_preflight => {
            next.call(request).await?.map_into_boxed_body()
        }
        Origin::Foreign if !is_preflight => {
            let answer = forbidden::<A>(request.path());
            request.into_response(answer)
        }
        _ => {
            let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
            let mut response = request.into_response(HttpResponse::NoContent().finish());
            if matches!(origin, Origin::Any | Origin::Allowed(_)) {
                allow_methods(response.headers_mut(), asked);
            }
            response
        }
    };
    origin.allow(response.headers_mut());
    Ok(response)
}

fn allow_methods(headers: &mut HeaderMap, asked: Option<HeaderValue>) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    headers.append(header::VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
    if let Some(asked) = asked {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
    }
}

/// In the words of whatever was asked: Engine.IO's, or a problem (RFC 9457).
fn forbidden<A: Application>(path: &str) -> HttpResponse {
    const WHY: &str = "Forbidden: this origin is not allowed";
    let (content_type, body) = if path.starts_with(A::PATH) {
        counted::handshake("forbidden");
        ("application/json", HandshakeError::forbidden(WHY).body())
    } else {
        let problem = serde_json::json!({
            "type": "/problems/forbidden", "title": "Forbidden", "status": 403, "detail": WHY, "code": "forbidden",
        });
        ("application/problem+json", problem.to_string())
    };
    HttpResponse::Forbidden().insert_header((header::CONTENT_TYPE, content_type)).body(body)
}
