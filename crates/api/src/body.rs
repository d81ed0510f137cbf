//! Bodies, read with a bound on their size and on the time they take.

use std::time::Duration;

use actix_web::http::header;
use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::problem::{Code, Problem};

/// One publish: 16 KiB of data, a title, a message, a URL and 20 rooms come to some 160 KiB when every
/// character is written as `\uXXXX`.
pub(crate) const ONE_PUBLISH: usize = 192 * 1024;
/// A batch: 1,000 ordinary publishes of 4 KiB.
pub(crate) const BATCH: usize = 4 * 1024 * 1024;
/// Whatever else is posted; 1,000 ids are 39 KB.
pub(crate) const SMALL: usize = 64 * 1024;

const WITHIN: Duration = Duration::from_secs(10);

/// Reads a JSON body of at most `most` bytes. The caller has been let in before: nobody else may make us read
/// one.
pub(crate) async fn read(request: &HttpRequest, body: web::Payload, most: usize) -> Result<Bytes, Problem> {
    check_type(request)?;
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(too_large(most));
    }
    let collected = timeout(WITHIN, collect(body, most)).await;
    collected.unwrap_or_else(|_| {
        Err(Problem::new(Code::RequestTimeout, format!("A body has to come within {} s.", WITHIN.as_secs())))
    })
}

async fn collect(mut body: web::Payload, most: usize) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Problem::new(Code::BadJson, "The body broke off."))?;
        if bytes.len() + chunk.len() > most {
            return Err(too_large(most));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// JSON in UTF-8, and never compressed: a few kilobytes of gzip can hold gigabytes.
fn check_type(request: &HttpRequest) -> Result<(), Problem> {
    let unsupported = |detail| Problem::new(Code::UnsupportedMediaType, detail);
    for coding in request.headers().get_all(header::CONTENT_ENCODING) {
        if !coding.as_bytes().eq_ignore_ascii_case(b"identity") {
            return Err(unsupported("Send the body without Content-Encoding."));
        }
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let mut parts = kind.unwrap_or_default().split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if is_json && is_utf8 { Ok(()) } else { Err(unsupported("Send application/json in UTF-8.")) }
}

/// The body as JSON, at most 128 levels deep. A fault is told by its place alone: its surroundings may be
/// private.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map_err(|fault| {
        let detail = format!("Not JSON at line {}, column {}.", fault.line(), fault.column());
        Problem::new(Code::BadJson, detail)
    })
}

fn too_large(most: usize) -> Problem {
    Problem::new(Code::PayloadTooLarge, format!("The body may have at most {most} bytes."))
}
