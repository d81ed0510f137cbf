use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::json;

use crate::desk::{Desk, KEY, notification};

const ID: &str = "01980000-0000-7000-8000-000000000001";

#[derive(Clone, Copy, PartialEq)]
enum Who {
    Publishers,
    Users,
    Admins,
}

fn routes() -> Vec<(Who, Method, String)> {
    let route = |who, method, path: &str| (who, method, format!("/api/v1{path}"));
    vec![
        route(Who::Publishers, Method::POST, "/events"),
        route(Who::Publishers, Method::POST, "/notifications"),
        route(Who::Publishers, Method::POST, "/notifications/batch"),
        route(Who::Users, Method::GET, "/notifications"),
        route(Who::Users, Method::GET, "/notifications/unread-count"),
        route(Who::Users, Method::GET, &format!("/notifications/{ID}")),
        route(Who::Users, Method::PATCH, &format!("/notifications/{ID}")),
        route(Who::Users, Method::POST, "/notifications/read"),
        route(Who::Users, Method::GET, "/stream"),
        route(Who::Admins, Method::GET, &format!("/events/{ID}")),
    ]
}

/// Every route with every kind of credential. Those let in then meet an empty body or a missing notification,
/// which shows that they were let in and by whom they were not.
#[actix_web::test]
async fn each_route_lets_in_its_callers_and_nobody_else() {
    let desk = Desk::new();
    let key = format!("Bearer {KEY}");
    for (who, method, path) in routes() {
        for (authorization, refused) in [
            (None, Some((401, "token_missing"))),
            (Some("Bearer "), Some((401, "token_missing"))),
            (Some("Basic QTpC"), Some((401, "token_missing"))),
            (Some("Bearer a-key-of-24-characters-or-less"), Some((401, "token_invalid"))),
            (Some("Bearer expired"), Some((401, "token_expired"))),
            (Some("Bearer patient.1"), (who != Who::Users).then_some((403, "forbidden"))),
            (Some("Bearer doctor.1"), (who != Who::Users).then_some((403, "forbidden"))),
            (Some("Bearer admin.1"), None),
            (Some("bearer super_admin.1"), None),
            (Some("admin.1"), None),
            (Some(key.as_str()), (who != Who::Publishers).then_some((401, "token_invalid"))),
            (Some(KEY), (who != Who::Publishers).then_some((401, "token_invalid"))),
        ] {
            let mut request = TestRequest::with_uri(&path).method(method.clone()).set_json(json!({}));
            if let Some(authorization) = authorization {
                request = request.insert_header(("Authorization", authorization));
            }
            let answer = desk.call(request).await;
            let case = format!("{method} {path} {authorization:?}: {}", answer.body);
            match refused {
                Some((status, code)) => {
                    assert_eq!((answer.status, answer.code()), (status, code), "{case}");
                    assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{case}");
                }
                None => assert!([200, 404, 422].contains(&answer.status), "{case}"),
            }
        }
    }
    assert_eq!(desk.rows().await, 0);
}

#[actix_web::test]
async fn a_token_in_the_url_counts_for_nothing() {
    let desk = Desk::new();
    let answer = desk.call(TestRequest::get().uri("/api/v1/notifications/unread-count?token=admin.1")).await;
    assert_eq!((answer.status, answer.code()), (401, "token_missing"));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
}

#[actix_web::test]
async fn an_admin_publishes_with_a_token() {
    let desk = Desk::new();
    let request =
        TestRequest::post().uri("/api/v1/notifications").insert_header(("Authorization", "admin.1"));
    let answer = desk.call(request.set_json(notification(&["all"]))).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}
