//! Latencies: recorded in microseconds, reported in milliseconds.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Recorders that do not wait for one another much.
const SHARDS: usize = 8;

/// Records from many tasks at once, to three digits.
pub(crate) struct Latencies(Vec<Mutex<Histogram<u64>>>);

impl Latencies {
    pub(crate) fn new() -> Self {
        let histogram = || Histogram::new_with_bounds(1, 600_000_000, 3).map(Mutex::new);
        // The bounds above are good ones, so no shard is left out.
        Self((0..SHARDS).filter_map(|_| histogram().ok()).collect())
    }

    /// Records one; `who` spreads the recorders over the shards.
    pub(crate) fn record(&self, who: usize, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0[who % SHARDS].lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        let mut all = self.0[0].lock().unwrap_or_else(PoisonError::into_inner).clone();
        for shard in &self.0[1..] {
            // The shards have the same bounds, so nothing is out of range.
            let _ = all.add(&*shard.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let ms = |micros: u64| micros as f64 / 1e3;
        let at = |quantile| ms(all.value_at_quantile(quantile));
        Quantiles { p50_ms: at(0.5), p99_ms: at(0.99), p999_ms: at(0.999), max_ms: ms(all.max()) }
    }
}

/// In milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quantiles {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_taken_over_all_shards() {
        let latencies = Latencies::new();
        for number in 1..=1000 {
            latencies.record(number, Duration::from_millis(number as u64));
        }
        let Quantiles { p50_ms, p99_ms, p999_ms, max_ms } = latencies.quantiles();
        for (measured, exact) in [(p50_ms, 500.0), (p99_ms, 990.0), (p999_ms, 999.0), (max_ms, 1000.0)] {
            assert!((measured - exact).abs() <= exact / 1000.0 + 0.001, "{measured} is not {exact}");
        }
    }
}
