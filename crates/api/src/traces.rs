//! The first span of a publish's trace, for whoever collects those of the target `carillon_trace`. What becomes of it is the
//! application's.

use actix_web::http::header::HeaderMap;
use carillon_domain::Published;
use tracing::field::{Empty, display};
use tracing::trace_span;

/// Publishes in a span, below that of a caller who has sent a `traceparent` (W3C Trace Context §3.2). One that is refused
/// has no id to be found by, and its span comes to nothing.
pub(crate) async fn publish<E>(
    headers: &HeaderMap,
    publishing: impl Future<Output = Result<Published, E>>,
) -> Result<Published, E> {
    let caller = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let span = trace_span!(target: "carillon_trace", "publish", traceparent = caller, event_id = Empty);
    let published = publishing.await;
    if let Ok(published) = &published {
        span.record("event_id", display(published.stored.event_id));
    }
    published
}
