//! Which pages may talk to the gateway.

use carillon_tests::users::ann;
use carillon_tests::{Answer, Clinic, Connect, NodeSettings};
use serde_json::json;

const OURS: &str = "https://app.clinic.example";

async fn clinic() -> Clinic {
    let origins = format!("{OURS},http://localhost:3000");
    Clinic::open_with(NodeSettings::default().set("FRONTEND_URL", origins)).await
}

fn cors(answer: &Answer) -> Vec<(&str, &str)> {
    let headers = answer.headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-"));
    headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

const PATHS: [&str; 5] = [
    "/socket.io/?EIO=4&transport=polling",
    "/api/v1/notifications",
    "/api/v1/events",
    "/api/v1/stream",
    "/healthz",
];

const FOREIGN: [&str; 7] = [
    "https://evil.example",
    "null",
    "https://app.clinic.example.evil.io",
    "http://app.clinic.example",
    "https://app.clinic.example:8443",
    "https://APP.clinic.example",
    "https://app.clinic.example/",
];

#[tokio::test]
async fn a_foreign_page_is_refused_everywhere_without_cors_headers() {
    let clinic = clinic().await;
    for origin in FOREIGN {
        for path in PATHS {
            let answer = clinic.http.get(path).by(&ann()).header("Origin", origin).send().await;
            assert_eq!((answer.status, cors(&answer)), (403, vec![]), "{origin} {path}: {}", answer.text);
        }
        // A browser's WebSocket carries the page's origin and knows no CORS.
        let connect =
            Connect::by(&ann()).over(&["websocket"]).option("extraHeaders", json!({"Origin": origin}));
        let mut client = clinic.client(connect).await;
        assert_eq!(client.refused().await.0, "websocket error", "{origin}");
    }
}

#[tokio::test]
async fn a_page_of_ours_gets_its_own_origin_back() {
    let clinic = clinic().await;
    for origin in [OURS, "http://localhost:3000"] {
        for path in PATHS {
            let answer = clinic.http.get(path).header("Origin", origin).send().await;
            let expected =
                [("access-control-allow-credentials", "true"), ("access-control-allow-origin", origin)];
            let mut headers = cors(&answer);
            headers.sort_unstable();
            // A browser shows the page of an error too only with these.
            assert_eq!(headers, expected, "{origin} {path}: {}", answer.status);
            assert!(vary(&answer).contains(&"origin".to_owned()), "{origin} {path}");
        }
        for transport in ["polling", "websocket"] {
            let connect =
                Connect::by(&ann()).over(&[transport]).option("extraHeaders", json!({"Origin": origin}));
            clinic.client(connect).await.connected().await;
        }
    }
    let own = clinic.node.url();
    let answer = clinic.http.get(PATHS[0]).header("Origin", own).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(own));
}

#[tokio::test]
async fn without_an_origin_there_are_no_cors_headers() {
    let clinic = clinic().await;
    for path in PATHS {
        let answer = clinic.http.get(path).send().await;
        assert_eq!(cors(&answer), [], "{path}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_for_pages_of_ours_alone() {
    let clinic = clinic().await;
    for path in PATHS {
        let preflight = |origin: &str| {
            let call = clinic.http.call("OPTIONS", path).header("Origin", origin);
            let call = call.header("Access-Control-Request-Method", "POST");
            call.header("Access-Control-Request-Headers", "authorization,content-type").send()
        };
        let ours = preflight(OURS).await;
        assert_eq!((ours.status, ours.text.as_str()), (204, ""), "{path}");
        assert_eq!(ours.header("access-control-allow-origin"), Some(OURS));
        assert_eq!(ours.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(ours.header("access-control-allow-headers"), Some("authorization,content-type"));
        let methods = ours.header("access-control-allow-methods").unwrap_or_default();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(methods.contains(method), "{methods}");
        }
        for field in ["origin", "access-control-request-headers"] {
            assert!(vary(&ours).contains(&field.to_owned()), "{path}: {:?}", vary(&ours));
        }
        for origin in FOREIGN {
            assert_eq!(cors(&preflight(origin).await), [], "{origin} {path}");
        }
    }
}

fn vary(answer: &Answer) -> Vec<String> {
    let values = answer.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|field| field.trim().to_ascii_lowercase()).collect()
}
