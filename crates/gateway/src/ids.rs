//! Random ids.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carillon_domain::Timestamp;

/// 20 characters that nobody can guess: 15 bytes of the thread's cryptographic generator, as engine.io makes its ids.
pub(crate) fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())
}

/// What tells a connection of a session from an earlier one, on whatever node. Of two in the same millisecond neither is
/// the earlier; the one whose client is gone ends by its heartbeat then.
pub(crate) fn claim(now: Timestamp) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or_default()
}
