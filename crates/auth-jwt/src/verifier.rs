//! Checks a token: length, algorithm, signature, origin, times, claims, in this order.

use std::fmt;
use std::time::Duration;

use carillon_domain::ports::{AuthError, Authenticate};
use carillon_domain::{Principal, Timestamp};
use jsonwebtoken::errors::ErrorKind;

use crate::claims::{Claims, invalid};
use crate::key::Keys;
use crate::{JwtConfig, KeyError};

/// Longer tokens are refused unread: a client that has not shown who it is may not have us hash megabytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Checks tokens against the keys of one source.
pub struct Verifier {
    keys: Keys,
    config: JwtConfig,
}

impl Verifier {
    /// A verifier with these keys and these demands.
    ///
    /// # Errors
    /// The keys cannot be used.
    pub fn new(config: JwtConfig) -> Result<Self, KeyError> {
        Ok(Self { keys: config.source.open()?, config })
    }

    #[cfg(test)]
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }
}

impl Authenticate for Verifier {
    /// The principal's end is the token's `exp`, without the leeway.
    fn authenticate(&self, token: &str, now: Timestamp) -> Result<Principal, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid("too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|error| refusal(error.kind()))?;
        // RFC 7515 §4.1.11: extensions that must be understood, and none is here.
        if header.crit.is_some() {
            return Err(invalid("the header has crit"));
        }
        let key = self.keys.find(header.kid.as_deref(), now).ok_or(invalid("no key of this kid"))?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &key.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::Json(_) => invalid("a claim has a wrong type"),
                kind => refusal(kind),
            })?
            .claims;
        claims.check_origin(self.config.issuer.as_deref(), self.config.audience.as_deref())?;
        let ends = claims.check_times(now, self.config.leeway)?;
        claims.into_principal(ends)
    }

    fn leeway(&self) -> Duration {
        self.config.leeway
    }
}

// The library's messages may quote the token, so only their kind goes on.
fn refusal(kind: &ErrorKind) -> AuthError {
    invalid(match kind {
        ErrorKind::InvalidSignature => "the signature does not match",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::UnsupportedAlgorithm => {
            "signed with an algorithm that is not the key's"
        }
        _ => "not a signed JWT",
    })
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}
