//! The pages that the binary carries, at `/`. They are built by `npm run build` in `app/`; where that was not done, a
//! placeholder says how. Every answer carries a strict Content-Security-Policy: nothing inline, nothing from elsewhere.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::{EmbeddedFile, RustEmbed};

/// The built page. In a dev build its files are read at each request.
#[derive(RustEmbed)]
#[folder = "app/dist"]
#[allow_missing = true]
struct Dist;

const PLACEHOLDER: &str = include_str!("placeholder.html");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Mounts the page at `/` and its files beside it. It answers whatever nothing before it did.
pub fn configure(config: &mut web::ServiceConfig) {
    config.service(web::resource("/{file:.*}").route(web::get().to(page)).route(web::head().to(page)));
}

async fn page(request: HttpRequest, file: web::Path<String>) -> HttpResponse {
    let name = if file.is_empty() { "index.html" } else { file.as_str() };
    match Dist::get(name) {
        Some(found) => serve(&request, name, &found),
        None if file.is_empty() => secured(HttpResponse::Ok(), "text/html; charset=utf-8").body(PLACEHOLDER),
        None => secured(HttpResponse::NotFound(), "text/plain; charset=utf-8").body("Not found\n"),
    }
}

fn serve(request: &HttpRequest, name: &str, file: &EmbeddedFile) -> HttpResponse {
    let etag = format!("\"{}\"", file.metadata.sha256_hash().map(|byte| format!("{byte:02x}")).concat());
    let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known == etag.as_str());
    let answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    let mut answer = secured(answer, content_type(name));
    answer.insert_header((header::ETAG, etag)).insert_header((header::CACHE_CONTROL, "no-cache"));
    if known { answer.finish() } else { answer.body(file.data.to_vec()) }
}

fn secured(
    mut answer: actix_web::HttpResponseBuilder,
    content_type: &'static str,
) -> actix_web::HttpResponseBuilder {
    answer
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    answer
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
