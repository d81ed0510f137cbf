//! Who asks: a service with a publish key, or a user with a token.

use std::fmt;
use std::str::FromStr;

use actix_web::http::header::{self, HeaderMap};
use carillon_domain::{Principal, Refusal};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::State;
use crate::problem::{Code, Problem};

/// The services that may publish, as in `PUBLISH_KEYS`: `name:key` pairs with commas between them. A name is
/// 1 to 64 of `A-Z a-z 0-9 . _ -`, a key at least 24 printable ASCII characters without white space or
/// commas; neither occurs twice. Only digests are kept. An empty text is no keys.
#[derive(Clone, Default)]
pub struct PublishKeys(Vec<PublishKey>);

#[derive(Clone)]
struct PublishKey {
    name: String,
    digest: [u8; 32],
}

/// Why a text is no list of publish keys. It never repeats a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPublishKeys {
    /// Not `name:key`, or the name has other characters.
    #[error("pair {0} is not name:key with a name of 1 to 64 letters, digits, '.', '_' and '-'")]
    Pair(usize),
    /// The key can be guessed, or cannot stand in a header.
    #[error("the key of {0:?} must be at least 24 printable ASCII characters without white space")]
    Key(String),
    /// Two pairs have the same name or the same key, so that they could not be told apart.
    #[error("{0:?} repeats the name or the key of another pair")]
    Repeated(String),
}

impl FromStr for PublishKeys {
    type Err = BadPublishKeys;

    fn from_str(text: &str) -> Result<Self, BadPublishKeys> {
        let mut keys: Vec<PublishKey> = Vec::new();
        if text.trim().is_empty() {
            return Ok(Self(keys));
        }
        for (i, pair) in text.split(',').enumerate() {
            let named = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
            let (name, key) = (pair.trim().split_once(':'))
                .filter(|(name, _)| (1..=64).contains(&name.len()) && name.bytes().all(named))
                .ok_or(BadPublishKeys::Pair(i + 1))?;
            let name = name.to_owned();
            if key.len() < 24 || !key.bytes().all(|c| c.is_ascii_graphic()) {
                return Err(BadPublishKeys::Key(name));
            }
            let digest = digest(key);
            if keys.iter().any(|other| other.name == name || other.digest == digest) {
                return Err(BadPublishKeys::Repeated(name));
            }
            keys.push(PublishKey { name, digest });
        }
        Ok(Self(keys))
    }
}

impl fmt::Debug for PublishKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

impl PublishKeys {
    /// The name of a key. The time it takes tells nothing of the keys: digests are compared, each in constant
    /// time, and always all of them.
    fn name_of(&self, presented: &str) -> Option<&str> {
        let digest = digest(presented);
        self.0.iter().fold(None, |found, key| {
            if bool::from(key.digest.ct_eq(&digest)) { Some(key.name.as_str()) } else { found }
        })
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

impl State {
    /// Who publishes, as the scope of their idempotency keys and of their rate: the name of a publish key, or
    /// `user:ID` for an admin. No name of a key holds a colon, so the two never meet.
    pub(crate) fn publisher(&self, headers: &HeaderMap) -> Result<String, Problem> {
        let credential = credential(headers)?;
        if let Some(name) = self.keys.name_of(credential) {
            return Ok(name.to_owned());
        }
        let principal = self.admit(credential)?;
        if principal.is_admin() {
            Ok(format!("user:{}", principal.user_id()))
        } else {
            Err(Problem::new(Code::Forbidden, "Publishing takes a publish key or an admin's token."))
        }
    }

    /// Which user asks.
    pub(crate) fn user(&self, headers: &HeaderMap) -> Result<Principal, Problem> {
        self.admit(credential(headers)?)
    }

    fn admit(&self, token: &str) -> Result<Principal, Problem> {
        self.parts.admission.admit(Some(token)).map_err(|refusal| {
            if let Refusal::TokenInvalid { reason } = refusal {
                tracing::debug!(reason, "a token was refused");
            }
            refusal.into()
        })
    }
}

/// What `Authorization` carries: `Bearer X` with the scheme in any letter case, or the bare `X`.
fn credential(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut all = headers.get_all(header::AUTHORIZATION);
    let value = all.next().ok_or(Refusal::TokenMissing)?;
    if all.next().is_some() {
        return Err(Refusal::TokenInvalid { reason: "two Authorization headers" });
    }
    let value = value.to_str().map_err(|_| Refusal::TokenInvalid { reason: "not ASCII" })?.trim();
    match value.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => Ok(rest.trim()),
        // Another scheme is no credential for us.
        Some(_) => Err(Refusal::TokenMissing),
        None if value.eq_ignore_ascii_case("bearer") => Err(Refusal::TokenMissing),
        None => Ok(value),
    }
    .and_then(|token| if token.is_empty() { Err(Refusal::TokenMissing) } else { Ok(token) })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const KEY: &str = "0123456789abcdefghijklmn";

    #[test]
    fn keys_are_named_and_long() {
        let keys: PublishKeys = format!("booking:{KEY}, billing:{KEY}:x").parse().unwrap();
        assert_eq!(keys.name_of(KEY), Some("booking"));
        assert_eq!(keys.name_of(&format!("{KEY}:x")), Some("billing"));
        assert_eq!(keys.name_of(&KEY[1..]), None);
        assert_eq!(format!("{keys:?}"), r#"["booking", "billing"]"#);
        assert!(" ".parse::<PublishKeys>().unwrap().0.is_empty());
    }

    #[test]
    fn bad_keys_are_refused_and_never_repeated() {
        let repeated = |name: &str| BadPublishKeys::Repeated(name.into());
        for (text, fault) in [
            (KEY.to_owned(), BadPublishKeys::Pair(1)),
            (format!("a:{KEY},"), BadPublishKeys::Pair(2)),
            (format!("user 1:{KEY}"), BadPublishKeys::Pair(1)),
            (format!("a:{}", &KEY[1..]), BadPublishKeys::Key("a".into())),
            (format!("a:{KEY} x"), BadPublishKeys::Key("a".into())),
            (format!("a:{KEY},a:{KEY}2"), repeated("a")),
            (format!("a:{KEY},b:{KEY}"), repeated("b")),
        ] {
            let found = text.parse::<PublishKeys>().unwrap_err();
            assert_eq!(found, fault, "{text}");
            assert!(!found.to_string().contains(&KEY[..8]));
        }
    }

    #[test]
    fn a_credential_is_a_bearer_token_or_bare() {
        let missing = Err(Refusal::TokenMissing);
        for (value, expected) in [
            ("Bearer abc", Ok("abc")),
            ("bEARER  abc ", Ok("abc")),
            ("abc", Ok("abc")),
            ("", missing),
            ("Bearer", missing),
            ("Bearer ", missing),
            ("Basic abc", missing),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            assert_eq!(credential(&headers), expected, "{value:?}");
        }
        assert_eq!(credential(&HeaderMap::new()), missing);
    }

    #[test]
    fn two_credentials_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert!(matches!(credential(&headers), Err(Refusal::TokenInvalid { .. })));
    }
}
