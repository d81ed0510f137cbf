//! The claims of a token as they arrive, and what they mean (CONTRACT: "Tokens and rooms").

use std::time::Duration;

use carillon_domain::ports::AuthError;
use carillon_domain::{Principal, Role, Timestamp, UserId};
use serde::Deserialize;

/// The claims this gateway reads; any others are the issuer's business. A claim of the wrong type is no claim set at all.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claims {
    user_id: Option<Id>,
    sub: Option<Id>,
    doctor_id: Option<Id>,
    patient_id: Option<Id>,
    email: Option<String>,
    role: Option<String>,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    iss: Option<String>,
    aud: Option<Audience>,
}

/// Platforms with numeric primary keys put them into tokens as numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(u64),
}

/// Seconds since 1970, a fraction allowed (RFC 7519 §2).
#[derive(Deserialize)]
#[serde(untagged)]
enum NumericDate {
    Whole(i64),
    Other(f64),
}

/// One audience or several (RFC 7519 §4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Claims {
    /// `iss` and `aud`, as far as the settings demand them.
    pub(crate) fn check_origin(&self, issuer: Option<&str>, audience: Option<&str>) -> Result<(), AuthError> {
        if issuer.is_some() && self.iss.as_deref() != issuer {
            return Err(invalid("iss is not ours"));
        }
        let ours = |audience: &str| match &self.aud {
            Some(Audience::One(one)) => one == audience,
            Some(Audience::Several(several)) => several.iter().any(|one| one == audience),
            None => false,
        };
        if audience.is_some_and(|audience| !ours(audience)) {
            Err(invalid("aud does not name us"))
        } else {
            Ok(())
        }
    }

    /// `exp`, `nbf` and `iat` at the instant `now`; answers when the token ends. RFC 7519 §4.1.4: *on or after* `exp`
    /// it has ended, here after the leeway.
    pub(crate) fn check_times(&self, now: Timestamp, leeway: Duration) -> Result<Timestamp, AuthError> {
        let ends = self.exp.as_ref().ok_or(invalid("exp is missing"))?.instant()?;
        if now >= ends.saturating_add(leeway) {
            return Err(AuthError::Expired);
        }
        let latest = now.saturating_add(leeway);
        for begins in [&self.nbf, &self.iat].into_iter().flatten() {
            if begins.instant()? > latest {
                return Err(invalid("nbf or iat is in the future"));
            }
        }
        Ok(ends)
    }

    /// Whom the claims name.
    pub(crate) fn into_principal(self, ends: Timestamp) -> Result<Principal, AuthError> {
        let user_id = match (parse(self.user_id)?, parse(self.sub)?) {
            (Some(user_id), Some(sub)) if user_id != sub => return Err(invalid("userId and sub differ")),
            (user_id, sub) => user_id.or(sub).ok_or(invalid("neither userId nor sub"))?,
        };
        let role: Role = self
            .role
            .as_deref()
            .and_then(|role| role.parse().ok())
            .ok_or(invalid("role is missing or unknown"))?;
        let profile_id = match role {
            Role::Doctor => parse(self.doctor_id)?,
            Role::Patient => parse(self.patient_id)?,
            Role::Admin | Role::SuperAdmin => None,
        };
        Ok(Principal::new(user_id, self.email.filter(|email| !email.is_empty()), role, profile_id, ends))
    }
}

impl NumericDate {
    fn instant(&self) -> Result<Timestamp, AuthError> {
        match *self {
            Self::Whole(seconds) => jiff::Timestamp::from_second(seconds),
            Self::Other(seconds) => {
                jiff::SignedDuration::try_from_secs_f64(seconds).and_then(jiff::Timestamp::from_duration)
            }
        }
        .map(Timestamp::from)
        .map_err(|_| invalid("a date is out of range (seconds are expected)"))
    }
}

/// Refused, with a reason for the log.
pub(crate) const fn invalid(reason: &'static str) -> AuthError {
    AuthError::Invalid { reason }
}

fn parse(id: Option<Id>) -> Result<Option<UserId>, AuthError> {
    let text = match id {
        None => return Ok(None),
        Some(Id::Text(text)) => text,
        Some(Id::Number(number)) => number.to_string(),
    };
    text.parse().map(Some).map_err(|_| invalid("an id is malformed"))
}
