//! What is done to each server, and what it cost: CPU and memory of the server's process by /proc, the rest as its clients
//! saw it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use carillon_tests::User;
use carillon_tests::node::PUBLISH_KEY;
use clap::ValueEnum;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::Sizes;
use super::figures::median;
use super::servers::{Kind, Server};
use crate::process::{cpu_micros, rss_bytes};
use crate::swarm::client::Transport;
use crate::swarm::run::{Pace, Stream};
use crate::swarm::tally::{Audience, Tally};
use crate::swarm::{Connected, Swarm};

/// What is left to do when all has arrived belongs to what caused it.
const SETTLE: Duration = Duration::from_millis(300);
/// Memory is steady when it has moved by less than a hundredth of what connecting took in [`STEADY`] readings, one a second.
const STEADY: usize = 3;
const STEADY_AT_MOST: usize = 30;
/// Clients before the first measured one, in which a server loads what it needs.
const WARM: usize = 100;

/// What was measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    ConnectFew,
    ConnectMany,
    BroadcastFew,
    BroadcastFewEight,
    BroadcastMany,
    SingleSlow,
    SingleFast,
    SaturatedBatches,
    SaturatedOnes,
    Polling,
}

/// Its figures. A unit is a handshake or a delivery.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    pub(crate) phase: Phase,
    pub(crate) clients: usize,
    pub(crate) units: u64,
    pub(crate) per_second: f64,
    /// CPU in microseconds for a unit: the server's, and the generator's.
    pub(crate) cpu_micros: f64,
    pub(crate) load_cpu_micros: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Of notifications to all: until the last client has it.
    pub(crate) last_p50_ms: Option<f64>,
    pub(crate) rss_bytes_per_connection: Option<u64>,
    /// Of an event as it arrives, without the WebSocket's frame.
    pub(crate) event_bytes: Option<u64>,
    pub(crate) faults: Faults,
}

/// What should not be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Faults {
    pub(crate) not_accepted: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) misrouted: u64,
}

/// A server, its clients, and what both have used when it began.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) swarm: Swarm,
    cpu: [u64; 2],
}

impl Stage {
    /// A server with room for so many clients, that has been warmed up and has none.
    pub(crate) fn open(kind: Kind, clients: usize) -> Result<Self> {
        let server = Server::start(kind, clients)?;
        let mut warm = Swarm::new(server.address, PUBLISH_KEY)?;
        warm.connect(Transport::WebSocket, kind.is_ours(), tokens(WARM))?;
        warm.run(&[broadcast(4), singles(4, 10)], Duration::from_secs(1), 8, |_| Ok(()))?;
        drop(warm);
        let swarm = Swarm::new(server.address, PUBLISH_KEY)?;
        let mut stage = Self { server, swarm, cpu: [0; 2] };
        stage.swarm.idle(SETTLE * 2)?;
        Ok(stage)
    }

    /// What is used counts from here on.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.cpu = self.used()?;
        Ok(())
    }

    /// What server and generator have used of their CPUs.
    fn used(&self) -> Result<[u64; 2]> {
        Ok([cpu_micros(self.server.pid())?, cpu_micros(std::process::id())?])
    }

    /// For each of so many units since [`Stage::begin`].
    pub(crate) fn cpu_of(&self, units: u64) -> Result<[f64; 2]> {
        let used = self.used()?;
        Ok([0, 1].map(|which| (used[which] - self.cpu[which]) as f64 / units.max(1) as f64))
    }

    /// Connects everyone; with the memory that it took where that is asked for.
    pub(crate) fn connect(
        &mut self,
        phase: Phase,
        transport: Transport,
        clients: usize,
        with_memory: bool,
    ) -> Result<Measured> {
        let (tokens, before) = (tokens(clients), rss_bytes(self.server.pid())?);
        self.begin()?;
        let has_inbox = self.server.kind.is_ours();
        let Connected { took, latency } = self.swarm.connect(transport, has_inbox, tokens)?;
        self.swarm.idle(SETTLE)?;
        let units = clients as u64;
        let [cpu_micros, load_cpu_micros] = self.cpu_of(units)?;
        let rss =
            if with_memory { Some(self.steady_rss(before)?.saturating_sub(before) / units) } else { None };
        let (p50_ms, p99_ms) = quantiles(&latency);
        Ok(Measured {
            phase,
            clients,
            units,
            per_second: clients as f64 / took.as_secs_f64(),
            cpu_micros,
            load_cpu_micros,
            p50_ms,
            p99_ms,
            last_p50_ms: None,
            rss_bytes_per_connection: rss,
            event_bytes: None,
            faults: Faults::default(),
        })
    }

    fn steady_rss(&mut self, before: u64) -> Result<u64> {
        let mut readings = Vec::new();
        while readings.len() < STEADY_AT_MOST {
            self.swarm.idle(Duration::from_secs(1))?;
            readings.push(rss_bytes(self.server.pid())?);
            let last = &readings[readings.len().saturating_sub(STEADY)..];
            let (least, most) = (last.iter().min().copied(), last.iter().max().copied());
            let moved = most.unwrap_or_default() - least.unwrap_or_default();
            if last.len() == STEADY && moved * 100 <= most.unwrap_or_default().saturating_sub(before) {
                break;
            }
        }
        readings.last().copied().context("no reading")
    }

    /// Publishes, and waits for all of it.
    pub(crate) fn publish(
        &mut self,
        phase: Phase,
        stream: Stream,
        duration: Duration,
        connections: usize,
    ) -> Result<Measured> {
        self.begin()?;
        let (tally, took) = self.swarm.run(&[stream], duration, connections, |_| Ok(()))?;
        self.swarm.idle(SETTLE)?;
        let units = tally.delivered;
        let [cpu_micros, load_cpu_micros] = self.cpu_of(units)?;
        let (p50_ms, p99_ms) =
            quantiles(if stream.audience == Audience::All { &tally.all } else { &tally.each });
        Ok(Measured {
            phase,
            clients: self.swarm.clients(),
            units,
            per_second: units as f64 / took.as_secs_f64(),
            cpu_micros,
            load_cpu_micros,
            p50_ms,
            p99_ms,
            last_p50_ms: median(tally.lasts.iter().map(|last| *last as f64 / 1e6).collect()),
            rss_bytes_per_connection: None,
            event_bytes: Some(tally.bytes / units.max(1)),
            faults: Faults::of(&tally),
        })
    }
}

