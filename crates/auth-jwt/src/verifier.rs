//! Checks a token: length, algorithm, signature, origin, times, claims, in this order.

use std::fmt;

use carillon_domain::{Principal, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use crate::claims::Claims;
use crate::{JwtConfig, KeyError};

/// Longer tokens are refused unread: a client that has not shown who it is may not have us hash megabytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Checks tokens against one key.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    config: JwtConfig,
}

/// Why a token was refused, for the log. Holds nothing of the token itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is none.
    #[error("no token")]
    Missing,
    /// It was valid once.
    #[error("exp is past")]
    Expired,
    /// More than [`MAX_TOKEN_BYTES`].
    #[error("longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// Not three base64url parts around a JSON header that names a known algorithm.
    #[error("not a signed JWT")]
    NotAToken,
    /// A well-formed token, signed in a way our key does not allow.
    #[error("signed with an algorithm that is not the key's")]
    Algorithm,
    /// A `crit` header names extensions we must understand and do not (RFC 7515 §4.1.11).
    #[error("the header has crit")]
    Critical,
    /// Signed by someone else, or changed since.
    #[error("the signature does not match")]
    Signature,
    /// The claims are no JSON object or one has a wrong type.
    #[error("a claim has a wrong type")]
    Claims,
    /// No end: such a token could never be got rid of.
    #[error("exp is missing")]
    NoExpiry,
    /// Dates beyond the year 9999, often milliseconds where seconds belong.
    #[error("a date is out of range (seconds are expected)")]
    Date,
    /// `nbf` or `iat` lies in the future.
    #[error("nbf or iat is in the future")]
    NotYet,
    /// `iss` is missing or not the configured one.
    #[error("iss is not ours")]
    Issuer,
    /// `aud` is missing or does not name us.
    #[error("aud does not name us")]
    Audience,
    /// Neither `userId` nor `sub`.
    #[error("neither userId nor sub")]
    NoUser,
    /// `userId` and `sub` disagree, and guessing between two people is not ours to do.
    #[error("userId and sub differ")]
    TwoUsers,
    /// An id that is empty, too long or holds white space.
    #[error("an id is malformed")]
    BadId,
    /// No role, or none we know.
    #[error("role is missing or unknown")]
    Role,
}

impl Verifier {
    /// A verifier with this key and these demands.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn new(config: JwtConfig) -> Result<Self, KeyError> {
        let (key, algorithms) = config.source.decode()?;
        let mut validation = Validation::new(algorithms.first().copied().unwrap_or(Algorithm::HS256));
        validation.algorithms = algorithms;
        // The library would ask the wall clock; every claim is checked in `claims` instead, with the caller's `now`.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Ok(Self { key, validation, config })
    }

    /// Whom `token` speaks for at the instant `now`. The principal's end is the token's `exp`, without the leeway.
    ///
    /// # Errors
    /// Why it speaks for nobody.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Principal, Refusal> {
        if token.is_empty() {
            return Err(Refusal::Missing);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::TooLong);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::NotAToken)?;
        if header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| refusal(error.kind()))?
            .claims;
        claims.check_origin(self.config.issuer.as_deref(), self.config.audience.as_deref())?;
        let ends = claims.check_times(now, self.config.leeway)?;
        claims.into_principal(ends)
    }
}

// The library's messages may quote a claim, so only their kind goes on.
fn refusal(kind: &ErrorKind) -> Refusal {
    match kind {
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::UnsupportedAlgorithm => {
            Refusal::Algorithm
        }
        ErrorKind::Json(_) | ErrorKind::Utf8(_) => Refusal::Claims,
        _ => Refusal::NotAToken,
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("algorithms", &self.validation.algorithms).finish_non_exhaustive()
    }
}
