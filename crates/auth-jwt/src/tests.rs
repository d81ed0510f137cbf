//! Tokens as people send them, kindly and otherwise. J-numbers are rows of the table of faults.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carillon_domain::ports::{AuthError, Authenticate};
use carillon_domain::{Principal, Role, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "a secret of the tests, 32 bytes and more";
const NOW: i64 = 1_800_000_000;
const LEEWAY: i64 = 5;

pub(crate) const RSA: &str = include_str!("../test-keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("../test-keys/rsa.pub.pem");
pub(crate) const EC: &str = include_str!("../test-keys/ec.pem");
const EC_PUBLIC: &str = include_str!("../test-keys/ec.pub.pem");
pub(crate) const ED: &str = include_str!("../test-keys/ed.pem");
const ED_PUBLIC: &str = include_str!("../test-keys/ed.pub.pem");

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000).unwrap()
}

fn config(source: KeySource) -> JwtConfig {
    JwtConfig { source, issuer: None, audience: None, leeway: Duration::from_secs(LEEWAY.unsigned_abs()) }
}

fn by_secret() -> Verifier {
    Verifier::new(config(KeySource::Secret(SECRET.into()))).unwrap()
}

fn by_pem(pem: &str) -> Verifier {
    Verifier::new(config(KeySource::PublicKeyPem(pem.into()))).unwrap()
}

/// Valid claims, changed by `changes`; a `null` takes a claim away.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({"userId": "u1", "role": "PATIENT", "exp": NOW + 60});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

fn check(changes: &Value) -> Result<Principal, AuthError> {
    by_secret().authenticate(&signed(&claims(changes)), at(NOW))
}

#[track_caller]
fn invalid(outcome: Result<Principal, AuthError>, words: &str) {
    match outcome {
        Err(AuthError::Invalid { reason }) => assert!(reason.contains(words), "{reason}"),
        other => panic!("not refused as invalid: {other:?}"),
    }
}

/// A token by hand: any header, the claims, any signature.
fn by_hand(header: &Value, signature: &[u8]) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let claims = claims(&json!({}));
    format!(
        "{}.{}.{}",
        part(header.to_string().as_bytes()),
        part(claims.to_string().as_bytes()),
        part(signature)
    )
}

#[test]
fn a_good_token_names_its_principal() {
    let principal =
        check(&json!({"email": "a@example.org", "role": "doctor", "doctorId": 7, "sub": "u1"})).unwrap();
    assert_eq!((principal.user_id().as_str(), principal.role()), ("u1", Role::Doctor));
    assert_eq!((principal.email(), principal.expires_at()), (Some("a@example.org"), at(NOW + 60)));
    let rooms: Vec<_> = principal.rooms().iter().map(ToString::to_string).collect();
    assert_eq!(rooms, ["all", "role:doctor", "user:u1", "doctor:u1", "doctor:7"]);
}

#[test]
fn the_user_is_user_id_or_sub_as_text_or_number() {
    let user = |changes| check(&changes).map(|p| p.user_id().to_string());
    assert_eq!(user(json!({"userId": 42})).unwrap(), "42");
    assert_eq!(user(json!({"userId": null, "sub": "s1"})).unwrap(), "s1");
    assert_eq!(user(json!({"userId": 42, "sub": "42"})).unwrap(), "42");
    invalid(check(&json!({"userId": null})), "neither");
    invalid(check(&json!({"sub": "u2"})), "differ");
    for bad in [json!(""), json!("a b"), json!("x".repeat(129))] {
        invalid(check(&json!({"userId": bad})), "malformed");
    }
    for bad in [json!(1.5), json!(-1), json!(true), json!(["u1"]), json!({"id": 1})] {
        invalid(check(&json!({"userId": bad})), "wrong type");
    }
}

#[test]
fn a_profile_id_counts_for_its_own_role_alone() {
    let rooms =
        |changes| check(&changes).unwrap().rooms().iter().map(ToString::to_string).collect::<Vec<_>>();
    let both = rooms(json!({"doctorId": "d9", "patientId": "p9"}));
    assert!(both.contains(&"patient:p9".to_owned()) && !both.contains(&"doctor:d9".to_owned()), "{both:?}");
    invalid(check(&json!({"patientId": "p 9"})), "malformed");
}

