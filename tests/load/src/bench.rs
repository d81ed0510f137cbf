//! One run: connect, publish, wait until all has arrived, count.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::sleep;

use crate::abuse::Abuse;
use crate::fleet::{Fleet, Heard, micros};
use crate::publisher::{Plan, Published, publish};
use crate::report::{Connects, Deliveries, Publishes, Report, Server, Setup};
use crate::target::Target;
use crate::{Audience, Bench, process};

/// How long nothing may arrive before what is missing counts as lost.
const QUIET: Duration = Duration::from_secs(10);

/// What the server had used at one moment.
#[derive(Clone, Copy)]
struct Usage {
    cpu_micros: u64,
    rss_bytes: u64,
}

pub(crate) async fn run(options: &Bench) -> Result<Report> {
    if options.clients == 0 || options.connecting == 0 {
        bail!("--clients and --connecting must be at least 1");
    }
    raise_descriptors(options.clients)?;
    let target = Target::find(options).await?;
    let plan = Plan { audience: options.publish, clients: options.clients };
    let idle = usage(&target)?;
    let fleet = Fleet::connect(&target, options, plan).await?;
    let connected = usage(&target)?;
    let abuse = options.abuse.then(|| Abuse::start(&target));
    let begin = Instant::now();
    let published = publish(&target, options, plan, fleet.counts.epoch).await?;
    let accepted = published.accepted.iter().filter(|accepted| **accepted).count() as u64;
    let readers = if options.publish == Audience::User { 1 } else { options.clients as u64 };
    wait_for(&fleet, accepted * readers).await;
    let end = usage(&target)?;
    drop(abuse);

    let counts = std::sync::Arc::clone(&fleet.counts);
    let last = counts.epoch + Duration::from_micros(counts.last_micros.load(Relaxed));
    let connect = Connects {
        per_second: options.clients as f64 / fleet.connecting.as_secs_f64(),
        latency: fleet.connects.quantiles(),
    };
    let heard = fleet.leave().await?;
    let received = counts.received.load(Relaxed);
    let sum = |what: fn(&Heard) -> u64| heard.iter().map(what).sum::<u64>();
    let deliveries = Deliveries {
        expected: accepted * readers,
        received,
        per_second: received as f64 / last.saturating_duration_since(begin).as_secs_f64().max(1e-3),
        lost: lost(&published, plan, &heard),
        duplicates: sum(|heard| heard.duplicates),
        out_of_order: sum(|heard| heard.out_of_order),
        strays: sum(|heard| heard.strays),
        disconnected: sum(|heard| u64::from(heard.disconnected)),
        latency: counts.latencies.quantiles(),
    };
    let publish = Publishes {
        sent: published.accepted.len() as u64,
        accepted,
        failed: published.failed,
        latency: published.latencies.quantiles(),
    };
    let server = server(idle, connected, end, options.clients as u64, received, begin.elapsed());
    Ok(Report { setup: Setup::of(options), connect, publish, deliveries, server })
}

/// Each client is a descriptor, and a publisher has some more.
pub(crate) fn raise_descriptors(clients: usize) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let needed = clients as u64 + 1500;
    if limit.maximum.is_some_and(|most| most < needed) {
        bail!("{clients} clients need {needed} file descriptors, and the limit is {:?}", limit.maximum);
    }
    Ok(())
}

fn usage(target: &Target) -> Result<Option<Usage>> {
    let Some(pid) = target.pid else { return Ok(None) };
    Ok(Some(Usage { cpu_micros: process::cpu_micros(pid)?, rss_bytes: process::rss_bytes(pid)? }))
}

/// Waits until all has arrived, or nothing has for [`QUIET`].
async fn wait_for(fleet: &Fleet, expected: u64) {
    let counts = &fleet.counts;
    let begun = micros(counts.epoch.elapsed());
    while counts.received.load(Relaxed) < expected {
        let last = counts.last_micros.load(Relaxed).max(begun);
        if micros(counts.epoch.elapsed()).saturating_sub(last) > micros(QUIET) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn lost(published: &Published, plan: Plan, heard: &[Heard]) -> u64 {
    let accepted = (0..).zip(&published.accepted).filter(|(_, accepted)| **accepted).map(|(seq, _)| seq);
    let missing = |seq: u64| match plan.audience {
        Audience::User => {
            let number = usize::try_from(seq % plan.clients as u64).unwrap_or_default();
            u64::from(!plan.turn(seq, number).is_some_and(|turn| heard[number].has(turn)))
        }
        Audience::Role | Audience::All => heard.iter().filter(|heard| !heard.has(seq)).count() as u64,
    };
    accepted.map(missing).sum()
}

fn server(
    idle: Option<Usage>,
    connected: Option<Usage>,
    end: Option<Usage>,
    clients: u64,
    received: u64,
    took: Duration,
) -> Option<Server> {
    let (idle, connected, end) = (idle?, connected?, end?);
    let cpu = end.cpu_micros.saturating_sub(connected.cpu_micros);
    Some(Server {
        cpu_micros_per_delivery: cpu as f64 / received.max(1) as f64,
        cpu_cores: cpu as f64 / took.as_micros() as f64,
        rss_bytes_per_connection: connected.rss_bytes.saturating_sub(idle.rss_bytes) / clients,
        rss_bytes_idle: idle.rss_bytes,
        rss_bytes_connected: connected.rss_bytes,
        rss_bytes_end: end.rss_bytes,
    })
}
