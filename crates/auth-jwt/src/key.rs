//! Where the key comes from, and which algorithms it allows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use carillon_domain::Timestamp;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation};
use secrecy::{ExposeSecret, SecretString};

use crate::jwks::JwksFile;

/// The shortest HS256 secret: as long as the hash (RFC 7518 §3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// A 2048-bit modulus alone takes 256 bytes of the key's DER; shorter keys are refused (RFC 7518 §3.3).
const MIN_RSA_DER_BYTES: usize = 256;

/// How tokens are checked.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The key, or the keys of one kind.
    pub source: KeySource,
    /// If set, `iss` must be this.
    pub issuer: Option<String>,
    /// If set, `aud` must be or contain this.
    pub audience: Option<String>,
    /// How far the issuer's clock and ours may differ.
    pub leeway: Duration,
}

/// Where keys come from: a shared secret, or public keys; never both.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// HS256 by a shared secret of at least [`MIN_SECRET_BYTES`].
    Secret(SecretString),
    /// The PEM of an RSA (RS256 to PS512), EC P-256 (ES256), EC P-384 (ES384) or Ed25519 (EdDSA) public key.
    PublicKeyPem(String),
    /// A file with a JWK Set (RFC 7517 §5) of such public keys, each with the `kid` by which tokens name it. It is read
    /// again when it changes: rotation needs no restart.
    JwksFile(PathBuf),
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
    /// The file is not there, or not for us.
    #[error("cannot be read")]
    Unreadable,
    /// No JSON of the form `{"keys": […]}`, too large, or without a key that is taken.
    #[error(
        "holds no JWK set with a public key of a kind that is taken: RSA of 2048 bits or more, EC P-256 or P-384, Ed25519"
    )]
    NoKeySet,
    /// A shared secret beside public keys lets whoever reads the file sign.
    #[error("holds a shared secret (kty oct): public keys alone belong there")]
    SharedSecret,
    /// The issuer's secret is not ours to know.
    #[error("holds a private key: public keys alone belong there")]
    PrivateKey,
    /// It would be left to chance which of the two counts.
    #[error("holds two keys of the same kid")]
    SameKeyId,
}

/// A key and what it allows. A token's own `alg` is only ever compared with that.
pub(crate) struct Key {
    pub(crate) decoding: DecodingKey,
    pub(crate) validation: Validation,
}

impl Key {
    pub(crate) fn new(decoding: DecodingKey, algorithms: Vec<Algorithm>) -> Self {
        let mut validation = Validation::new(algorithms.first().copied().unwrap_or(Algorithm::HS256));
        validation.algorithms = algorithms;
        // The library would ask the wall clock; every claim is checked in `claims` instead, with the caller's `now`.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self { decoding, validation }
    }
}

/// The keys of a source.
pub(crate) enum Keys {
    One(Arc<Key>),
    File(JwksFile),
}

impl Keys {
    /// The key that a token with this `kid` is checked by. A single key is every token's, whatever they call it.
    pub(crate) fn find(&self, kid: Option<&str>, now: Timestamp) -> Option<Arc<Key>> {
        match self {
            Self::One(key) => Some(Arc::clone(key)),
            Self::File(file) => file.find(kid, now),
        }
    }
}

impl KeySource {
    /// Whether a [`Verifier`](crate::Verifier) can be made with this key.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), KeyError> {
        self.open().map(drop)
    }

    pub(crate) fn open(&self) -> Result<Keys, KeyError> {
        let (key, algorithms) = match self {
            Self::Secret(secret) if secret.expose_secret().len() < MIN_SECRET_BYTES => {
                return Err(KeyError::ShortSecret);
            }
            Self::Secret(secret) => {
                (DecodingKey::from_secret(secret.expose_secret().as_bytes()), vec![Algorithm::HS256])
            }
            Self::PublicKeyPem(pem) => public_key(pem)?,
            Self::JwksFile(path) => return JwksFile::open(path).map(Keys::File),
        };
        Ok(Keys::One(Arc::new(Key::new(key, algorithms))))
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
