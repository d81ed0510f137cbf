//! A log whose calls are timed and whose failures are counted, whichever store it is.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use carillon_domain::ports::{Appended, Log, Missed, PortError, Publish, Secret, Trim};
use carillon_domain::{Blocked, Entitlement, Head, Kind, Page, Position, Timestamp};
use metrics::{counter, histogram};
use tracing::{Level, Span, trace_span};

use crate::traces::TARGET;

/// A log, and the figures of what is asked of it.
pub(crate) struct Measured(pub(crate) Arc<dyn Log>);

/// One call, from its start to its answer; one that is given up is not counted.
async fn timed<T>(
    call: &'static str,
    answer: impl Future<Output = Result<T, PortError>>,
) -> Result<T, PortError> {
    let began = Instant::now();
    let answer = answer.await;
    histogram!("carillon_log_seconds", "call" => call).record(began.elapsed());
    if answer.is_err() {
        counter!("carillon_log_faults_total", "call" => call).increment(1);
    }
    answer
}

/// For traces: one for each publish of a batch, as long as that takes.
fn spans(batch: &[Publish]) -> Vec<Span> {
    if !tracing::enabled!(target: TARGET, Level::TRACE) {
        return Vec::new();
    }
    let size = batch.len() as u64;
    let span =
        |publish: &Publish| trace_span!(target: TARGET, "append", event_id = %publish.event_id, batch = size);
    batch.iter().map(span).collect()
}

#[async_trait]
impl Log for Measured {
    async fn append(&self, batch: &[Publish]) -> Result<Appended, PortError> {
        let _spans = spans(batch);
        let appended = timed("append", self.0.append(batch)).await?;
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most 512 rows")]
        histogram!("carillon_append_rows").record(appended.rows.len() as f64);
        Ok(appended)
    }

    async fn head(&self) -> Result<Head, PortError> {
        timed("head", self.0.head()).await
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Page, PortError> {
        timed("read", self.0.read(after, limit)).await
    }

    async fn replay(
        &self,
        rooms: &[Entitlement],
        after: Position,
        up_to: Position,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, PortError> {
        timed("replay", self.0.replay(rooms, after, up_to, limit, now)).await
    }

    async fn missed(
        &self,
        rooms: &[Entitlement],
        after: Position,
        most: u32,
        now: Timestamp,
    ) -> Result<Missed, PortError> {
        timed("missed", self.0.missed(rooms, after, most, now)).await
    }

    async fn secret(&self) -> Result<Secret, PortError> {
        timed("secret", self.0.secret()).await
    }

    async fn blocked(&self) -> Result<Blocked, PortError> {
        timed("blocked", self.0.blocked()).await
    }

    async fn trim_kind(&self, kind: &Kind, before: Timestamp) -> Result<bool, PortError> {
        timed("trim_kind", self.0.trim_kind(kind, before)).await
    }

    async fn trim(&self, trim: Trim) -> Result<bool, PortError> {
        timed("trim", self.0.trim(trim)).await
    }
}
