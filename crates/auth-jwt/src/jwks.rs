//! A set of public keys in a file (JWK Set, RFC 7517 §5), which the issuer's operator replaces when keys rotate: the old
//! and the new are in it side by side for as long as tokens of the old one live.
//!
//! A token names its key by `kid`, and the key alone decides which algorithms count.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carillon_domain::Timestamp;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;

use crate::KeyError;
use crate::key::Key;

/// How often the file's time and size are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often it is read for the sake of a `kid` that is not in it, at most: bad tokens cost no more.
const READ_EVERY: Duration = Duration::from_secs(30);
/// Larger files are none of ours.
const MAX_BYTES: u64 = 1024 * 1024;

/// The keys of one file.
#[derive(Default)]
pub(crate) struct KeySet {
    by_id: HashMap<String, Arc<Key>>,
    /// The key of a set of one, by which a token without a `kid` counts too.
    only: Option<Arc<Key>>,
}

/// A key as it is written (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2), as far as it matters here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private part.
    d: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Written {
    keys: Vec<Jwk>,
}

impl KeySet {
    /// Reads a set. Keys that cannot check a signature of ours are passed over, as RFC 7517 §5 asks: those for encryption,
    /// and those of kinds and sizes that are not taken.
    pub(crate) fn parse(text: &str) -> Result<Self, KeyError> {
        let Written { keys } = serde_json::from_str(text).map_err(|_| KeyError::NoKeySet)?;
        if keys.iter().any(|key| key.kty == "oct") {
            return Err(KeyError::SharedSecret);
        }
        if keys.iter().any(|key| key.d.is_some()) {
            return Err(KeyError::PrivateKey);
        }
        let mut usable: Vec<_> = keys.into_iter().filter_map(|jwk| Some((jwk.key()?, jwk.kid))).collect();
        if usable.is_empty() {
            return Err(KeyError::NoKeySet);
        }
        let only = (usable.len() == 1).then(|| Arc::clone(&usable[0].0));
        let count = usable.iter().filter(|(_, kid)| kid.is_some()).count();
        let named = usable.drain(..).filter_map(|(key, kid)| Some((kid?, key)));
        let by_id: HashMap<_, _> = named.collect();
        if by_id.len() < count { Err(KeyError::SameKeyId) } else { Ok(Self { by_id, only }) }
    }

    pub(crate) fn find(&self, kid: Option<&str>) -> Option<Arc<Key>> {
        kid.map_or(self.only.as_ref(), |kid| self.by_id.get(kid)).map(Arc::clone)
    }
}

impl Jwk {
    fn key(&self) -> Option<Arc<Key>> {
        let is_for_us = self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let (x, y, n) = (bytes(&self.x), bytes(&self.y), bytes(&self.n));
        let is_point = |size| [&x, &y].iter().all(|c| c.as_ref().is_some_and(|c| c.len() == size));
        let algorithms = match (self.kty.as_str(), self.crv.as_deref()) {
            // A modulus without leading zeros of 2048 bits or more (RFC 7518 §3.3).
            ("RSA", None) if n.is_some_and(|n| n.len() >= 256 && n[0] != 0) => {
                AlgorithmFamily::Rsa.algorithms()
            }
            ("EC", Some("P-256")) if is_point(32) => &[Algorithm::ES256],
            ("EC", Some("P-384")) if is_point(48) => &[Algorithm::ES384],
            ("OKP", Some("Ed25519")) if x.is_some_and(|x| x.len() == 32) => &[Algorithm::EdDSA],
            _ => return None,
        };
        // One that names its algorithm counts for that one alone.
        let named =
            |algorithm: &Algorithm| self.alg.as_ref().is_none_or(|alg| *alg == format!("{algorithm:?}"));
        let algorithms: Vec<_> = algorithms.iter().copied().filter(named).collect();
        let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
        let decoding = match self.kty.as_str() {
            "RSA" => DecodingKey::from_rsa_components(&text(&self.n), &text(&self.e)),
            "EC" => DecodingKey::from_ec_components(&text(&self.x), &text(&self.y)),
            _ => DecodingKey::from_ed_components(&text(&self.x)),
        };
        (is_for_us && !algorithms.is_empty()).then(|| Some(Arc::new(Key::new(decoding.ok()?, algorithms))))?
    }
}

/// A file of keys, read again when it changes. Looking is done by whoever checks a token, at most so often; a local file of
/// this size is no wait.
pub(crate) struct JwksFile {
    path: PathBuf,
    keys: RwLock<Arc<KeySet>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Time, size and number of the file when it was read.
    stamp: Option<(i64, i64, u64, u64)>,
    looked_at: Option<Timestamp>,
    read_at: Option<Timestamp>,
    #[cfg(test)]
    reads: u32,
}

impl JwksFile {
    /// The keys of this file, which must be usable now.
    pub(crate) fn open(path: &Path) -> Result<Self, KeyError> {
        let mut seen = Seen::default();
        let keys = seen.read(path)?;
        Ok(Self { path: path.to_owned(), keys: RwLock::new(Arc::new(keys)), seen: Mutex::new(seen) })
    }

    /// The key of this id.
    pub(crate) fn find(&self, kid: Option<&str>, now: Timestamp) -> Option<Arc<Key>> {
        self.look(now, false);
        self.keys().find(kid).or_else(|| {
            self.look(now, true);
            self.keys().find(kid)
        })
    }

    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file if it is time: because it has changed, or because a key `is_missing`. One that cannot be used leaves
    /// the keys as they were. While another looks, nobody waits.
    fn look(&self, now: Timestamp, is_missing: bool) {
        let Ok(mut seen) = self.seen.try_lock() else { return };
        let (last, every) =
            if is_missing { (&mut seen.read_at, READ_EVERY) } else { (&mut seen.looked_at, LOOK_EVERY) };
        if last.is_some_and(|at| at <= now && now < at.saturating_add(every)) {
            return;
        }
        *last = Some(now);
        if !is_missing && seen.stamp.is_some() && seen.stamp == stamp(&self.path) {
            return;
        }
        match seen.read(&self.path) {
            Ok(keys) => {
                tracing::info!(keys = keys.by_id.len(), "the JWKS file was read");
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
            }
            Err(fault) => {
                tracing::warn!(error = %fault, "the JWKS file cannot be used; the keys it had stay");
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn reads(&self) -> u32 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).reads
    }
}

impl Seen {
    fn read(&mut self, path: &Path) -> Result<KeySet, KeyError> {
        #[cfg(test)]
        {
            self.reads += 1;
        }
        // Before the text: one that changes meanwhile is read once more.
        self.stamp = stamp(path);
        if self.stamp.is_some_and(|(_, _, size, _)| size > MAX_BYTES) {
            return Err(KeyError::NoKeySet);
        }
        KeySet::parse(&std::fs::read_to_string(path).map_err(|_| KeyError::Unreadable)?)
    }
}

fn stamp(path: &Path) -> Option<(i64, i64, u64, u64)> {
    let stamp = |file: Metadata| (file.mtime(), file.mtime_nsec(), file.size(), file.ino());
    std::fs::metadata(path).ok().map(stamp)
}

#[cfg(test)]
mod tests;
