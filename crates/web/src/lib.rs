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

/// `'self'` is this origin's WebSocket too; a browser too old to know that falls back to polling.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Mounts the page at `/` and its files beside it. It answers whatever nothing before it did; so a gateway that is no
/// demo has no demo users, which the page asks for before it shows how to sign in.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/demo/users", web::get().to(async || web::Json([(); 0])))
        .service(web::resource("/{file:.*}").route(web::get().to(page)).route(web::head().to(page)));
}

async fn page(request: HttpRequest, file: web::Path<String>) -> HttpResponse {
    let name = if is_address(&file) { "index.html" } else { file.as_str() };
    match find(&request, name) {
        Some(found) => serve(&request, name, &found),
        None if name == "index.html" => {
            secured(HttpResponse::Ok(), "text/html; charset=utf-8").body(PLACEHOLDER)
        }
        None => secured(HttpResponse::NotFound(), "text/plain; charset=utf-8").body("Not found\n"),
    }
}

/// Whether this is an address of the page itself (`app/src/page/router.ts`) and no file beside it.
fn is_address(path: &str) -> bool {
    matches!(path, "" | "console" | "settings" | "demo" | "dashboard") || path.starts_with("dashboard/")
}

struct Found {
    file: EmbeddedFile,
    gzip: bool,
}

/// The file, compressed as the build left it where the browser takes that.
fn find(request: &HttpRequest, name: &str) -> Option<Found> {
    let accepted = request.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    if accepted.is_some_and(takes_gzip)
        && let Some(file) = Dist::get(&format!("{name}.gz"))
    {
        return Some(Found { file, gzip: true });
    }
    Dist::get(name).map(|file| Found { file, gzip: false })
}

fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip")
            && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

fn serve(request: &HttpRequest, name: &str, found: &Found) -> HttpResponse {
    let etag =
        format!("\"{}\"", found.file.metadata.sha256_hash().map(|byte| format!("{byte:02x}")).concat());
    let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known == etag.as_str());
    let answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    let mut answer = secured(answer, content_type(name));
    answer
        .insert_header((header::ETAG, etag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::VARY, "Accept-Encoding"));
    if known {
        return answer.finish();
    }
    if found.gzip {
        answer.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    answer.body(found.file.data.to_vec())
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
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_answers_for_its_own_addresses_alone() {
        for address in ["", "console", "settings", "demo", "dashboard", "dashboard/appointments"] {
            assert!(is_address(address), "{address}");
        }
        for other in ["demo/users", "index.js", "dashboards", "api/v1/nothing"] {
            assert!(!is_address(other), "{other}");
        }
    }

    #[test]
    fn gzip_is_sent_to_whoever_takes_it() {
        assert!(takes_gzip("gzip, deflate, br") && takes_gzip("br;q=1.0, GZIP;q=0.5"));
        assert!(!takes_gzip("br") && !takes_gzip("gzip;q=0, br") && !takes_gzip(""));
    }
}