impl Faults {
    pub(crate) fn of(tally: &Tally) -> Self {
        let Tally { not_accepted, doubled, misrouted, .. } = *tally;
        Self { not_accepted, lost: tally.lost(), doubled, misrouted }
    }

    pub(crate) const fn sum(self) -> u64 {
        self.not_accepted + self.lost + self.doubled + self.misrouted
    }
}

/// These phases against one kind of server: three processes, for few clients, for many, and for polling ones.
pub(crate) fn all(kind: Kind, sizes: &Sizes, phases: &[Phase]) -> Result<Vec<Measured>> {
    use Phase::{
        BroadcastFew, BroadcastFewEight, BroadcastMany, ConnectFew, ConnectMany, Polling, SaturatedBatches,
        SaturatedOnes, SingleFast, SingleSlow,
    };
    const MANY: [(Phase, Stream, usize); 5] = [
        (BroadcastMany, broadcast(1), 1),
        (SingleSlow, open_loop(1_000), 256),
        (SingleFast, open_loop(5_000), 256),
        (SaturatedBatches, singles(16, 100), 16),
        (SaturatedOnes, singles(256, 1), 256),
    ];
    let wanted = |phase: &Phase| phases.contains(phase);
    let mut measured = Vec::new();
    let seconds = Duration::from_secs(sizes.seconds);
    if [ConnectFew, BroadcastFew, BroadcastFewEight].iter().any(wanted) {
        let mut stage = Stage::open(kind, sizes.many)?;
        measured.push(stage.connect(ConnectFew, Transport::WebSocket, sizes.few, false)?);
        for (phase, under_way) in [(BroadcastFew, 1), (BroadcastFewEight, 8)] {
            if wanted(&phase) {
                measured.push(stage.publish(phase, broadcast(under_way), seconds, under_way)?);
            }
        }
    }
    if wanted(&ConnectMany) || MANY.iter().any(|(phase, ..)| wanted(phase)) {
        let mut stage = Stage::open(kind, sizes.many)?;
        let with_memory = wanted(&ConnectMany);
        measured.push(stage.connect(ConnectMany, Transport::WebSocket, sizes.many, with_memory)?);
        for (phase, stream, connections) in MANY.into_iter().filter(|(phase, ..)| wanted(phase)) {
            measured.push(stage.publish(phase, stream, seconds, connections)?);
        }
    }
    if kind != Kind::Floor && wanted(&Polling) {
        let mut stage = Stage::open(kind, sizes.many)?;
        stage.connect(Polling, Transport::Polling, sizes.polling, false)?;
        measured.push(stage.publish(Polling, singles(16, 100), seconds, 16)?);
    }
    Ok(measured)
}

fn tokens(clients: usize) -> Vec<String> {
    (0..clients).map(|number| User::new(format!("load-{number}"), "PATIENT").token()).collect()
}

/// So many broadcasts under way.
pub(crate) const fn broadcast(under_way: usize) -> Stream {
    Stream { audience: Audience::All, batch: 1, pace: Pace::UnderWay(under_way) }
}

/// So many requests under way, each for so many users.
pub(crate) const fn singles(under_way: usize, batch: usize) -> Stream {
    Stream { audience: Audience::Each, batch, pace: Pace::UnderWay(under_way) }
}

/// So many requests a second, each for one user.
pub(crate) const fn open_loop(rate: u64) -> Stream {
    Stream {
        audience: Audience::Each,
        batch: 1,
        pace: Pace::Each(Duration::from_nanos(1_000_000_000 / rate)),
    }
}

/// The median and the 99th of a hundred, in milliseconds.
pub(crate) fn quantiles(latency: &Histogram<u64>) -> (f64, f64) {
    let at = |quantile| latency.value_at_quantile(quantile) as f64 / 1e6;
    (at(0.5), at(0.99))
}
