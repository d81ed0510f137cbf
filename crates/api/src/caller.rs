//! Who asks: a service with a publish key, or a user with a token.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use carillon_domain::{Principal, Refusal, bearer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::State;
use crate::problem::{Code, Problem};

/// The services that may publish, by name. Only digests of their keys are kept.
#[derive(Clone, Default)]
pub struct PublishKeys(Vec<PublishKey>);

#[derive(Clone)]
struct PublishKey {
    name: String,
    digest: [u8; 32],
}

impl<N: Into<String>, K: AsRef<str>> FromIterator<(N, K)> for PublishKeys {
    /// Pairs of a name and its key, as the settings have checked them. No name may hold a colon.
    fn from_iter<I: IntoIterator<Item = (N, K)>>(pairs: I) -> Self {
        let keys = pairs
            .into_iter()
            .map(|(name, key)| PublishKey { name: name.into(), digest: digest(key.as_ref()) });
        Self(keys.collect())
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

    /// Which user asks, and may now.
    pub(crate) fn user(&self, request: &HttpRequest) -> Result<Principal, Problem> {
        let user = self.admit(credential(request.headers())?)?;
        self.user_limits.enter(request, &user.user_id().to_string())?;
        Ok(user)
    }

    /// Which admin asks, and may now.
    pub(crate) fn admin(&self, request: &HttpRequest) -> Result<Principal, Problem> {
        let user = self.user(request)?;
        if user.is_admin() {
            Ok(user)
        } else {
            Err(Problem::new(Code::Forbidden, "This takes an admin's token."))
        }
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
    let value = value.to_str().map_err(|_| Refusal::TokenInvalid { reason: "not ASCII" })?;
    bearer(value).ok_or(Refusal::TokenMissing)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_key_is_known_by_name_and_never_shown() {
        let keys: PublishKeys = [("booking", "first-key"), ("billing", "second-key")].into_iter().collect();
        assert_eq!(keys.name_of("first-key"), Some("booking"));
        assert_eq!(keys.name_of("second-key"), Some("billing"));
        assert_eq!(keys.name_of("second-ke"), None);
        assert_eq!(format!("{keys:?}"), r#"["booking", "billing"]"#);
        assert_eq!(PublishKeys::default().name_of(""), None);
    }

    #[test]
    fn two_credentials_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert!(matches!(credential(&headers), Err(Refusal::TokenInvalid { .. })));
    }
}