// J12
#[test]
fn a_role_is_one_of_four_in_any_case() {
    for (role, expected) in [
        ("super_admin", Role::SuperAdmin),
        ("Admin", Role::Admin),
        ("DOCTOR", Role::Doctor),
        ("pAtient", Role::Patient),
    ] {
        assert_eq!(check(&json!({"role": role})).unwrap().role(), expected);
    }
    invalid(check(&json!({"role": "NURSE"})), "role");
    invalid(check(&json!({"role": null})), "role");
    invalid(check(&json!({"role": vec!["ADMIN"; 1000]})), "wrong type");
}

#[test]
fn a_token_ends_at_exp_and_the_leeway() {
    let verifier = by_secret();
    let token = signed(&claims(&json!({"exp": NOW})));
    assert!(verifier.authenticate(&token, at(NOW + LEEWAY - 1)).is_ok());
    assert_eq!(verifier.authenticate(&token, at(NOW + LEEWAY)), Err(AuthError::Expired));
    for past in [json!(0), json!(-1), json!(NOW - 3600), json!(1.5)] {
        assert_eq!(check(&json!({"exp": past})), Err(AuthError::Expired), "{past}");
    }
    assert_eq!(check(&json!({"exp": 1_800_000_060.25})).unwrap().expires_at().as_millis(), 1_800_000_060_250);
    invalid(check(&json!({"exp": null})), "exp is missing");
    for huge in [json!(NOW * 1000), json!(i64::MAX), json!(u64::MAX), json!(1e300)] {
        invalid(check(&json!({"exp": huge})), "out of range");
    }
    invalid(check(&json!({"exp": "1800000060"})), "wrong type");
}

// J6
#[test]
fn a_token_of_the_future_does_not_count_yet() {
    for claim in ["nbf", "iat"] {
        assert!(check(&json!({claim: NOW + LEEWAY})).is_ok());
        invalid(check(&json!({claim: NOW + LEEWAY + 1})), "future");
        invalid(check(&json!({claim: "x"})), "wrong type");
        invalid(check(&json!({claim: u64::MAX})), "out of range");
    }
}

// J7
#[test]
fn issuer_and_audience_are_checked_when_set() {
    let demanding = JwtConfig {
        issuer: Some("https://id.example".into()),
        audience: Some("carillon".into()),
        ..config(KeySource::Secret(SECRET.into()))
    };
    let verifier = Verifier::new(demanding).unwrap();
    let check = |iss: Value, aud: Value| {
        verifier.authenticate(&signed(&claims(&json!({"iss": iss, "aud": aud}))), at(NOW))
    };
    let ours = || json!("https://id.example");
    assert!(check(ours(), json!("carillon")).is_ok());
    assert!(check(ours(), json!(["other", "carillon"])).is_ok());
    for wrong in [json!("https://id.example/"), json!(""), Value::Null] {
        invalid(check(wrong, json!("carillon")), "iss");
    }
    for wrong in [json!("other"), json!(["other"]), json!([]), Value::Null] {
        invalid(check(ours(), wrong), "aud");
    }
    invalid(check(json!(["https://id.example"]), json!("carillon")), "wrong type");
    invalid(check(ours(), json!({"carillon": true})), "wrong type");
    assert!(by_secret().authenticate(&signed(&claims(&json!({"iss": "x", "aud": ["y"]}))), at(NOW)).is_ok());
}

// J1
#[test]
fn what_is_no_token_is_refused() {
    let good = signed(&claims(&json!({})));
    let two_parts = good.rsplit_once('.').unwrap().0;
    let padded = format!("{good}==");
    let twice = format!("{good}.{good}");
    for text in ["", "x", "..", "...", "{}", two_parts, &padded, &twice, "é.é.é", "\u{0}"] {
        invalid(by_secret().authenticate(text, at(NOW)), "");
    }
    invalid(by_secret().authenticate(&"a".repeat(MAX_TOKEN_BYTES + 1), at(NOW)), "too long");
    invalid(by_secret().authenticate(&signed(&json!([1])), at(NOW)), "wrong type");
    assert!(by_secret().authenticate(&good, at(NOW)).is_ok());
}

// J2
#[test]
fn an_unsigned_token_is_refused() {
    for alg in ["none", "None", "nOnE", "NONE", "", "HS256"] {
        let header = json!({"typ": "JWT", "alg": alg});
        for verifier in [by_secret(), by_pem(RSA_PUBLIC)] {
            invalid(verifier.authenticate(&by_hand(&header, b""), at(NOW)), "");
        }
    }
    let good = signed(&claims(&json!({})));
    let stripped = format!("{}.", good.rsplit_once('.').unwrap().0);
    invalid(by_secret().authenticate(&stripped, at(NOW)), "signature");
}

