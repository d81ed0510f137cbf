use actix_web::http::Method;

use crate::desk::{Desk, get};

const STREAM: &str = "/api/v1/stream";

#[actix_web::test]
async fn a_stream_is_opened_for_its_user_where_its_client_left_off() {
    let desk = Desk::new();
    for (query, last_event_id, told) in [
        ("", None, "None"),
        ("?since=z.1", None, "Some(\"z.1\")"),
        ("?x=y&since=z%2e1&since=z.2", None, "Some(\"z.1\")"),
        ("?since=z.1", Some("z.2"), "Some(\"z.2\")"),
        ("?since=z.1", Some(""), "Some(\"z.1\")"),
        ("?since=", None, "Some(\"\")"),
        ("?lastEventId=z.1", None, "None"),
    ] {
        let mut request = get(&format!("{STREAM}{query}"), "patient.1");
        if let Some(id) = last_event_id {
            request = request.insert_header(("Last-Event-ID", id));
        }
        let answer = desk.call(request).await;
        assert_eq!(answer.body, format!("data: 1 {told}\n\n"), "{query} {last_event_id:?}");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    }
}

#[actix_web::test]
async fn a_head_opens_nothing() {
    let answer = Desk::new().call(get(STREAM, "patient.1").method(Method::HEAD)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(answer.body, "");
}

#[actix_web::test]
async fn one_with_too_many_connections_is_told_so() {
    let answer = Desk::new().call(get(STREAM, "patient.9")).await;
    assert_eq!((answer.status, answer.code()), (429, "too_many_connections"));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}
