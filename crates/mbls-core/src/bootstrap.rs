//! Bootstrap intervals of statistics, and of differences between two models' statistics.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A two-sided confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    #[serde(with = "crate::number")]
    pub low: f64,
    /// The upper end.
    #[serde(with = "crate::number")]
    pub high: f64,
    /// The nominal coverage: the fraction of such intervals that should contain the true value, for
    /// example 0.95.
    pub level: f64,
}

impl Interval {
    /// Returns the percentile interval of a statistic's values on resamples, as
    /// [`resampled_values`] returns them.
    ///
    /// Returns `None` for no values, for values that are not finite and for a level outside of
    /// `(0, 1)`.
    pub fn of_values(values: Vec<f64>, level: f64) -> Option<Self> {
        let (interval, _) = interval_of(values, level)?;
        Some(interval)
    }

    /// Whether 0 is outside of the interval.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Returns the values of a statistic on the resamples of [`percentile_interval`], in resample
/// order.
///
/// The draws depend only on `n`, `resamples` and `seed`, so two statistics of the same rows have
/// paired values. Their differences, value by value, are the paired bootstrap of
/// [`paired_difference`]; one pass per statistic serves any number of pairs. Returns `None` if a
/// value is undefined or not finite, if there are no samples or 2^32 or more, and if there are no
/// resamples.
///
/// ```
/// use mbls_core::bootstrap::{Interval, resampled_values};
///
/// let errors = [[0.3, 0.1, 0.5, 0.4, 0.2], [0.2, 0.0, 0.4, 0.3, 0.1]];
/// let means = errors.map(|errors| {
///     let mean = |rows: &[u32]| rows.iter().map(|&i| errors[i as usize]).sum::<f64>() / 5.0;
///     resampled_values(5, 1000, 0, mean).expect("means are finite")
/// });
/// let differences =
///     means[0].iter().zip(&means[1]).map(|(left, right)| left - right).collect();
/// assert!(
///     Interval::of_values(differences, 0.95).expect("differences are finite").excludes_zero()
/// );
/// ```
pub fn resampled_values<S: Into<Option<f64>>>(
    n: usize,
    resamples: usize,
    seed: u64,
    statistic: impl Fn(&[u32]) -> S + Sync,
) -> Option<Vec<f64>> {
    let values: Option<Vec<f64>> =
        resample(n, resamples, seed, |indices| statistic(indices).into())?.into_iter().collect();
    values.filter(|values| !values.is_empty() && values.iter().all(|value| value.is_finite()))
}

/// Returns the percentile bootstrap interval of a statistic of `n` samples.
///
/// `statistic` is called once per resample, with `n` indices drawn from `0..n` with replacement.
/// The interval lies between the quantiles `(1 - level) / 2` and `(1 + level) / 2` of its values,
/// with linear interpolation. Resample `r` uses ChaCha8 with the seed `seed` and the stream `r`, so
/// the result is bit-identical for any number of threads.
///
/// Returns `None` if the interval is undefined: no samples, 2^32 samples or more, no resamples, a
/// level outside of `(0, 1)`, or a statistic that is `None` or not finite.
///
/// ```
/// use mbls_core::bootstrap::percentile_interval;
///
/// let sample = [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// let mean = |indices: &[u32]| {
///     indices.iter().map(|&i| sample[i as usize]).sum::<f64>() / indices.len() as f64
/// };
/// let interval =
///     percentile_interval(sample.len(), 1000, 0.9, 0, mean).expect("a mean is finite");
/// assert!(interval.low < 0.8 && 0.8 < interval.high);
/// ```
///
/// # References
///
/// Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
pub fn percentile_interval<S: Into<Option<f64>>>(
    n: usize,
    resamples: usize,
    level: f64,
    seed: u64,
    statistic: impl Fn(&[u32]) -> S + Sync,
) -> Option<Interval> {
    Interval::of_values(resampled_values(n, resamples, seed, statistic)?, level)
}

/// The difference of two models' statistics on the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// The difference on the original rows, left minus right.
    #[serde(with = "crate::number")]
    pub observed: f64,
    /// The percentile bootstrap interval of the difference.
    pub interval: Interval,
    /// The fraction of resamples in which the difference is 0 or less.
    #[serde(rename = "share_not_positive")]
    pub fraction_not_positive: f64,
    /// Number of resamples, each of `n` rows.
    pub resamples: usize,
    /// Number of rows.
    pub n: usize,
}

