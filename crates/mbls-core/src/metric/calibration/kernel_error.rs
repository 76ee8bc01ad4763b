use super::top_label_samples::SortedTopLabels;
use crate::metric::exact::FixedSum;
use crate::metric::input::Predictions;
use crate::simd::exp;
use crate::{Error, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How the squared kernel calibration error is estimated from `n` rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KernelEstimator {
    /// `sum_ij h_ij / n^2`: never negative, too large by what `h_ii` adds. `O(n^2)`.
    Biased,
    /// `sum_{i<j} h_ij / (n (n - 1) / 2)`: unbiased, so about half of its values are negative for a
    /// calibrated model. `O(n^2)`.
    #[default]
    Unbiased,
    /// The mean of `h` over `n / 2` pairs that share no row: unbiased, of more variance, `O(n)`.
    /// The pairs are drawn from the sorted rows by ChaCha8, so that they do not depend on the
    /// order of the rows; an odd row is left out.
    UnbiasedLinear {
        /// The seed of the pairing.
        seed: u64,
    },
}

/// The squared kernel calibration error and what it depends on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelCalibrationError {
    /// The estimate of the squared error.
    pub squared: f64,
    /// How it was estimated.
    pub estimator: KernelEstimator,
    /// The bandwidth of the kernel.
    pub bandwidth: f64,
    /// Number of rows.
    pub n: u64,
}

impl SortedTopLabels {
    /// The squared kernel calibration error of the top label:
    /// `h_ij = exp(-|c_i - c_j| / bandwidth) (z_i - c_i) (z_j - c_j)`, with `z_i` 1 where row `i`
    /// is correct.
    ///
    /// `None` for fewer than two rows, from which nothing unbiased can be said. Every `h_ij` is
    /// rounded once, to a multiple of 2^-60, and added exactly: the same bits for any number of
    /// threads.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a bandwidth that is not finite and greater than 0.
    ///
    /// # References
    ///
    /// Widmann et al., Calibration tests in multi-class classification, NeurIPS 2019 (arXiv
    /// 1910.11385), table 1; of the top label Kumar et al., Trainable Calibration Measures for
    /// Neural Networks, ICML 2018, whose MMCE is the root of the biased estimate.
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

/// The squared kernel calibration error of whole rows of probabilities:
/// `h_ij = exp(-|p_i - p_j| / bandwidth) (e_i - p_i) . (e_j - p_j)`, with the Euclidean distance
/// and the unit vector `e_i` of label `i`.
///
/// It is 0 in expectation only for a model that is calibrated as a whole, not in its top label
/// alone. `None` for fewer than two rows. Costs `O(n^2 classes)`, on all threads, except for
/// [`KernelEstimator::UnbiasedLinear`]; every `h_ij` is rounded once, to a multiple of 2^-60, and
/// added exactly: the same bits for any number of threads and any order of the rows.
///
/// ```
/// use mbls_core::metric::{KernelEstimator, Predictions, kernel_calibration_error};
///
/// let rows = Predictions::from_probs(&[0.75, 0.25, 0.75, 0.25], 2, &[0, 0])?;
/// let error = kernel_calibration_error(&rows, 1.0, KernelEstimator::Unbiased)?.expect("two rows");
/// // The same rows: the kernel is 1, and (1 - 0.75, -0.25) times itself is left.
/// assert_eq!((error.squared, error.n), (0.125, 2));
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Setting`] for a bandwidth that is not finite and greater than 0.
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
    // Any order of the rows is sorted to the same one; rows that compare equal are the same.
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

/// Estimates from `h` of pairs of rows, symmetric to the bit; `order` sorts the rows.
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
    // Exact: the order in which threads add does not matter.
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

/// A random permutation (Fisher and Yates).
fn shuffle(values: &mut [usize], seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for last in (1..values.len()).rev() {
        // u64, not usize: the same permutation on every platform.
        values.swap(last, rng.random_range(0..=last as u64) as usize);
    }
}
