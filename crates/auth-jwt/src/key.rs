//! Where the key comes from, and which algorithms it allows.

use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use secrecy::{ExposeSecret, SecretString};

/// The shortest HS256 secret: as long as the hash (RFC 7518 §3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// A 2048-bit modulus alone takes 256 bytes of the key's DER; shorter keys are refused (RFC 7518 §3.3).
const MIN_RSA_DER_BYTES: usize = 256;

/// How tokens are checked.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The one key.
    pub source: KeySource,
    /// If set, `iss` must be this.
    pub issuer: Option<String>,
    /// If set, `aud` must be or contain this.
    pub audience: Option<String>,
    /// How far the issuer's clock and ours may differ.
    pub leeway: Duration,
}

/// A key, and with it one family of algorithms.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// HS256 by a shared secret of at least [`MIN_SECRET_BYTES`].
    Secret(SecretString),
    /// The PEM of an RSA (RS256 to PS512), EC P-256 (ES256), EC P-384 (ES384) or Ed25519 (EdDSA) public key.
    PublicKeyPem(String),
}

/// Why a key cannot be used. `Display` fits behind the name of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A short secret can be guessed from one token.
    #[error("must have at least {MIN_SECRET_BYTES} bytes")]
    ShortSecret,
    /// Neither `PUBLIC KEY` nor `RSA PUBLIC KEY` in PEM: a private key or a certificate, perhaps.
    #[error("holds no PEM public key (BEGIN PUBLIC KEY)")]
    NoPublicKey,
    /// A public key of a kind or size that is not taken.
    #[error("the key must be RSA of 2048 bits or more, EC P-256 or P-384, or Ed25519")]
    Unsupported,
}

impl KeySource {
    /// Whether a [`Verifier`](crate::Verifier) can be made with this key.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), KeyError> {
        self.decode().map(drop)
    }

    /// The key and the algorithms it allows. A token's own `alg` is only ever compared with these.
    pub(crate) fn decode(&self) -> Result<(DecodingKey, Vec<Algorithm>), KeyError> {
        match self {
            Self::Secret(secret) if secret.expose_secret().len() < MIN_SECRET_BYTES => {
                Err(KeyError::ShortSecret)
            }
            Self::Secret(secret) => {
                Ok((DecodingKey::from_secret(secret.expose_secret().as_bytes()), vec![Algorithm::HS256]))
            }
            Self::PublicKeyPem(pem) => public_key(pem),
        }
    }
}

fn public_key(pem: &str) -> Result<(DecodingKey, Vec<Algorithm>), KeyError> {
    // The decoder would also take private keys and look for a key inside a certificate.
    if !["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"].iter().any(|tag| pem.contains(tag)) {
        return Err(KeyError::NoPublicKey);
    }
    let pem = pem.as_bytes();
    let key = DecodingKey::from_ec_pem(pem)
        .or_else(|_| DecodingKey::from_ed_pem(pem))
        .or_else(|_| DecodingKey::from_rsa_pem(pem))
        .map_err(|_| KeyError::NoPublicKey)?;
    let length = key.try_get_as_bytes().map_err(|_| KeyError::Unsupported)?.len();
    let algorithms = match (key.family(), length) {
        // An uncompressed point: one byte, then two coordinates.
        (AlgorithmFamily::Ec, 65) => vec![Algorithm::ES256],
        (AlgorithmFamily::Ec, 97) => vec![Algorithm::ES384],
        (AlgorithmFamily::Ed, 32) => vec![Algorithm::EdDSA],
        (AlgorithmFamily::Rsa, MIN_RSA_DER_BYTES..) => AlgorithmFamily::Rsa.algorithms().to_vec(),
        _ => return Err(KeyError::Unsupported),
    };
    Ok((key, algorithms))
}
