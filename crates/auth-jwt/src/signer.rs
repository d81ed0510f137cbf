//! Signs HS256 tokens: for `carillon token`, the demo and the tests. A platform has its own issuer.

use carillon_domain::{Role, Timestamp, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use crate::{KeyError, KeySource};

/// Signs tokens with a shared secret.
pub struct Signer {
    key: EncodingKey,
}

/// What a token is to say; the verifier's counterpart.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenClaims {
    /// Whom it speaks for.
    pub user_id: UserId,
    /// With which role.
    pub role: Role,
    /// The user's e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A doctor's profile id, where it differs from the user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doctor_id: Option<UserId>,
    /// A patient's profile id, where it differs from the user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient_id: Option<UserId>,
    /// `iss`.
    #[serde(rename = "iss", skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `aud`.
    #[serde(rename = "aud", skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// `iat`, cut to the second.
    #[serde(rename = "iat", serialize_with = "seconds")]
    pub issued_at: Timestamp,
    /// `exp`, cut to the second.
    #[serde(rename = "exp", serialize_with = "seconds")]
    pub expires_at: Timestamp,
}

/// The library failed to encode or to sign.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be signed")]
pub struct SignError(#[from] jsonwebtoken::errors::Error);

impl Signer {
    /// A signer with this secret.
    ///
    /// # Errors
    /// The secret is shorter than [`MIN_SECRET_BYTES`](crate::MIN_SECRET_BYTES).
    pub fn new(secret: &SecretString) -> Result<Self, KeyError> {
        KeySource::Secret(secret.clone()).check()?;
        Ok(Self { key: EncodingKey::from_secret(secret.expose_secret().as_bytes()) })
    }

    /// The signed token, ready for a client.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn sign(&self, claims: &TokenClaims) -> Result<String, SignError> {
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.key)?)
    }
}

fn seconds<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(at.as_millis().div_euclid(1000))
}
