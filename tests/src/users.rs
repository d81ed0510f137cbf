//! Six people of a clinic, and the tokens that say who they are.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Map, Value, json};

/// The secret that every [`Node`](crate::Node) of the tests is given.
pub const JWT_SECRET: &str = "a-secret-for-tests-alone-0123456789abcdef";

/// Someone who may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The `userId` claim.
    pub id: String,
    /// The `role` claim, as the platform spells it.
    pub role: &'static str,
    /// The `doctorId` or `patientId` claim, where it differs from the user's id.
    pub profile: Option<(&'static str, String)>,
}

impl User {
    /// Someone without a profile of another id.
    #[must_use]
    pub fn new(id: impl Into<String>, role: &'static str) -> Self {
        Self { id: id.into(), role, profile: None }
    }

    /// A token that is good for an hour.
    #[must_use]
    pub fn token(&self) -> String {
        self.token_signed_with(JWT_SECRET)
    }

    /// A token that is good for an hour at a gateway with another secret than the tests'.
    #[must_use]
    pub fn token_signed_with(&self, secret: &str) -> String {
        sign(&self.claims(3600), secret)
    }

    /// A token that is good for so many seconds, the one under way included.
    #[must_use]
    pub fn token_for(&self, seconds: i64) -> String {
        sign(&self.claims(seconds), JWT_SECRET)
    }

    /// A token that ended an hour ago.
    #[must_use]
    pub fn expired_token(&self) -> String {
        sign(&self.claims(-3600), JWT_SECRET)
    }

    /// The room that is this user's alone.
    #[must_use]
    pub fn room(&self) -> String {
        format!("user:{}", self.id)
    }

    fn claims(&self, seconds_from_now: i64) -> Value {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let mut claims = Map::from_iter([
            ("userId".to_owned(), json!(self.id)),
            ("email".to_owned(), json!(format!("{}@clinic.example", self.id))),
            ("role".to_owned(), json!(self.role)),
            ("iat".to_owned(), json!(now.min(now + seconds_from_now - 60))),
            ("exp".to_owned(), json!(now + seconds_from_now)),
        ]);
        if let Some((claim, id)) = &self.profile {
            claims.insert((*claim).to_owned(), json!(id));
        }
        claims.into()
    }
}

/// Signs claims with HS256.
///
/// # Panics
/// When the claims refuse to become JSON.
#[must_use]
pub fn sign(claims: &Value, secret: &str) -> String {
    match encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())) {
        Ok(token) => token,
        Err(error) => panic!("signing {claims}: {error}"),
    }
}

/// A patient.
#[must_use]
pub fn ann() -> User {
    User::new("ann", "PATIENT")
}

/// A second patient, whose profile has another id than the account; the role in lower case, as some issuers write it.
#[must_use]
pub fn ben() -> User {
    User { profile: Some(("patientId", "pat-9".into())), ..User::new("ben", "patient") }
}

/// A doctor.
#[must_use]
pub fn chen() -> User {
    User::new("chen", "DOCTOR")
}

/// A second doctor, whose profile has another id than the account.
#[must_use]
pub fn diaz() -> User {
    User { profile: Some(("doctorId", "doc-7".into())), ..User::new("diaz", "DOCTOR") }
}

/// An admin.
#[must_use]
pub fn eve() -> User {
    User::new("eve", "ADMIN")
}

/// A second admin, with the higher role.
#[must_use]
pub fn fay() -> User {
    User::new("fay", "SUPER_ADMIN")
}

/// All six.
#[must_use]
pub fn everyone() -> [User; 6] {
    [ann(), ben(), chen(), diaz(), eve(), fay()]
}
