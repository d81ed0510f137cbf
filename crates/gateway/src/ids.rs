//! Random ids.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// 20 characters that nobody can guess: 15 bytes of the thread's cryptographic generator, as engine.io makes its ids.
pub(crate) fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())
}
