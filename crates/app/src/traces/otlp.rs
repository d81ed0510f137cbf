//! What a collector is sent: OTLP/HTTP with JSON (opentelemetry-proto 1.x, `ExportTraceServiceRequest`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::What;
use super::resolve::Span;
use crate::cli;

/// How long a collector may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Spans in one request.
const MOST_AT_ONCE: usize = 512;

/// Whom traces are sent to.
pub(crate) struct Collector {
    client: reqwest::Client,
    url: String,
    /// This process, among all that send.
    resource: Value,
    /// The share of publishes that are traced, from 0 to 1.
    pub(super) share: f64,
    is_reached: AtomicBool,
}

impl Collector {
    /// The one at this address, such as `http://127.0.0.1:4318`, for the node of this name.
    ///
    /// # Errors
    /// There is no client to be had.
    pub(crate) fn new(endpoint: &str, share: f64, node: &str) -> anyhow::Result<Self> {
        let client =
            reqwest::Client::builder().timeout(ANSWER_WITHIN).build().context("traces: no client")?;
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let resource = json!({"attributes": [
            text("service.name", "carillon"),
            text("service.version", cli::VERSION),
            text("service.instance.id", node),
        ]});
        Ok(Self { client, url, resource, share, is_reached: AtomicBool::new(true) })
    }

    /// Sends these. What the collector does not take is lost: traces are for looking, and nothing rests on them.
    pub(super) async fn send(&self, spans: &[Span]) {
        for spans in spans.chunks(MOST_AT_ONCE) {
            let answer = self.client.post(&self.url).json(&self.request(spans)).send().await;
            let answer = answer.and_then(reqwest::Response::error_for_status);
            let was_reached = self.is_reached.swap(answer.is_ok(), Ordering::Relaxed);
            // Said when it changes.
            match answer {
                Ok(_) if !was_reached => tracing::info!("traces are sent again"),
                Err(fault) if was_reached => {
                    tracing::warn!(error = %fault.without_url(), "traces cannot be sent; trying on with the next ones");
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn request(&self, spans: &[Span]) -> Value {
        let spans: Vec<Value> = spans.iter().map(span).collect();
        json!({"resourceSpans": [{
            "resource": self.resource,
            "scopeSpans": [{"scope": {"name": "carillon"}, "spans": spans}],
        }]})
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// 64-bit numbers are texts in the JSON of protobuf, and ids of OTLP are hexadecimal.
fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

fn span(span: &Span) -> Value {
    const INTERNAL: u8 = 1;
    const SERVER: u8 = 2;
    const CONSUMER: u8 = 5;
    let (name, kind, attributes) = match &span.spell.what {
        What::Publish { event_id, .. } => {
            ("publish", SERVER, vec![text("carillon.event_id", &event_id.to_string())])
        }
        What::Append { batch, .. } => ("append", INTERNAL, vec![number("carillon.batch", *batch)]),
        What::Deliver { position, .. } => ("deliver", CONSUMER, vec![number("carillon.position", *position)]),
        What::Socket { position } => ("socket", INTERNAL, vec![number("carillon.position", *position)]),
    };
    let mut told = json!({
        "traceId": format!("{:032x}", span.trace),
        "spanId": format!("{:016x}", span.id),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": nanos(span.spell.from),
        "endTimeUnixNano": nanos(span.spell.to),
        "attributes": attributes,
    });
    if let Some(parent) = span.parent {
        told["parentSpanId"] = json!(format!("{parent:016x}"));
    }
    if let Some((trace, id)) = span.link {
        told["links"] = json!([{"traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}")}]);
    }
    told
}

fn nanos(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}