/// Computes the paired bootstrap of the difference `left - right` of two statistics of the same `n`
/// rows.
///
/// Every resample draws rows once and computes both statistics from them. Effects of rows that are
/// hard for both models cancel, so the interval is narrower than two separate intervals suggest.
/// Draws and quantiles are as in [`percentile_interval`]. Returns `None` under the same conditions,
/// and if a statistic of the original rows is not finite.
///
/// ```
/// use mbls_core::bootstrap::paired_difference;
///
/// let (left, right) = ([0.3, 0.1, 0.5, 0.4, 0.2], [0.2, 0.0, 0.4, 0.3, 0.1]);
/// let mean = |errors: [f64; 5]| {
///     move |rows: &[u32]| rows.iter().map(|&i| errors[i as usize]).sum::<f64>() / 5.0
/// };
/// let difference =
///     paired_difference(5, 1000, 0.95, 0, mean(left), mean(right)).expect("means are finite");
/// // Means vary by far more than 0.1, their difference does not.
/// assert!(
///     (difference.interval.low - 0.1).abs() < 1e-12
///         && (difference.interval.high - 0.1).abs() < 1e-12
/// );
/// assert_eq!(difference.fraction_not_positive, 0.0);
/// ```
///
/// # References
///
/// Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 16.
pub fn paired_difference(
    n: usize,
    resamples: usize,
    level: f64,
    seed: u64,
    left: impl Fn(&[u32]) -> f64 + Sync,
    right: impl Fn(&[u32]) -> f64 + Sync,
) -> Option<PairedDifference> {
    let difference = |rows: &[u32]| left(rows) - right(rows);
    let (interval, sorted) = interval_of(resample(n, resamples, seed, difference)?, level)?;
    let rows: Vec<u32> = (0..u32::try_from(n).ok()?).collect();
    let observed = Some(difference(&rows)).filter(|value| value.is_finite())?;
    let not_positive = sorted.partition_point(|value| *value <= 0.0);
    let fraction_not_positive = not_positive as f64 / resamples as f64;
    Some(PairedDifference { observed, interval, fraction_not_positive, resamples, n })
}

/// Returns a statistic of any type on the resamples of [`percentile_interval`], in resample order.
/// It serves several statistics of the same draws in one pass.
///
/// Returns `None` if there are no samples or 2^32 or more.
///
/// ```
/// use mbls_core::bootstrap::resample;
///
/// let first_and_last = |rows: &[u32]| (rows[0], rows[rows.len() - 1]);
/// assert_eq!(resample(5, 100, 0, first_and_last).expect("there are samples").len(), 100);
/// ```
pub fn resample<T: Send>(
    n: usize,
    resamples: usize,
    seed: u64,
    statistic: impl Fn(&[u32]) -> T + Sync,
) -> Option<Vec<T>> {
    let bound = u32::try_from(n).ok().filter(|&n| n > 0)?;
    let draw = |rng: &mut ChaCha8Rng, indices: &mut Vec<u32>| {
        indices.clear();
        indices.extend((0..n).map(|_| rng.random_range(0..bound)));
        statistic(indices)
    };
    Some(simulate(resamples, seed, || Vec::with_capacity(n), draw))
}

/// Returns `draw` of each of `resamples` random streams, in stream order. Stream `r` is that of
/// ChaCha8 with the seed `seed`, so the results do not depend on the number of threads. `scratch`
/// creates a buffer that draws may share.
pub(crate) fn simulate<S, T: Send>(
    resamples: usize,
    seed: u64,
    scratch: impl Fn() -> S + Sync + Send,
    draw: impl Fn(&mut ChaCha8Rng, &mut S) -> T + Sync + Send,
) -> Vec<T> {
    let one = |scratch: &mut S, r: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(r as u64);
        draw(&mut rng, scratch)
    };
    (0..resamples).into_par_iter().map_init(scratch, one).collect()
}

