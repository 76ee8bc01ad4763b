use super::top_label_samples::SortedTopLabels;
use crate::metric::exact::FixedSum;
use crate::metric::input::Predictions;
use crate::simd::exp;
use crate::{Error, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The estimator of the squared kernel calibration error of `n` rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KernelEstimator {
    /// `sum_ij h_ij / n^2`: never negative, biased upwards by the terms `h_ii`. `O(n^2)`.
    Biased,
    /// `sum_{i<j} h_ij / (n (n - 1) / 2)`: unbiased, so about half of its values are negative for a
    /// calibrated model. `O(n^2)`.
    #[default]
    Unbiased,
    /// The mean of `h` over `n / 2` disjoint pairs of rows: unbiased, with a higher variance,
    /// `O(n)`. ChaCha8 samples the pairs from the sorted rows, so they do not depend on the order
    /// of the rows. If the number of rows is odd, one row is left out.
    UnbiasedLinear {
        /// The seed of the pairing.
        seed: u64,
    },
}

/// The squared kernel calibration error and the settings it depends on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelCalibrationError {
    /// The estimate of the squared error.
    pub squared: f64,
    /// The estimator.
    pub estimator: KernelEstimator,
    /// The bandwidth of the kernel.
    pub bandwidth: f64,
    /// Number of rows.
    pub n: u64,
}

impl SortedTopLabels {
    /// Computes the squared kernel calibration error of the top label with `h_ij = exp(-|c_i - c_j|
    /// / bandwidth) (z_i - c_i) (z_j - c_j)`, where `z_i` is 1 if row `i` is correct.
    ///
    /// Returns `None` for fewer than two rows, for which no unbiased estimate exists. Every `h_ij`
    /// is rounded once, to a multiple of 2^-60, and added exactly, so the result is bit-identical
    /// for any number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if the bandwidth is not finite or not greater than 0.
    ///
    /// # References
    ///
    /// Widmann et al., Calibration tests in multi-class classification, NeurIPS 2019 (arXiv
    /// 1910.11385), table 1. For the top label: Kumar et al., Trainable Calibration Measures for
    /// Neural Networks, ICML 2018, whose MMCE is the square root of the biased estimate.
    pub fn kernel_calibration_error(
        &self,
        bandwidth: f64,
        estimator: KernelEstimator,
    ) -> Result<Option<KernelCalibrationError>> {
        let rows: Vec<(f64, f64)> = self
            .iter()
            .map(|(confidence, correct)| (confidence, f64::from(u8::from(correct)) - confidence))
            .collect();
        let pair = |i: usize, j: usize| {
            let (left, right) = (rows[i], rows[j]);
            exp(-(left.0 - right.0).abs() / bandwidth) * (left.1 * right.1)
        };
        let order = || (0..rows.len()).collect();
        estimate(rows.len(), bandwidth, estimator, order, pair)
    }
}

