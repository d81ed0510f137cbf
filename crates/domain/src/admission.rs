//! Who may come in.

use std::sync::Arc;

use crate::ports::{AuthError, Authenticate, Clock};
use crate::{BlockList, Principal, Timestamp, UserId};

/// Why someone was not let in: the codes of the contract that have to do with who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No token at all, or an empty one.
    #[error("Authentication token missing")]
    TokenMissing,
    /// Not a token of ours. The reason is for the log alone.
    #[error("Invalid authentication token")]
    TokenInvalid {
        /// What exactly, without anything from the token.
        reason: &'static str,
    },
    /// A token of ours that is over.
    #[error("Authentication token expired")]
    TokenExpired,
    /// A token of ours, of a user who is blocked.
    #[error("User is blocked")]
    UserBlocked,
}

impl Refusal {
    /// The stable code that clients and callers see.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TokenMissing => "token_missing",
            Self::TokenInvalid { .. } => "token_invalid",
            Self::TokenExpired => "token_expired",
            Self::UserBlocked => "user_blocked",
        }
    }
}

/// Turns a token into a principal, at the door of a socket as of a request.
#[derive(Clone)]
pub struct Admission {
    authenticate: Arc<dyn Authenticate>,
    clock: Arc<dyn Clock>,
    blocks: Arc<BlockList>,
}

impl Admission {
    /// An admission over these ports. Nobody is blocked until its [`Admission::blocks`] are read.
    pub fn new(authenticate: Arc<dyn Authenticate>, clock: Arc<dyn Clock>) -> Self {
        Self { authenticate, clock, blocks: Arc::default() }
    }

    /// Who is not admitted, whatever their token.
    #[must_use]
    pub fn blocks(&self) -> &Arc<BlockList> {
        &self.blocks
    }

    /// The principal of a token, if it counts for anything now.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn admit(&self, token: Option<&str>) -> Result<Principal, Refusal> {
        let token = token.filter(|token| !token.is_empty()).ok_or(Refusal::TokenMissing)?;
        let authenticated = self.authenticate.authenticate(token, self.clock.now());
        let principal = authenticated.map_err(|fault| match fault {
            AuthError::Expired => Refusal::TokenExpired,
            AuthError::Invalid { reason } => Refusal::TokenInvalid { reason },
        })?;
        if self.blocks.has(principal.user_id()) { Err(Refusal::UserBlocked) } else { Ok(principal) }
    }

    /// The principal of a fresh token for someone who is in already.
    ///
    /// # Errors
    /// As [`Admission::admit`]; another user's token is [`Refusal::TokenInvalid`].
    pub fn renew(&self, user_id: &UserId, token: &str) -> Result<Principal, Refusal> {
        let principal = self.admit(Some(token))?;
        if principal.user_id() == user_id {
            Ok(principal)
        } else {
            Err(Refusal::TokenInvalid { reason: "another user's" })
        }
    }

    /// From when on the principal's token counts for nothing: whoever came in by it has to leave.
    #[must_use]
    pub fn ends_at(&self, principal: &Principal) -> Timestamp {
        principal.expires_at().saturating_add(self.authenticate.leeway())
    }
}

/// What an `Authorization` header carries: `Bearer X` with the scheme in any letter case (RFC 6750 §2.1), or the bare
/// `X` that some clients send. Another scheme is no credential for us.
#[must_use]
pub fn bearer(authorization: &str) -> Option<&str> {
    let value = authorization.trim();
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        None if !value.eq_ignore_ascii_case("bearer") => value,
        Some(_) | None => return None,
    };
    Some(token).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_bearer_token_or_bare() {
        for (value, expected) in [
            ("Bearer abc", Some("abc")),
            ("bEARER  abc ", Some("abc")),
            ("abc", Some("abc")),
            ("", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic abc", None),
        ] {
            assert_eq!(bearer(value), expected, "{value:?}");
        }
    }
}