/// Returns the interval between the quantiles of `values`, and the sorted values. Returns `None`
/// for no values, for values that are not finite and for a level outside of `(0, 1)`.
pub(crate) fn interval_of(mut values: Vec<f64>, level: f64) -> Option<(Interval, Vec<f64>)> {
    if values.is_empty()
        || !values.iter().all(|value| value.is_finite())
        || !(level > 0.0 && level < 1.0)
    {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - level);
    Some((
        Interval { low: quantile(&values, tail), high: quantile(&values, 1.0 - tail), level },
        values,
    ))
}

/// Returns the quantile of sorted values, at least one, with linear interpolation between order
/// statistics.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = (position as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(sample: &[f64]) -> impl Fn(&[u32]) -> f64 + Sync {
        move |indices| {
            indices.iter().map(|&i| sample[i as usize]).sum::<f64>() / indices.len() as f64
        }
    }

    /// Sums of twelve uniform numbers minus six: mean 0, variance 1.
    fn normal_sample(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0).collect()
    }

    #[test]
    fn same_bits_for_any_number_of_threads() {
        let sample = normal_sample(100, 1);
        let in_pool = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let interval = pool
                .install(|| percentile_interval(sample.len(), 500, 0.95, 7, mean_of(&sample)))
                .unwrap();
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
            let interval =
                percentile_interval(sample.len(), 400, 0.9, seed, mean_of(&sample)).unwrap();
            interval.low <= 0.0 && 0.0 <= interval.high
        });
        // Binomial with 300 trials: the standard deviation is 5.2. The percentile interval covers
        // slightly less than its nominal level.
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
    fn paired_interval_is_that_of_the_differences() {
        let (left, right) = (normal_sample(80, 5), normal_sample(80, 6));
        let differences: Vec<f64> = left.iter().zip(&right).map(|(l, r)| l - r).collect();
        let paired = paired_difference(80, 1000, 0.9, 3, mean_of(&left), mean_of(&right)).unwrap();
        let direct = percentile_interval(80, 1000, 0.9, 3, mean_of(&differences)).unwrap();
        assert!(
            (paired.interval.low - direct.low).abs() < 1e-12
                && (paired.interval.high - direct.high).abs() < 1e-12
        );
        assert!((paired.observed - differences.iter().sum::<f64>() / 80.0).abs() < 1e-12);
        let [l, r] =
            [&left, &right].map(|sample| resampled_values(80, 1000, 3, mean_of(sample)).unwrap());
        let by_value =
            Interval::of_values(l.iter().zip(&r).map(|(l, r)| l - r).collect(), 0.9).unwrap();
        assert_eq!(by_value, paired.interval);
        let values = resample(80, 1000, 3, mean_of(&differences)).unwrap();
        let share = values.iter().filter(|value| **value <= 0.0).count() as f64 / 1000.0;
        assert_eq!((paired.fraction_not_positive, paired.n, paired.resamples), (share, 80, 1000));
        // A model compared with itself: the difference is 0 in every resample.
        let same = paired_difference(80, 100, 0.9, 3, mean_of(&left), mean_of(&left)).unwrap();
        assert_eq!(
            (same.interval.low, same.interval.high, same.fraction_not_positive),
            (0.0, 0.0, 1.0)
        );
    }

    #[test]
    fn paired_difference_has_the_same_bits_for_any_number_of_threads() {
        let (left, right) = (normal_sample(50, 8), normal_sample(50, 9));
        let in_pool = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| paired_difference(50, 300, 0.95, 7, mean_of(&left), mean_of(&right)))
                .unwrap()
        };
        assert_eq!(in_pool(1), in_pool(2));
        assert_eq!(in_pool(1), in_pool(5));
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
        assert!(paired_difference(0, 10, 0.9, 0, zero, zero).is_none());
        assert!(paired_difference(10, 0, 0.9, 0, zero, zero).is_none());
        assert!(paired_difference(10, 10, 1.0, 0, zero, zero).is_none());
        assert!(paired_difference(10, 10, 0.9, 0, zero, |_| f64::INFINITY).is_none());
        assert_eq!(
            percentile_interval(10, 10, 0.9, 0, zero),
            Some(Interval { low: 0.0, high: 0.0, level: 0.9 })
        );
    }
}
