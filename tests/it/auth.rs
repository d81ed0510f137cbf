//! Who may connect, and what the others are told.

use carillon_tests::users::{ann, eve, sign};
use carillon_tests::{Client, Clinic, Connect, NodeSettings};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

const MISSING: (&str, &str) = ("Authentication token missing", "token_missing");
const INVALID: (&str, &str) = ("Invalid authentication token", "token_invalid");
const EXPIRED: (&str, &str) = ("Authentication token expired", "token_expired");

async fn is_refused(clinic: &Clinic, connect: Connect, (message, code): (&str, &str)) {
    for transport in ["polling", "websocket"] {
        let mut client = clinic.client(connect.clone().over(&[transport])).await;
        assert_eq!(
            client.refused().await,
            (message.to_owned(), json!({"code": code})),
            "{transport}: {connect:?}"
        );
    }
}

async fn is_accepted(clinic: &Clinic, connect: Connect) {
    for transport in ["polling", "websocket"] {
        let mut client: Client = clinic.client(connect.clone().over(&[transport])).await;
        client.connected().await;
        clinic.hears_nothing([&mut client]).await;
    }
}

#[tokio::test]
async fn a_token_in_the_payload_opens_the_inbox() {
    let clinic = Clinic::open().await;
    is_accepted(&clinic, Connect::by(&ann())).await;
}

#[tokio::test]
async fn a_token_in_the_header_does_too_with_bearer_or_bare() {
    let clinic = Clinic::open().await;
    let token = ann().token();
    is_accepted(&clinic, Connect::by(&ann()).authorization(&format!("Bearer {token}"))).await;
    is_accepted(&clinic, Connect::by(&ann()).authorization(&token)).await;
}

#[tokio::test]
async fn sub_may_stand_for_the_user_id() {
    let clinic = Clinic::open().await;
    let claims = json!({"sub": "ann", "role": "Patient", "exp": 4_102_444_800_u64});
    let token = sign(&claims, carillon_tests::users::JWT_SECRET);
    is_accepted(&clinic, Connect::by(&ann()).auth(json!({"token": token}))).await;
}

#[tokio::test]
async fn a_token_that_the_binary_signs_is_accepted() {
    let clinic = Clinic::open().await;
    let command = ["token", "--user", "ann", "--role", "PATIENT", "--ttl", "5m"];
    let output = NodeSettings::default().run_to_end(&command).await;
    let token = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    is_accepted(&clinic, Connect::by(&ann()).auth(json!({"token": token.trim()}))).await;
}

#[tokio::test]
async fn without_a_token_one_is_told_so() {
    let clinic = Clinic::open().await;
    for payload in [Value::Null, json!({}), json!({"token": null})] {
        is_refused(&clinic, Connect::by(&ann()).auth(payload), MISSING).await;
    }
}

#[tokio::test]
async fn a_token_in_the_url_is_no_token_and_is_not_logged() {
    let clinic = Clinic::open().await;
    let token = ann().token();
    let connect = Connect::by(&ann()).auth(Value::Null).option("query", json!({"token": token}));
    is_refused(&clinic, connect, MISSING).await;
    assert!(!clinic.node.log().contains(&token), "the token is in the log:\n{}", clinic.node.log());
}

#[tokio::test]
async fn a_bad_token_is_invalid_whatever_is_wrong_with_it() {
    let clinic = Clinic::open().await;
    let claims = |field: &str, value: Value| {
        let mut claims = json!({"userId": "ann", "role": "PATIENT", "exp": 4_102_444_800_u64});
        claims[field] = value;
        claims
    };
    let secret = carillon_tests::users::JWT_SECRET;
    // {"alg":"none"} and the claims of an admin, without a signature.
    let unsigned = "eyJhbGciOiJub25lIn0.eyJ1c2VySWQiOiJldmUiLCJyb2xlIjoiQURNSU4iLCJleHAiOjQxMDI0NDQ4MDB9.";
    let mut cut = ann().token();
    cut.pop();
    let bad = [
        "not a token".to_owned(),
        unsigned.to_owned(),
        cut,
        sign(&claims("role", json!("PATIENT")), "another-secret-0123456789-0123456789"),
        sign(&claims("role", json!("JANITOR")), secret),
        sign(&claims("role", json!(["ADMIN"])), secret),
        sign(&claims("userId", json!("")), secret),
        sign(&claims("exp", Value::Null), secret),
        sign(&json!({"userId": "ann", "role": "PATIENT"}), secret),
    ];
    for token in bad {
        is_refused(&clinic, Connect::by(&ann()).auth(json!({"token": token})), INVALID).await;
        let answer = clinic.http.get("/api/v1/notifications").bearer(&token).send().await;
        answer.expect_problem(401, INVALID.1, "");
    }
    is_accepted(&clinic, Connect::by(&ann())).await;
}

