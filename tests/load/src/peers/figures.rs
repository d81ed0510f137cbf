//! The figures that are compared, and what is aimed at with ours.

use std::fmt;

use serde::Serialize;

use super::Sizes;
use super::phases::{Measured, Phase};
use super::servers::Kind;

/// One figure of every server.
#[derive(Debug)]
pub(crate) struct Figure {
    /// As its chart's file is called.
    pub(crate) id: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) phase: Phase,
    pub(crate) of: fn(&Measured) -> Option<f64>,
    pub(crate) aims: &'static [Aim],
}

/// What is aimed at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    Most(f64),
    Least(f64),
    MostTimes(f64, Kind),
    LeastTimes(f64, Kind),
}

use Aim::{Least, LeastTimes, Most, MostTimes};

const RATE: fn(&Measured) -> Option<f64> = |measured| Some(measured.per_second);
const CPU: fn(&Measured) -> Option<f64> = |measured| Some(measured.cpu_micros);
const P50: fn(&Measured) -> Option<f64> = |measured| Some(measured.p50_ms);
const P99: fn(&Measured) -> Option<f64> = |measured| Some(measured.p99_ms);
const LAST: fn(&Measured) -> Option<f64> = |measured| measured.last_p50_ms;
const RSS: fn(&Measured) -> Option<f64> =
    |measured| measured.rss_bytes_per_connection.map(|bytes| bytes as f64);

const LIKE_SOCKETIOXIDE: &[Aim] = &[LeastTimes(1.0, Kind::Socketioxide)];
const BROADCAST: &[Aim] = &[MostTimes(1.2, Kind::Floor), MostTimes(0.6, Kind::Socketioxide)];

/// All of them, in the order of the tables.
pub(crate) const FIGURES: &[Figure] = &[
    figure("connect-rate", "handshakes/s", Phase::ConnectFew, RATE, LIKE_SOCKETIOXIDE),
    figure("connect-cpu", "µs CPU", Phase::ConnectMany, CPU, &[Most(75.0)]),
    figure("connect-p99", "ms", Phase::ConnectMany, P99, &[Most(500.0)]),
    figure("idle-rss", "bytes", Phase::ConnectMany, RSS, &[Most(4096.0)]),
    figure("broadcast-few-cpu", "µs CPU", Phase::BroadcastFew, CPU, BROADCAST),
    figure("broadcast-few-eight-cpu", "µs CPU", Phase::BroadcastFewEight, CPU, &[Most(2.0)]),
    figure("broadcast-few-eight-rate", "deliveries/s", Phase::BroadcastFewEight, RATE, &[]),
    figure("broadcast-many-cpu", "µs CPU", Phase::BroadcastMany, CPU, BROADCAST),
    figure("broadcast-many-last", "ms", Phase::BroadcastMany, LAST, &[MostTimes(0.5, Kind::Socketioxide)]),
    figure("single-slow-p50", "ms", Phase::SingleSlow, P50, &[]),
    figure("single-slow-p99", "ms", Phase::SingleSlow, P99, &[]),
    figure("single-slow-cpu", "µs CPU", Phase::SingleSlow, CPU, &[]),
    figure("single-fast-p50", "ms", Phase::SingleFast, P50, &[Most(3.0)]),
    figure("single-fast-p99", "ms", Phase::SingleFast, P99, &[Most(10.0)]),
    figure("single-fast-cpu", "µs CPU", Phase::SingleFast, CPU, &[MostTimes(1.0, Kind::Socketioxide)]),
    figure("saturated-batches", "deliveries/s", Phase::SaturatedBatches, RATE, &[Least(50_000.0)]),
    figure("saturated-ones", "deliveries/s", Phase::SaturatedOnes, RATE, &[Least(20_000.0)]),
    figure("polling", "deliveries/s", Phase::Polling, RATE, LIKE_SOCKETIOXIDE),
];

const fn figure(
    id: &'static str,
    unit: &'static str,
    phase: Phase,
    of: fn(&Measured) -> Option<f64>,
    aims: &'static [Aim],
) -> Figure {
    Figure { id, unit, phase, of, aims }
}

/// What one server was measured to do in one round.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) server: Kind,
    pub(crate) round: u32,
    pub(crate) phases: Vec<Measured>,
}

