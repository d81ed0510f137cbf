//! Who a token speaks for.

use std::time::Duration;

use crate::{Principal, Timestamp};

/// Checks tokens.
pub trait Authenticate: Send + Sync {
    /// The principal of a token that is valid at `now`. Pure but for keys that may be reloaded: the same token and
    /// time give the same answer.
    ///
    /// # Errors
    /// The token is none, not ours, or over.
    fn authenticate(&self, token: &str, now: Timestamp) -> Result<Principal, AuthError>;

    /// How long after its own end a token still counts: how far the issuer's clock may be behind.
    fn leeway(&self) -> Duration;
}

/// Why a token counts for nothing. The reason is for the log; clients learn no more than the variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Malformed, forged, for someone else, not valid yet, or lacking a claim.
    #[error("invalid token: {reason}")]
    Invalid {
        /// What exactly, without anything from the token.
        reason: &'static str,
    },
    /// It was valid, and is over.
    #[error("expired token")]
    Expired,
}