#[tokio::test]
async fn a_token_that_has_ended_is_expired() {
    let clinic = Clinic::open().await;
    let token = ann().expired_token();
    is_refused(&clinic, Connect::by(&ann()).auth(json!({"token": token})), EXPIRED).await;
    is_refused(&clinic, Connect::by(&ann()).authorization(&format!("Bearer {token}")), EXPIRED).await;
    clinic.http.get("/api/v1/notifications").bearer(&token).send().await.expect_problem(401, EXPIRED.1, "");
}

#[tokio::test]
async fn another_namespace_is_invalid_whoever_asks() {
    let clinic = Clinic::open().await;
    for transport in ["polling", "websocket"] {
        let connect = Connect::by(&ann()).namespace("/nope").over(&[transport]);
        let mut client = clinic.client(connect).await;
        assert_eq!(client.refused().await, ("Invalid namespace".to_owned(), Value::Null));
    }
}

#[tokio::test]
async fn publishing_needs_a_key_or_an_admin() {
    let clinic = Clinic::open().await;
    let body = carillon_tests::clinic::note(&["user:ann"], "Hello");
    for path in ["/api/v1/events", "/api/v1/notifications", "/api/v1/notifications/batch"] {
        clinic.http.post(path, &body).send().await.expect_problem(401, "token_missing", "");
        let wrong = clinic.http.post(path, &body).bearer("publish-key-for-tests-alonE").send().await;
        wrong.expect_problem(401, "token_invalid", "");
        clinic.http.post(path, &body).by(&ann()).send().await.expect_problem(403, "forbidden", "");
    }
    let answer = clinic.http.post("/api/v1/notifications", &body).by(&eve()).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    // The key is a publisher's, not a reader's.
    clinic.http.get("/api/v1/notifications").with_key().send().await.expect_problem(401, "token_invalid", "");
}

#[tokio::test]
async fn keys_of_a_jwks_file_rotate_while_the_gateway_runs() {
    let pem = |name: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/auth-jwt/test-keys/");
        std::fs::read(format!("{path}{name}.pem")).unwrap()
    };
    let keys = [
        (EncodingKey::from_ec_pem(&pem("ec")).unwrap(), Algorithm::ES256, "old"),
        (EncodingKey::from_ed_pem(&pem("ed")).unwrap(), Algorithm::EdDSA, "new"),
    ];
    let public: Vec<Value> = (keys.iter())
        .map(|(key, algorithm, kid)| {
            let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, *algorithm).unwrap()).unwrap();
            jwk["kid"] = json!(kid);
            jwk
        })
        .collect();
    let [old, new] = keys.map(|(key, algorithm, kid)| {
        let header = Header { kid: Some(kid.into()), ..Header::new(algorithm) };
        let claims = json!({"userId": "ann", "role": "PATIENT", "exp": 4_102_444_800_u64});
        Connect::by(&ann()).auth(json!({"token": jsonwebtoken::encode(&header, &claims, &key).unwrap()}))
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    std::fs::write(&path, json!({"keys": public[..1]}).to_string()).unwrap();
    let settings = NodeSettings::default().unset("JWT_SECRET").set("JWT_JWKS_FILE", path.display());
    let clinic = Clinic::open_with(settings).await;
    is_accepted(&clinic, old.clone()).await;
    std::fs::write(&path, json!({"keys": public}).to_string()).unwrap();
    is_accepted(&clinic, new).await;
    is_accepted(&clinic, old).await;
    is_refused(&clinic, Connect::by(&ann()), INVALID).await;
}
