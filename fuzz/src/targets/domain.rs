//! What services, browsers and token issuers write.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use carillon_auth_jwt::{JwtConfig, KeySource, Verifier};
use carillon_domain::ports::Authenticate as _;
use carillon_domain::{ActionUrl, Draft, Faults, MAX_ROOMS, Offset, Timestamp, bearer};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;
use url::Url;

const SECRET: &str = "a-secret-for-fuzzing-alone-0123456789";
const LEEWAY: Duration = Duration::from_secs(5);

/// The time at which everything here happens.
fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000).expect("a time of our days")
}

/// An offset has one spelling.
pub fn offset(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(offset) = text.parse::<Offset>() {
        assert_eq!(offset.to_string(), text);
    }
}

/// The body of a publish, read as each of the three that there are.
pub fn draft(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    check_draft(Draft::parse_event(body.clone()));
    check_draft(Draft::parse_notification(body.clone(), now()));
    match Draft::parse_batch(body, now()) {
        Ok(items) => {
            assert!((1..=Draft::MAX_BATCH).contains(&items.len()));
            items.into_iter().for_each(check_draft);
        }
        Err(faults) => check_faults(&faults),
    }
}

fn check_draft(draft: Result<Draft, Faults>) {
    match draft {
        Ok(draft) => {
            let distinct: HashSet<_> = draft.rooms().iter().collect();
            assert_eq!(distinct.len(), draft.rooms().len());
            assert!((1..=MAX_ROOMS).contains(&distinct.len()));
        }
        Err(faults) => check_faults(&faults),
    }
}

fn check_faults(faults: &Faults) {
    assert!(faults.iter().next().is_some(), "a refusal without a fault");
    assert!(faults.iter().all(|fault| fault.pointer.is_empty() || fault.pointer.starts_with('/')));
}

/// Where a click leads, as a browser on another site's page would understand the text.
pub fn action_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(url) = text.parse::<ActionUrl>() else { return };
    assert_eq!(url.as_str(), text);
    let page = Url::parse("http://page.example:8080/inbox").expect("a URL");
    // What no browser can follow does no harm.
    let Ok(target) = page.join(text) else { return };
    if text.starts_with('/') {
        assert_eq!(target.origin(), page.origin(), "{text:?} leads elsewhere");
    } else {
        assert_eq!((target.scheme(), target.username(), target.password()), ("https", "", None), "{text:?}");
    }
}

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let source = KeySource::Secret(SECRET.into());
    let config = JwtConfig { source, issuer: None, audience: None, leeway: LEEWAY };
    Verifier::new(config).expect("the secret is long enough")
});

/// A token, or else the claims of one that is then signed.
pub fn token(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = bearer(text);
        assert!(VERIFIER.authenticate(text, now()).is_err(), "a token that nobody signed");
    }
    let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    let signed = format!("{}.{}", encode(br#"{"alg":"HS256"}"#), encode(data));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).expect("HS256");
    let Ok(principal) = VERIFIER.authenticate(&format!("{signed}.{signature}"), now()) else { return };
    let leeway = i64::try_from(LEEWAY.as_millis()).expect("seconds");
    assert!(principal.expires_at().as_millis() + leeway > now().as_millis(), "an old token");
    assert!(!principal.rooms().is_empty());
}
