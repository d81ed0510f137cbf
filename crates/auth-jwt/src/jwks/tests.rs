use std::fs;

use carillon_domain::ports::{AuthError, Authenticate as _};
use jsonwebtoken::jwk::Jwk as PublicJwk;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::key::Keys;
use crate::tests::{EC, ED, RSA};
use crate::{JwtConfig, KeySource, Verifier};

const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis((NOW + seconds) * 1000).unwrap()
}

fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap()
}

fn ec() -> EncodingKey {
    EncodingKey::from_ec_pem(EC.as_bytes()).unwrap()
}

fn ed() -> EncodingKey {
    EncodingKey::from_ed_pem(ED.as_bytes()).unwrap()
}

/// The public half of a key under this id, without the algorithm it is for.
fn public(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> Value {
    let mut jwk = serde_json::to_value(PublicJwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
    jwk.as_object_mut().unwrap().remove("alg");
    jwk["kid"] = json!(kid);
    jwk
}

fn with(mut jwk: Value, field: &str, value: impl Into<Value>) -> Value {
    jwk[field] = value.into();
    jwk
}

fn token(key: &EncodingKey, algorithm: Algorithm, kid: Option<&str>) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    let claims = json!({"userId": "u1", "role": "PATIENT", "exp": NOW + 86_400});
    jsonwebtoken::encode(&header, &claims, key).unwrap()
}

struct Desk {
    _directory: TempDir,
    path: PathBuf,
}

impl Desk {
    fn new(keys: &[Value]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let desk = Self { path: directory.path().join("jwks.json"), _directory: directory };
        desk.write(keys);
        desk
    }

    fn write(&self, keys: &[Value]) {
        fs::write(&self.path, json!({"keys": keys}).to_string()).unwrap();
    }

    fn verifier(&self) -> Result<Verifier, KeyError> {
        let source = KeySource::JwksFile(self.path.clone());
        Verifier::new(JwtConfig { source, issuer: None, audience: None, leeway: Duration::ZERO })
    }

    fn refused(&self, keys: &[Value]) -> KeyError {
        self.write(keys);
        self.verifier().err().unwrap()
    }
}

fn reads(verifier: &Verifier) -> u32 {
    match verifier.keys() {
        Keys::File(file) => file.reads(),
        Keys::One(_) => panic!("not a file"),
    }
}

#[track_caller]
fn refused(verifier: &Verifier, token: &str, seconds: i64, words: &str) {
    match verifier.authenticate(token, at(seconds)) {
        Err(AuthError::Invalid { reason }) => assert!(reason.contains(words), "{reason}"),
        other => panic!("{other:?}"),
    }
}

// J3, J4
#[test]
fn the_key_that_a_token_names_decides_the_algorithm() {
    let keys = [
        public(&rsa(), Algorithm::RS256, "r"),
        with(public(&rsa(), Algorithm::RS256, "r-ps"), "alg", "PS256"),
        public(&ec(), Algorithm::ES256, "e"),
        with(public(&ed(), Algorithm::EdDSA, "d"), "alg", "EdDSA"),
    ];
    let verifier = Desk::new(&keys).verifier().unwrap();
    for (key, algorithm, kid) in [
        (rsa(), Algorithm::RS256, "r"),
        (rsa(), Algorithm::PS384, "r"),
        (rsa(), Algorithm::PS256, "r-ps"),
        (ec(), Algorithm::ES256, "e"),
        (ed(), Algorithm::EdDSA, "d"),
    ] {
        let outcome = verifier.authenticate(&token(&key, algorithm, Some(kid)), at(0));
        assert!(outcome.is_ok(), "{algorithm:?} {kid}: {outcome:?}");
    }
    refused(&verifier, &token(&rsa(), Algorithm::RS256, Some("r-ps")), 0, "algorithm");
    refused(&verifier, &token(&rsa(), Algorithm::RS256, Some("e")), 0, "algorithm");
    refused(&verifier, &token(&ec(), Algorithm::ES256, Some("d")), 0, "algorithm");
    let public_part = keys[0]["n"].as_str().unwrap().as_bytes();
    let shared = EncodingKey::from_secret(public_part);
    refused(&verifier, &token(&shared, Algorithm::HS256, Some("r")), 0, "algorithm");
    // Without a name only the one key of a set counts.
    refused(&verifier, &token(&rsa(), Algorithm::RS256, None), 0, "kid");
    let alone = Desk::new(&keys[..1]).verifier().unwrap();
    assert!(alone.authenticate(&token(&rsa(), Algorithm::RS256, None), at(0)).is_ok());
}

// J8
#[test]
fn ten_thousand_unknown_kids_cost_one_reading_in_thirty_seconds() {
    let desk = Desk::new(&[public(&ec(), Algorithm::ES256, "e")]);
    let verifier = desk.verifier().unwrap();
    for n in 0..10_000 {
        let kid = match n % 3 {
            0 => "../../etc/passwd".to_owned(),
            1 => "' OR 1=1 --".to_owned(),
            _ => format!("k{n}"),
        };
        let unknown =
            format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(json!({"alg": "ES256", "kid": kid}).to_string()));
        refused(&verifier, &unknown, n / 350, "kid");
    }
    assert_eq!(reads(&verifier), 2, "at the start, and for the first of them");
    refused(&verifier, &token(&ec(), Algorithm::ES256, Some("f")), 30, "kid");
    assert_eq!(reads(&verifier), 3);
}

