//! Whether a series grows.

/// The least-squares slope of a series by its index, and the least it may be with 99 % confidence (one-sided, by the normal
/// distribution: there are dozens of values); `None` for fewer than ten.
pub(super) fn slope(series: &[f64]) -> Option<(f64, f64)> {
    if series.len() < 10 {
        return None;
    }
    let n = series.len() as f64;
    let (mean_x, mean_y) = ((n - 1.0) / 2.0, series.iter().sum::<f64>() / n);
    let points = || series.iter().enumerate().map(|(i, y)| (i as f64 - mean_x, y - mean_y));
    let spread: f64 = points().map(|(x, _)| x * x).sum();
    let slope = points().map(|(x, y)| x * y).sum::<f64>() / spread;
    let residue: f64 = points().map(|(x, y)| (y - slope * x).powi(2)).sum();
    let error = (residue / (n - 2.0) / spread).sqrt();
    Some((slope, slope - 2.33 * error))
}

#[cfg(test)]
mod tests {
    use carillon_tests::Dice;

    use super::{super::SLOPE, slope};

    /// 40 cycles of a build that leaks so many bytes with each, with noise of 64 KiB.
    fn least(leak: f64, seed: u64) -> f64 {
        let mut dice = Dice::new(seed);
        let noise = |dice: &mut Dice| f64::from(u32::try_from(dice.below(65_536)).unwrap());
        let series: Vec<f64> = (0..40).map(|i| 5e6 + leak * f64::from(i) + noise(&mut dice)).collect();
        slope(&series).unwrap().1
    }

    #[test]
    fn two_sessions_of_2000_are_seen_through_noise_and_none_is_not() {
        for seed in 0..100 {
            assert!(least(2.0 * 5_000.0, seed) > SLOPE, "seed {seed}");
            assert!(least(0.0, seed) < SLOPE, "seed {seed}");
        }
        assert_eq!(slope(&[1.0; 9]), None);
    }
}
