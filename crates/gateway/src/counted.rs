//! Figures that come and go with what they count: connections and their tasks, what waits in mailboxes, who is behind.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Instant;

use carillon_domain::{Position, Role};
use metrics::{Gauge, counter, gauge, histogram};
use tracing::field::Empty;
use tracing::{Span, trace_span};

/// Tasks of connections. A worker's own runtime does not count them: they are its `LocalSet`'s.
static TASKS: AtomicUsize = AtomicUsize::new(0);

/// How many tasks of connections are alive, on all workers.
pub fn connection_tasks() -> usize {
    TASKS.load(Ordering::Relaxed)
}

/// Gives a connection a task of its own on this worker.
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    struct Alive;
    impl Drop for Alive {
        fn drop(&mut self) {
            TASKS.fetch_sub(1, Ordering::Relaxed);
        }
    }
    TASKS.fetch_add(1, Ordering::Relaxed);
    let alive = Alive;
    actix_web::rt::spawn(async move {
        let _alive = alive;
        task.await;
    });
}

/// One mailbox of so many is timed: a clock is read for it with each delivery.
const TIMED: u32 = 64;

/// A connection whose user was let in, until it is dropped.
pub(crate) struct Counted {
    transport: &'static str,
    role: Role,
}

impl Counted {
    pub(crate) fn new(transport: &'static str, role: Role) -> Self {
        let counted = Self { transport, role };
        counted.gauge().increment(1.0);
        counted
    }

    /// Its user has a token of this role from now on.
    pub(crate) fn renew(&mut self, role: Role) {
        if self.role != role {
            *self = Self::new(self.transport, role);
        }
    }

    /// It has left polling for a WebSocket.
    pub(crate) fn upgraded(&mut self) {
        if self.transport == POLLING {
            *self = Self::new(WEBSOCKET, self.role);
        }
    }

    fn gauge(&self) -> Gauge {
        let role = match self.role {
            Role::Admin | Role::SuperAdmin => "admin",
            Role::Doctor => "doctor",
            Role::Patient => "patient",
        };
        gauge!("carillon_connections", "transport" => self.transport, "role" => role)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge().decrement(1.0);
    }
}

pub(crate) const POLLING: &str = "polling";
pub(crate) const WEBSOCKET: &str = "websocket";
pub(crate) const STREAM: &str = "stream";

/// Bytes that wait in all mailboxes. Looked up once: it changes with each delivery.
static WAITING: LazyLock<Gauge> = LazyLock::new(|| gauge!("carillon_mailbox_bytes"));

/// So many more bytes wait.
pub(crate) fn waiting(bytes: usize) {
    WAITING.increment(bytes as f64);
}

/// So many bytes wait no more.
pub(crate) fn gone(bytes: usize) {
    WAITING.decrement(bytes as f64);
}

/// A connection that has fallen behind, until it has caught up or is gone.
pub(crate) struct Lag(());

impl Lag {
    pub(crate) fn begin() -> Self {
        counter!("carillon_mailboxes_filled_total").increment(1);
        gauge!("carillon_lagging").increment(1.0);
        Self(())
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        gauge!("carillon_lagging").decrement(1.0);
    }
}

/// How long what is put into an empty mailbox waits until all of it was taken.
#[derive(Default)]
pub(crate) struct Wait {
    since: Option<Instant>,
    /// For traces: the first row of those that wait.
    row: Option<Span>,
}

impl Wait {
    /// For one mailbox in 64.
    pub(crate) fn of_new_mailbox() -> Option<Box<Self>> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        MADE.fetch_add(1, Ordering::Relaxed).is_multiple_of(TIMED).then(Box::default)
    }

    pub(crate) fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// What was put in is this row.
    pub(crate) fn is_for(&mut self, position: Position) {
        let span =
            || trace_span!(target: "carillon_trace", "socket", position = position.get(), taken = Empty);
        self.row.get_or_insert_with(span);
    }

    pub(crate) fn end(&mut self) {
        if let Some(since) = self.since.take() {
            histogram!("carillon_mailbox_seconds").record(since.elapsed());
        }
        if let Some(row) = self.row.take() {
            row.record("taken", true);
        }
    }
}

/// A new session was opened, or why it was not.
pub(crate) fn handshake(outcome: &'static str) {
    counter!("carillon_handshakes_total", "outcome" => outcome).increment(1);
}

/// Someone did more of this than they may.
pub(crate) fn rate_limited(what: &'static str) {
    counter!("carillon_rate_limited_total", "what" => what).increment(1);
}