#[test]
fn a_changed_token_is_refused() {
    let good = signed(&claims(&json!({})));
    let admin = signed(&claims(&json!({"role": "ADMIN"})));
    let mixed = format!("{}.{}", admin.rsplit_once('.').unwrap().0, good.rsplit_once('.').unwrap().1);
    invalid(by_secret().authenticate(&mixed, at(NOW)), "signature");
}

// J3
#[test]
fn a_public_key_is_no_secret() {
    for secret in [RSA_PUBLIC.as_bytes(), RSA_PUBLIC.trim_end().as_bytes()] {
        let key = EncodingKey::from_secret(secret);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(&json!({})), &key).unwrap();
        invalid(by_pem(RSA_PUBLIC).authenticate(&token, at(NOW)), "algorithm");
    }
}

// J4
#[test]
fn the_key_decides_the_algorithm() {
    let sign = |alg, key| jsonwebtoken::encode(&Header::new(alg), &claims(&json!({})), &key).unwrap();
    let rsa = || EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap();
    let es256 = sign(Algorithm::ES256, EncodingKey::from_ec_pem(EC.as_bytes()).unwrap());
    let eddsa = sign(Algorithm::EdDSA, EncodingKey::from_ed_pem(ED.as_bytes()).unwrap());
    let (rs256, ps512) = (sign(Algorithm::RS256, rsa()), sign(Algorithm::PS512, rsa()));
    let hs512 = sign(Algorithm::HS512, EncodingKey::from_secret(SECRET.as_bytes()));
    let hs256 = signed(&claims(&json!({})));
    let tokens = [&hs256, &hs512, &rs256, &ps512, &es256, &eddsa];

    for (verifier, own) in [
        (by_secret(), vec![&hs256]),
        (by_pem(RSA_PUBLIC), vec![&rs256, &ps512]),
        (by_pem(EC_PUBLIC), vec![&es256]),
        (by_pem(ED_PUBLIC), vec![&eddsa]),
    ] {
        for token in tokens {
            let outcome = verifier.authenticate(token, at(NOW));
            if own.contains(&token) {
                assert!(outcome.is_ok(), "{outcome:?}");
            } else {
                invalid(outcome, "algorithm");
            }
        }
    }
    let zeros = by_hand(&json!({"typ": "JWT", "alg": "ES256"}), &[0; 64]);
    invalid(by_pem(EC_PUBLIC).authenticate(&zeros, at(NOW)), "signature");
}

#[test]
fn an_extension_that_must_be_understood_is_not() {
    let header = Header { crit: Some(vec!["exp".into()]), ..Header::new(Algorithm::HS256) };
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&header, &claims(&json!({})), &key).unwrap();
    invalid(by_secret().authenticate(&token, at(NOW)), "crit");
}

#[test]
fn weak_and_wrong_keys_are_refused_at_the_start() {
    let refused = |source| Verifier::new(config(source)).unwrap_err();
    assert_eq!(refused(KeySource::Secret("x".repeat(31).into())), KeyError::ShortSecret);
    for pem in ["", "x", RSA, EC, ED, "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"] {
        assert_eq!(refused(KeySource::PublicKeyPem(pem.into())), KeyError::NoPublicKey);
    }
    for pem in [include_str!("../test-keys/short.pub.pem"), include_str!("../test-keys/p521.pub.pem")] {
        assert_eq!(refused(KeySource::PublicKeyPem(pem.into())), KeyError::Unsupported);
    }
}

#[test]
fn what_the_signer_signs_the_verifier_accepts() {
    let token_claims = TokenClaims {
        user_id: "u1".parse().unwrap(),
        role: Role::SuperAdmin,
        email: Some("a@example.org".into()),
        doctor_id: None,
        patient_id: Some("p1".parse().unwrap()),
        issuer: Some("me".into()),
        audience: Some("carillon".into()),
        issued_at: at(NOW),
        expires_at: at(NOW + 60),
    };
    let token = Signer::new(&SECRET.into()).unwrap().sign(&token_claims).unwrap();
    let demanding = JwtConfig {
        issuer: Some("me".into()),
        audience: Some("carillon".into()),
        ..config(KeySource::Secret(SECRET.into()))
    };
    let principal = Verifier::new(demanding).unwrap().authenticate(&token, at(NOW)).unwrap();
    assert_eq!((principal.role(), principal.email()), (Role::SuperAdmin, Some("a@example.org")));
    assert_eq!(principal.expires_at(), at(NOW + 60));
    assert_eq!(Signer::new(&"short".into()).err(), Some(KeyError::ShortSecret));
}