impl Figure {
    /// What it is called.
    pub(crate) fn title(&self, sizes: &Sizes) -> String {
        let &Sizes { few, many, polling, .. } = sizes;
        let [few, many] = [few, many].map(|count| grouped(count as f64));
        match self.id {
            "connect-rate" => format!("handshakes a second, {few} at once"),
            "connect-cpu" => format!("CPU of a handshake, {many} at once"),
            "connect-p99" => format!("p99 until connected, {many} at once"),
            "idle-rss" => format!("memory of an idle connection, {many}"),
            "broadcast-few-cpu" => format!("CPU of a delivery, broadcasts to {few} one at a time"),
            "broadcast-few-eight-cpu" => format!("CPU of a delivery, broadcasts to {few}, 8 under way"),
            "broadcast-few-eight-rate" => format!("deliveries a second, broadcasts to {few}, 8 under way"),
            "broadcast-many-cpu" => format!("CPU of a delivery, broadcasts to {many} one at a time"),
            "broadcast-many-last" => format!("until the last of {many} has a broadcast, p50"),
            "single-slow-p50" => format!("to single users of {many}, 1,000/s, p50"),
            "single-slow-p99" => format!("to single users of {many}, 1,000/s, p99"),
            "single-slow-cpu" => format!("CPU of a delivery to single users of {many}, 1,000/s"),
            "single-fast-p50" => format!("to single users of {many}, 5,000/s, p50"),
            "single-fast-p99" => format!("to single users of {many}, 5,000/s, p99"),
            "single-fast-cpu" => format!("CPU of a delivery to single users of {many}, 5,000/s"),
            "saturated-batches" => "deliveries a second, saturated by batches of 100".to_owned(),
            "saturated-ones" => "deliveries a second, saturated by one POST each".to_owned(),
            _ => format!("deliveries a second, {polling} clients of long polling, saturated"),
        }
    }

    /// The median over the rounds.
    pub(crate) fn median(&self, runs: &[Run], server: Kind) -> Option<f64> {
        let runs = runs.iter().filter(|run| run.server == server);
        let phases = runs.flat_map(|run| &run.phases).filter(|measured| measured.phase == self.phase);
        median(phases.filter_map(self.of).collect())
    }
}

/// The one in the middle, or the mean of the two there.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    Some(if values.len() % 2 == 1 { upper } else { (upper + values[values.len() / 2 - 1]) / 2.0 })
}

impl Aim {
    /// Whether this value meets it; `None` where what it refers to was not measured.
    pub(crate) fn is_met(self, value: f64, other: impl Fn(Kind) -> Option<f64>) -> Option<bool> {
        match self {
            Most(bound) => Some(value <= bound),
            Least(bound) => Some(value >= bound),
            MostTimes(times, kind) => other(kind).map(|other| value <= times * other),
            LeastTimes(times, kind) => other(kind).map(|other| value >= times * other),
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Most(bound) => write!(f, "≤ {}", shown(bound)),
            Least(bound) => write!(f, "≥ {}", shown(bound)),
            MostTimes(times, kind) => write!(f, "≤ {times} × {}", kind.name()),
            LeastTimes(times, kind) => write!(f, "≥ {times} × {}", kind.name()),
        }
    }
}

/// A number for people: three digits, and thousands apart.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => grouped(value.round()),
    }
}

pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_for_people() {
        let shown = [0.333, 12.34, 345.6, 12_345.0, 1_234_567.0].map(shown);
        assert_eq!(shown, ["0.33", "12.3", "346", "12,345", "1,234,567"]);
        assert_eq!(
            (median(vec![3.0, 1.0, 2.0]), median(vec![1.0, 2.0]), median(vec![])),
            (Some(2.0), Some(1.5), None)
        );
    }

    #[test]
    fn an_aim_is_judged_by_the_same_run() {
        let other = |kind| (kind == Kind::Socketioxide).then_some(10.0);
        let met = |aim: Aim, value| aim.is_met(value, other);
        assert_eq!((met(Most(3.0), 3.1), met(Least(3.0), 3.1)), (Some(false), Some(true)));
        assert_eq!(met(MostTimes(0.6, Kind::Socketioxide), 6.1), Some(false));
        assert_eq!(met(LeastTimes(1.0, Kind::Socketioxide), 10.0), Some(true));
        assert_eq!(met(MostTimes(1.2, Kind::Floor), 1.0), None);
        assert_eq!(MostTimes(0.6, Kind::Socketioxide).to_string(), "≤ 0.6 × socketioxide");
    }
}
