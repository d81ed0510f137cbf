//! Traces from publish to socket, where `OTEL_EXPORTER_OTLP_ENDPOINT` says to whom.
//!
//! ```text
//!   api      "publish" ─┐
//!   measured "append"  ─┼─▶ Collecting, a layer ──bounded──▶ a thread: `resolve` what belongs where ──▶ `otlp`
//!   feed     "deliver" ─┤
//!   mailbox  "socket"  ─┘
//! ```
//!
//! No row and no hint carries anything for this. A publish's trace has its own id, the `eventId` that its publisher is
//! answered and that every row has: so each node knows it, and whoever has an answer finds its trace. A publish that came
//! with a `traceparent` is in that trace, and so is what happens on its node; it links to the trace of its own id, which has
//! what other nodes did. Spans tell ids, positions and counts: no room, which may name a user, and nothing of what was said.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

mod otlp;
mod resolve;

pub(crate) use otlp::Collector;
use resolve::Resolving;

/// The target of the spans that traces are made of. They are never entered, so that no log line has them.
pub(crate) const TARGET: &str = "carillon_trace";
/// Spans that wait for the thread. Beyond, as while a collector does not answer, they are lost.
const MOST_WAITING: usize = 32_768;
/// How often the collector is sent what there is.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// How long the last of it may take when the process ends.
const LAST_WITHIN: Duration = Duration::from_secs(2);

/// Something that took its time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spell {
    what: What,
    from: SystemTime,
    to: SystemTime,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// A publish, for a caller whose `traceparent` this is.
    Publish { event_id: Uuid, traceparent: Option<String> },
    /// Its append, with so many publishes in the batch.
    Append { event_id: Uuid, batch: u64 },
    /// One of its rows, brought to the mailboxes of this node.
    Deliver { event_id: Uuid, position: u64 },
    /// A row's wait in a mailbox until it was handed to its socket.
    Socket { position: u64 },
}

/// Takes the spans of our target from all that the process tells.
pub(crate) struct Collecting {
    spells: mpsc::Sender<Spell>,
    lost: Arc<AtomicU64>,
}

/// The thread that sends them. Dropped, it sends what it has and ends.
pub(crate) struct Sending {
    thread: Option<JoinHandle<()>>,
    end: Option<oneshot::Sender<()>>,
}

/// Begins to collect for this collector.
///
/// # Errors
/// There is no thread or no runtime to be had.
pub(crate) fn start(collector: Collector) -> anyhow::Result<(Collecting, Sending)> {
    let (spells, waiting) = mpsc::channel(MOST_WAITING);
    let (end, ends) = oneshot::channel();
    let lost = Arc::<AtomicU64>::default();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("traces: no runtime")?;
    let send = run(collector, waiting, ends, Arc::clone(&lost));
    let thread = std::thread::Builder::new().name("traces".to_owned());
    let thread = thread.spawn(move || runtime.block_on(send)).context("traces: no thread")?;
    Ok((Collecting { spells, lost }, Sending { thread: Some(thread), end: Some(end) }))
}

impl Drop for Sending {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn run(
    collector: Collector,
    mut waiting: mpsc::Receiver<Spell>,
    mut ends: oneshot::Receiver<()>,
    lost: Arc<AtomicU64>,
) {
    let mut resolving = Resolving::new(collector.share);
    let mut sends = interval(SEND_EVERY);
    sends.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(spell) = waiting.recv() => resolving.take(spell),
            _ = sends.tick() => {
                let spans = resolving.ripe(SystemTime::now());
                collector.send(&spans).await;
                match lost.swap(0, Ordering::Relaxed) {
                    0 => {}
                    spans => tracing::warn!(spans, "spans of traces were lost: more came than could be sent"),
                }
            }
            _ = &mut ends => break,
        }
    }
    while let Ok(spell) = waiting.try_recv() {
        resolving.take(spell);
    }
    drop(tokio::time::timeout(LAST_WITHIN, collector.send(&resolving.all())).await);
}

/// A span that has not ended.
struct Begun {
    from: SystemTime,
    told: Told,
}

/// What a span says of itself.
#[derive(Default)]
struct Told {
    event_id: Option<Uuid>,
    traceparent: Option<String>,
    batch: Option<u64>,
    position: Option<u64>,
    is_taken: bool,
}

impl Visit for Told {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "position" => self.position = Some(value),
            "batch" => self.batch = Some(value),
            _ => {}
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.is_taken |= field.name() == "taken" && value;
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "traceparent" {
            self.traceparent = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "event_id" {
            self.event_id = format!("{value:?}").parse().ok();
        }
    }
}

impl Told {
    /// `None` of what has come to nothing: a publish that was refused, a mailbox whose connection has gone.
    fn of(self, name: &str) -> Option<What> {
        let Self { event_id, traceparent, batch, position, is_taken } = self;
        Some(match name {
            "publish" => What::Publish { event_id: event_id?, traceparent },
            "append" => What::Append { event_id: event_id?, batch: batch? },
            "deliver" => What::Deliver { event_id: event_id?, position: position? },
            "socket" if is_taken => What::Socket { position: position? },
            _ => return None,
        })
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collecting {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut begun = Begun { from: SystemTime::now(), told: Told::default() };
        attributes.record(&mut begun.told);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(begun);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(begun) = span.extensions_mut().get_mut::<Begun>() {
            values.record(&mut begun.told);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Begun { from, told }) = span.extensions_mut().remove() else { return };
        let Some(what) = told.of(span.name()) else { return };
        let spell = Spell { what, from, to: SystemTime::now() };
        if self.spells.try_send(spell).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