#[test]
fn keys_rotate_without_a_restart() {
    let (old, new) = (public(&ec(), Algorithm::ES256, "old"), public(&ed(), Algorithm::EdDSA, "new"));
    let (of_old, of_new) =
        (token(&ec(), Algorithm::ES256, Some("old")), token(&ed(), Algorithm::EdDSA, Some("new")));
    let desk = Desk::new(std::slice::from_ref(&old));
    let verifier = desk.verifier().unwrap();
    assert!(verifier.authenticate(&of_old, at(0)).is_ok());
    desk.write(&[old, new.clone()]);
    // Not looked at yet, but for the key that is missing.
    assert!(verifier.authenticate(&of_new, at(1)).is_ok() && verifier.authenticate(&of_old, at(1)).is_ok());
    desk.write(&[new]);
    assert!(verifier.authenticate(&of_old, at(4)).is_ok(), "not looked at yet");
    refused(&verifier, &of_old, 6, "kid");
    assert!(verifier.authenticate(&of_new, at(6)).is_ok());
    // The clock went back: better looked at once too often than not at all.
    desk.write(&[public(&ec(), Algorithm::ES256, "old")]);
    assert!(verifier.authenticate(&of_old, at(-500)).is_ok());
}

#[test]
fn an_unchanged_file_is_not_read_again() {
    let desk = Desk::new(&[public(&ec(), Algorithm::ES256, "e")]);
    let verifier = desk.verifier().unwrap();
    for n in 0..100 {
        assert!(verifier.authenticate(&token(&ec(), Algorithm::ES256, Some("e")), at(n * 10)).is_ok());
    }
    assert_eq!(reads(&verifier), 1);
}

#[test]
fn a_broken_file_leaves_the_keys_as_they_were() {
    let key = public(&ec(), Algorithm::ES256, "e");
    let desk = Desk::new(std::slice::from_ref(&key));
    let verifier = desk.verifier().unwrap();
    let good = token(&ec(), Algorithm::ES256, Some("e"));
    for (n, text) in ["", "{\"keys\":[", "{\"keys\":[]}", "[]"].into_iter().enumerate() {
        fs::write(&desk.path, text).unwrap();
        assert!(verifier.authenticate(&good, at(100 * i64::try_from(n).unwrap() + 100)).is_ok(), "{text:?}");
    }
    fs::remove_file(&desk.path).unwrap();
    assert!(verifier.authenticate(&good, at(1_000)).is_ok());
    desk.write(&[public(&ed(), Algorithm::EdDSA, "d")]);
    assert!(verifier.authenticate(&token(&ed(), Algorithm::EdDSA, Some("d")), at(1_010)).is_ok());
}

#[test]
fn a_file_that_is_none_is_refused_at_the_start() {
    let (e, d) = (public(&ec(), Algorithm::ES256, "e"), public(&ed(), Algorithm::EdDSA, "d"));
    let desk = Desk::new(&[]);
    assert_eq!(desk.refused(&[]), KeyError::NoKeySet);
    let secret = json!({"kty": "oct", "kid": "s", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"});
    assert_eq!(desk.refused(&[e.clone(), secret.clone()]), KeyError::SharedSecret);
    assert_eq!(desk.refused(&[secret]), KeyError::SharedSecret);
    assert_eq!(desk.refused(&[with(e.clone(), "d", "AA")]), KeyError::PrivateKey);
    assert_eq!(desk.refused(&[e.clone(), with(d.clone(), "kid", "e")]), KeyError::SameKeyId);
    // Passed over, and then there is none.
    let of_other_kinds = [
        with(e.clone(), "use", "enc"),
        with(e.clone(), "key_ops", json!(["deriveKey"])),
        with(e.clone(), "alg", "ES384"),
        with(e.clone(), "alg", "none"),
        with(e.clone(), "crv", "P-384"),
        with(e.clone(), "crv", "secp256k1"),
        with(e, "x", "AA"),
        with(d.clone(), "crv", "X25519"),
        with(public(&rsa(), Algorithm::RS256, "r"), "n", "_".repeat(171)),
        json!({"kty": "new"}),
    ];
    for key in of_other_kinds {
        assert_eq!(desk.refused(std::slice::from_ref(&key)), KeyError::NoKeySet, "{key}");
        desk.write(&[key, d.clone()]);
        assert!(desk.verifier().is_ok());
    }
    fs::remove_file(&desk.path).unwrap();
    assert_eq!(desk.verifier().err(), Some(KeyError::Unreadable));
}
