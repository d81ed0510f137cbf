//! Who a token speaks for: JSON Web Tokens (RFC 7519) in, [`Principal`](carillon_domain::Principal)s out.
//!
//! [`Verifier`] checks a token against its key, which alone decides the algorithms that count, and reads the claims;
//! [`Signer`] makes HS256 tokens for the `token` command, the demo and the tests. Neither reads a clock: `now` is an
//! argument. A client learns only whether a token is expired or invalid; the reason is for the log and repeats nothing of
//! the token.

mod claims;
mod jwks;
mod key;
mod pid;
mod signer;
mod verifier;

pub use key::{JwtConfig, KeyError, KeySource, MIN_SECRET_BYTES};
pub use pid::PidSealer;
pub use signer::{SignError, Signer, TokenClaims};
pub use verifier::{MAX_TOKEN_BYTES, Verifier};

#[cfg(test)]
mod tests;