/// Computes the squared kernel calibration error of full probability vectors with
/// `h_ij = exp(-|p_i - p_j| / bandwidth) (e_i - p_i) . (e_j - p_j)`, the Euclidean distance and the
/// unit vector `e_i` of label `i`.
///
/// The expectation is 0 only for a model that is calibrated in all classes, not only in the top
/// label. Returns `None` for fewer than two rows. Costs `O(n^2 classes)`, on all threads, except
/// for [`KernelEstimator::UnbiasedLinear`]. Every `h_ij` is rounded once, to a multiple of 2^-60,
/// and added exactly, so the result is bit-identical for any number of threads and any order of the
/// rows.
///
/// ```
/// use mbls_core::metric::{KernelEstimator, Predictions, kernel_calibration_error};
///
/// let rows = Predictions::from_probs(&[0.75, 0.25, 0.75, 0.25], 2, &[0, 0])?;
/// let error =
///     kernel_calibration_error(&rows, 1.0, KernelEstimator::Unbiased)?.expect("two rows");
/// // Identical rows: the kernel is 1, and h is the square of (1 - 0.75, -0.25).
/// assert_eq!((error.squared, error.n), (0.125, 2));
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Setting`] if the bandwidth is not finite or not greater than 0.
///
/// # References
///
/// Widmann et al., Calibration tests in multi-class classification, NeurIPS 2019 (arXiv
/// 1910.11385), lemma 1 and table 1, with the kernel `exp(-|p - q| / bandwidth)` times the
/// identity.
pub fn kernel_calibration_error(
    predictions: &Predictions,
    bandwidth: f64,
    estimator: KernelEstimator,
) -> Result<Option<KernelCalibrationError>> {
    let residual = |row: usize, class: usize, p: f64| {
        if class == predictions.label(row) as usize { 1.0 - p } else { -p }
    };
    let pair = |i: usize, j: usize| {
        let (mut square, mut product) = (0.0, 0.0);
        for (class, (&p, &q)) in predictions.probs(i).iter().zip(predictions.probs(j)).enumerate() {
            square += (p - q) * (p - q);
            product += residual(i, class, p) * residual(j, class, q);
        }
        exp(-square.sqrt() / bandwidth) * product
    };
    // Sorting makes the result independent of the order of the rows: rows that compare equal are
    // identical.
    let order = || {
        let mut order: Vec<usize> = (0..predictions.rows()).collect();
        order.sort_by(|&i, &j| {
            let probs = predictions.probs(i).iter().zip(predictions.probs(j));
            let first_different =
                probs.map(|(p, q)| p.total_cmp(q)).find(|ordering| ordering.is_ne());
            first_different.unwrap_or_else(|| predictions.label(i).cmp(&predictions.label(j)))
        });
        order
    };
    estimate(predictions.rows(), bandwidth, estimator, order, pair)
}

/// Computes the estimate from the `h` of pairs of rows, which is bitwise symmetric. `order` sorts
/// the rows.
fn estimate(
    n: usize,
    bandwidth: f64,
    estimator: KernelEstimator,
    order: impl FnOnce() -> Vec<usize>,
    h: impl Fn(usize, usize) -> f64 + Sync,
) -> Result<Option<KernelCalibrationError>> {
    if !(bandwidth > 0.0 && bandwidth.is_finite()) {
        let expected = "a finite number greater than 0";
        return Err(Error::Setting { name: "bandwidth", value: bandwidth.to_string(), expected });
    }
    if n < 2 {
        return Ok(None);
    }
    let pairs_with = |i: usize| sum((0..i).map(|j| h(i, j)));
    // The sum is exact, so the order in which threads add does not matter.
    let below_diagonal =
        || (0..n).into_par_iter().map(pairs_with).try_reduce(FixedSum::default, added);
    let pairs = n as f64 * (n - 1) as f64 / 2.0;
    let squared = match estimator {
        KernelEstimator::Unbiased => below_diagonal()?.to_f64() / pairs,
        KernelEstimator::Biased => {
            let half = below_diagonal()?;
            let all = added(added(half, half)?, sum((0..n).map(|i| h(i, i)))?)?;
            all.to_f64() / (n as f64 * n as f64)
        }
        KernelEstimator::UnbiasedLinear { seed } => {
            let mut order = order();
            shuffle(&mut order, seed);
            sum(order.chunks_exact(2).map(|pair| h(pair[0], pair[1])))?.mean(n as u64 / 2)
        }
    };
    Ok(Some(KernelCalibrationError { squared, estimator, bandwidth, n: n as u64 }))
}

fn sum(mut values: impl Iterator<Item = f64>) -> Result<FixedSum> {
    values.try_fold(FixedSum::default(), |mut sum, value| {
        sum.add(value)?;
        Ok(sum)
    })
}

fn added(mut left: FixedSum, right: FixedSum) -> Result<FixedSum> {
    left.merge(right)?;
    Ok(left)
}

/// Shuffles uniformly at random (Fisher-Yates).
fn shuffle(values: &mut [usize], seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for last in (1..values.len()).rev() {
        // u64 instead of usize, so the permutation is the same on every platform.
        values.swap(last, rng.random_range(0..=last as u64) as usize);
    }
}
