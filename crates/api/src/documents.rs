//! What says what this is: the documents for programs, and a page for people.

use std::sync::LazyLock;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::openapi::{Document, Operation, Who};

mod page;

/// A document as it is served: made once, named by what it says.
struct Served {
    text: Bytes,
    etag: String,
}

impl Served {
    fn new(text: String) -> Self {
        let digest = Sha256::digest(&text);
        let etag =
            format!("\"{}\"", digest[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        Self { text: text.into(), etag }
    }

    fn answer(
        &self,
        request: &HttpRequest,
        media_type: &str,
        more: &[(header::HeaderName, &str)],
    ) -> HttpResponse {
        let is_known = |etags: &header::HeaderValue| {
            etags.to_str().is_ok_and(|etags| {
                etags.split(',').any(|etag| etag.trim().trim_start_matches("W/") == self.etag)
            })
        };
        let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(is_known);
        let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        answer
            .insert_header((header::ETAG, self.etag.as_str()))
            .insert_header((header::CACHE_CONTROL, "no-cache"));
        for (name, value) in more {
            answer.insert_header((name.clone(), *value));
        }
        if known { answer.finish() } else { answer.content_type(media_type).body(self.text.clone()) }
    }
}

static OPENAPI: LazyLock<Served> = LazyLock::new(|| Served::new(crate::openapi().to_string()));
static ASYNCAPI: LazyLock<Served> = LazyLock::new(|| Served::new(crate::asyncapi().to_string()));
static PAGE: LazyLock<Served> = LazyLock::new(|| Served::new(page::render(&crate::openapi())));

/// These routes in the API's document.
pub(crate) fn describe(document: &mut Document) {
    for (path, id, summary, media_type) in [
        ("/openapi.json", "getOpenapi", "This document", "application/json"),
        ("/asyncapi.json", "getAsyncapi", "What is said on sockets, in AsyncAPI 3.0", "application/json"),
        ("/docs", "getDocs", "This document, to be read", "text/html"),
    ] {
        let operation = Operation::new("get", path, id, summary).by(Who::Anyone, "documents");
        document.add(
            operation
                .tells("ETag", "Changes when the document does.")
                .gives_other(StatusCode::OK, "It", media_type)
                .gives_nothing(StatusCode::NOT_MODIFIED, "It is what `If-None-Match` names"),
        );
    }
}

/// `GET /openapi.json`
pub(crate) async fn openapi(request: HttpRequest) -> HttpResponse {
    OPENAPI.answer(&request, "application/json", &[])
}

/// `GET /asyncapi.json`
pub(crate) async fn asyncapi(request: HttpRequest) -> HttpResponse {
    ASYNCAPI.answer(&request, "application/json", &[])
}

/// `GET /docs`
pub(crate) async fn page(request: HttpRequest) -> HttpResponse {
    PAGE.answer(&request, "text/html; charset=utf-8", &[(header::CONTENT_SECURITY_POLICY, &page::policy())])
}
