//! Bootstrap intervals of statistics.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A two-sided confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The share of such intervals that should hold the true value, 0.95 for example.
    pub level: f64,
}

/// The percentile bootstrap interval of a statistic of `n` samples.
///
/// `statistic` is called once per resample, with `n` indices drawn from `0..n` with replacement; the interval lies between the
/// quantiles `(1 - level) / 2` and `(1 + level) / 2` of its values, by linear interpolation. Resample `r` draws from ChaCha8
/// with the seed `seed` and the stream `r`, so the result has the same bits for any number of threads. `None` where the
/// interval is undefined: no samples or 2^32 and more, no resamples, a level outside of (0, 1), a value that is not finite.
///
/// ```
/// use mbls_core::bootstrap::percentile_interval;
///
/// let sample = [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// let mean = |indices: &[u32]| indices.iter().map(|&i| sample[i as usize]).sum::<f64>() / indices.len() as f64;
/// let interval = percentile_interval(sample.len(), 1000, 0.9, 0, mean).expect("a mean is finite");
/// assert!(interval.low < 0.8 && 0.8 < interval.high);
/// ```
///
/// # References
///
/// Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
pub fn percentile_interval(
    n: usize,
    resamples: usize,
    level: f64,
    seed: u64,
    statistic: impl Fn(&[u32]) -> f64 + Sync,
) -> Option<Interval> {
    let bound = u32::try_from(n).ok().filter(|&n| n > 0)?;
    if resamples == 0 || !(level > 0.0 && level < 1.0) {
        return None;
    }
    let resample = |indices: &mut Vec<u32>, r: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(r as u64);
        indices.clear();
        indices.extend((0..n).map(|_| rng.random_range(0..bound)));
        let value = statistic(indices);
        value.is_finite().then_some(value)
    };
    let values: Option<Vec<f64>> =
        (0..resamples).into_par_iter().map_init(|| Vec::with_capacity(n), resample).collect();
    let mut values = values?;
    values.sort_unstable_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - level);
    Some(Interval { low: quantile(&values, tail), high: quantile(&values, 1.0 - tail), level })
}

/// The quantile of sorted values, at least one, by linear interpolation between order statistics.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = (position as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(sample: &[f64]) -> impl Fn(&[u32]) -> f64 + Sync {
        move |indices| indices.iter().map(|&i| sample[i as usize]).sum::<f64>() / indices.len() as f64
    }

    /// Sums of twelve uniform numbers less six: mean 0, variance 1.
    fn normal_sample(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0).collect()
    }

    #[test]
    fn same_bits_for_any_number_of_threads() {
        let sample = normal_sample(100, 1);
        let in_pool = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let interval = pool.install(|| percentile_interval(sample.len(), 500, 0.95, 7, mean_of(&sample))).unwrap();
            (interval.low.to_bits(), interval.high.to_bits())
        };
        assert_eq!(in_pool(1), in_pool(2));
        assert_eq!(in_pool(1), in_pool(4));
        let other_seed = percentile_interval(sample.len(), 500, 0.95, 8, mean_of(&sample)).unwrap();
        assert_ne!(in_pool(1).0, other_seed.low.to_bits());
    }

    #[test]
    fn covers_the_true_mean_about_as_often_as_it_says() {
        let covered = (0..300).filter(|&seed| {
            let sample = normal_sample(60, seed);
            let interval = percentile_interval(sample.len(), 400, 0.9, seed, mean_of(&sample)).unwrap();
            interval.low <= 0.0 && 0.0 <= interval.high
        });
        // Binomial with 300 trials: a standard deviation is 5.2; the percentile interval covers a little less than it says.
        let covered = covered.count();
        assert!((250..=290).contains(&covered), "{covered} of 300, expected about 266");
    }

    #[test]
    fn has_the_width_of_the_normal_approximation() {
        let sample = normal_sample(400, 3);
        let mean = sample.iter().sum::<f64>() / 400.0;
        let deviation = (sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 400.0).sqrt();
        let interval = percentile_interval(400, 4000, 0.95, 0, mean_of(&sample)).unwrap();
        let expected = 1.96 * deviation / 20.0;
        assert!((interval.high - mean - expected).abs() < 0.1 * expected, "{interval:?}");
        assert!((mean - interval.low - expected).abs() < 0.1 * expected, "{interval:?}");
    }

    #[test]
    fn quantiles_interpolate() {
        let sorted = [0.0, 1.0, 2.0, 4.0];
        assert_eq!(quantile(&sorted, 0.0), 0.0);
        assert_eq!(quantile(&sorted, 0.5), 1.5);
        assert_eq!(quantile(&sorted, 1.0), 4.0);
        assert_eq!(quantile(&[3.0], 0.3), 3.0);
    }

    #[test]
    fn undefined_is_none() {
        let zero = |_: &[u32]| 0.0;
        assert!(percentile_interval(0, 10, 0.9, 0, zero).is_none());
        assert!(percentile_interval(10, 0, 0.9, 0, zero).is_none());
        for level in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(percentile_interval(10, 10, level, 0, zero).is_none());
        }
        assert!(percentile_interval(10, 10, 0.9, 0, |_| f64::NAN).is_none());
        assert_eq!(percentile_interval(10, 10, 0.9, 0, zero), Some(Interval { low: 0.0, high: 0.0, level: 0.9 }));
    }
}
