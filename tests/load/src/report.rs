//! What a run found: times in milliseconds, memory in bytes, CPU in microseconds of one core.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Serialize, Serializer};

use crate::latency::Quantiles;
use crate::{Audience, Bench};

/// The whole of it, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) setup: Setup,
    pub(crate) connect: Connects,
    pub(crate) publish: Publishes,
    pub(crate) deliveries: Deliveries,
    /// Unknown for a server of which no process was named.
    pub(crate) server: Option<Server>,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Setup {
    clients: usize,
    connecting: usize,
    publish: Audience,
    /// HTTP requests a second, and notifications in each.
    rate: u32,
    batch: u32,
    seconds: u32,
    abuse: bool,
}

/// The connecting clients: from each one's TCP connect to the answer to its CONNECT.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connects {
    #[serde(serialize_with = "rounded")]
    pub(crate) per_second: f64,
    #[serde(flatten)]
    pub(crate) latency: Quantiles,
}

/// The publishes, in notifications; latency is that of a request, from its intended time to the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Publishes {
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    /// By status or error.
    pub(crate) failed: BTreeMap<String, u64>,
    #[serde(flatten)]
    pub(crate) latency: Quantiles,
}

/// What the clients heard of the accepted notifications; latency is from the intended time of the publish to a client's
/// receipt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deliveries {
    pub(crate) expected: u64,
    pub(crate) received: u64,
    /// From the first publish to the last receipt.
    #[serde(serialize_with = "rounded")]
    pub(crate) per_second: f64,
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    pub(crate) out_of_order: u64,
    /// Notifications that were not for the client, or not the bench's.
    pub(crate) strays: u64,
    /// Clients whose connection ended during the run.
    pub(crate) disconnected: u64,
    #[serde(flatten)]
    pub(crate) latency: Quantiles,
}

/// What the server's process used, from /proc.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Server {
    /// While publishing: accepting, storing and delivering, divided by the deliveries.
    #[serde(serialize_with = "rounded")]
    pub(crate) cpu_micros_per_delivery: f64,
    /// While publishing: cores busy on average.
    #[serde(serialize_with = "rounded")]
    pub(crate) cpu_cores: f64,
    /// What connecting added to the resident memory, divided by the connections.
    pub(crate) rss_bytes_per_connection: u64,
    pub(crate) rss_bytes_idle: u64,
    pub(crate) rss_bytes_connected: u64,
    pub(crate) rss_bytes_end: u64,
}

/// To three decimals; more would be noise.
fn rounded<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((value * 1e3).round() / 1e3)
}

impl Setup {
    pub(crate) fn of(options: &Bench) -> Self {
        let &Bench { clients, connecting, publish, rate, batch, seconds, abuse, .. } = options;
        Self { clients, connecting, publish, rate, batch, seconds, abuse }
    }
}

impl Report {
    /// Whether everything was accepted, and each notification reached each of its readers once and in order.
    pub(crate) fn is_sound(&self) -> bool {
        let Deliveries { lost, duplicates, out_of_order, strays, disconnected, .. } = self.deliveries;
        self.publish.accepted == self.publish.sent
            && [lost, duplicates, out_of_order, strays, disconnected].iter().all(|fault| *fault == 0)
    }

    /// The same in a few lines for people.
    pub(crate) fn table(&self) -> String {
        let Self { connect, publish, deliveries, .. } = self;
        let mut table = format!("{:<22}{:>10}{:>10}{:>10}{:>10}\n", "ms", "p50", "p99", "p99.9", "max");
        for (name, Quantiles { p50_ms, p99_ms, p999_ms, max_ms }) in [
            ("connect", connect.latency),
            ("publish to answer", publish.latency),
            ("publish to receipt", deliveries.latency),
        ] {
            // Writing to a string does not fail.
            let _ = writeln!(table, "{name:<22}{p50_ms:>10.2}{p99_ms:>10.2}{p999_ms:>10.2}{max_ms:>10.2}");
        }
        let _ = writeln!(
            table,
            "{:.0} connects/s; {} of {} accepted{}; {} of {} received, {:.0}/s",
            connect.per_second,
            publish.accepted,
            publish.sent,
            publish.failed.iter().map(|(why, count)| format!(", {count} {why}")).collect::<String>(),
            deliveries.received,
            deliveries.expected,
            deliveries.per_second
        );
        let _ = writeln!(
            table,
            "lost {}, duplicates {}, out of order {}, strays {}, clients disconnected {}",
            deliveries.lost,
            deliveries.duplicates,
            deliveries.out_of_order,
            deliveries.strays,
            deliveries.disconnected
        );
        if let Some(server) = &self.server {
            let _ = writeln!(
                table,
                "server: {:.1} us CPU per delivery ({:.2} cores), {} bytes RSS per connection, {} MiB at the end",
                server.cpu_micros_per_delivery,
                server.cpu_cores,
                server.rss_bytes_per_connection,
                server.rss_bytes_end >> 20
            );
        }
        table
    }
}
