//! `Idempotency-Key`: the same key and body answers what happened the first time.

use actix_web::http::header::{HeaderMap, HeaderName};
use carillon_domain::IdempotencyKey;
use sha2::{Digest as _, Sha256};

use crate::problem::{Code, Problem};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Stands in an answer that tells of an earlier publish.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The caller's key, if one was sent: 1 to 255 characters, none of them a control character.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all(HEADER);
    let Some(value) = all.next() else { return Ok(None) };
    std::str::from_utf8(value.as_bytes())
        .ok()
        .filter(|key| (1..=255).contains(&key.chars().count()) && !key.chars().any(char::is_control))
        .filter(|_| all.next().is_none())
        .map(|key| Some(key.to_owned()))
        .ok_or_else(|| {
            let detail = "Idempotency-Key takes 1 to 255 characters without control characters, once.";
            Problem::new(Code::IdempotencyKeyInvalid, detail)
        })
}

/// The key in its caller's scope, bound to what was asked: the route and the body, byte by byte.
pub(crate) fn bind(key: String, scope: String, route: &str, body: &[u8]) -> IdempotencyKey {
    let digest = Sha256::new().chain_update(route).chain_update("\n").chain_update(body).finalize();
    IdempotencyKey { scope, key, fingerprint: digest.into() }
}

/// The key of a batch's item, `KEY#i` counted from 0. A batch and a single publish never pass for each other,
/// since the route is part of the fingerprint.
pub(crate) fn item(key: &IdempotencyKey, i: usize) -> IdempotencyKey {
    IdempotencyKey { key: format!("{}#{i}", key.key), ..key.clone() }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn parse(values: &[&[u8]]) -> Result<Option<String>, Code> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        key(&headers).map_err(|problem| problem.code())
    }

    #[test]
    fn a_key_is_short_printable_and_single() {
        assert_eq!(parse(&[]), Ok(None));
        for good in ["a", "booking 42/ä#1", &"x".repeat(255), &"ä".repeat(255)] {
            assert_eq!(parse(&[good.as_bytes()]), Ok(Some(good.to_owned())));
        }
        for bad in ["", "a\tb", "a\u{85}b", &"x".repeat(256)] {
            assert_eq!(parse(&[bad.as_bytes()]), Err(Code::IdempotencyKeyInvalid), "{bad:?}");
        }
        assert_eq!(parse(&[b"\xff"]), Err(Code::IdempotencyKeyInvalid));
        assert_eq!(parse(&[b"a", b"b"]), Err(Code::IdempotencyKeyInvalid));
    }

    #[test]
    fn the_fingerprint_covers_route_and_body() {
        let print = |route, body: &[u8]| bind("k".into(), "s".into(), route, body).fingerprint;
        assert_eq!(print("/a", b"{}"), print("/a", b"{}"));
        assert_ne!(print("/a", b"{}"), print("/b", b"{}"));
        assert_ne!(print("/a", b"{}"), print("/a", b"{} "));
    }
}
