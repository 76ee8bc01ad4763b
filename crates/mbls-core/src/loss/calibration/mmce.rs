use crate::loss::cross_entropy::{TERM, negative_log_likelihood};
use crate::loss::ops::{abs, constant, first_maximum, log_softmax};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};
use crate::{Error, Result};
use candle_core::{D, Tensor};

/// Cross-entropy plus the maximum mean calibration error, `CE + lambda MMCE`: a kernel distance
/// between confidence and accuracy over the batch.
///
/// With r the confidence of a row, c 1 if its prediction is correct and 0 otherwise, and
/// `K_ij = exp(-|r_i - r_j| / 0.4)`:
///
/// - [`new`](Self::new): `sum_ij (c_i - r_i)(c_j - r_j) K_ij / N²`, the square of MMCE, as in the
///   published PyTorch code;
/// - [`weighted`](Self::weighted): with m correct and n wrong rows, u = 1 - r on the correct and v
///   = r on the wrong ones, `sqrt(u'Ku / (m² (m² + e)) + v'Kv / (n² (n² + e)) - 2 u'Kv / (mn (mn +
///   e)) + 1e-10)`, e = 1e-5; 0 if no row is correct or none is wrong. The published code divides
///   by the number of pairs twice, and published weights assume this.
///
/// A statistic of the batch: it has no value per row and no class weights, and its sum is N times
/// its mean. Time and memory grow with the square of the number of rows, which is limited to
/// 16,384.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{LogitBatch, Loss, Mmce};
///
/// // Confidence 1/2, and wrong.
/// let logits = Tensor::new(&[[1f64, 1.]], &Device::Cpu)?;
/// let labels = Tensor::new(&[1u32], &Device::Cpu)?;
/// let loss = Mmce::new(2.0)?.forward(&LogitBatch::new(&logits, &labels, None)?)?;
/// assert!((loss.terms[1].value.to_scalar::<f64>()? - 0.25).abs() < 1e-12);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Kumar, Sarawagi and Jain, Trainable Calibration Measures for Neural Networks from Kernel Mean
/// Embeddings, ICML 2018; code by-liu/MbLS, `calibrate/losses/mmce.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mmce {
    lambda: f64,
    weighted: bool,
}

/// The width of the kernel.
const WIDTH: f64 = 0.4;

/// The number of rows whose kernel matrix takes 1 GiB in f32.
const MOST_ROWS: usize = 1 << 14;

/// The constants that the published code adds to the denominators and under the root of the
/// weighted form.
const DENOMINATOR: f64 = 1e-5;
const RADICAND: f64 = 1e-10;

impl Mmce {
    /// Adds the squared MMCE with weight `lambda`, 0 or greater; published with 1.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an invalid `lambda`.
    pub fn new(lambda: f64) -> Result<Self> {
        Ok(Self { lambda: setting::non_negative("lambda", lambda)?, weighted: false })
    }

    /// Adds the weighted MMCE with weight `lambda`, 0 or greater; published with 2.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an invalid `lambda`.
    pub fn weighted(lambda: f64) -> Result<Self> {
        Ok(Self { weighted: true, ..Self::new(lambda)? })
    }
}

impl Loss for Mmce {
    fn name(&self) -> &'static str {
        if self.weighted { "weighted-mmce" } else { "mmce" }
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        if batch.rows() > MOST_ROWS {
            return Err(Error::Shape {
                what: "rows of a batch",
                expected: format!("at most {MOST_ROWS}, since MMCE compares all pairs of rows"),
                found: batch.rows().to_string(),
            });
        }
        let logits = batch.logits()?;
        let log_probs = log_softmax(logits)?;
        let predicted = first_maximum(logits)?;
        let confidence = log_probs.gather(&predicted, D::Minus1)?.exp()?;
        let correct = predicted.eq(&batch.labels()?.unsqueeze(1)?)?.to_dtype(logits.dtype())?;
        let kernel =
            abs(&confidence.broadcast_sub(&confidence.t()?)?)?.affine(-1.0 / WIDTH, 0.0)?.exp()?;
        let statistic = if self.weighted {
            weighted_mmce(&confidence, &correct, &kernel)?
        } else {
            let gap = (correct - confidence)?;
            product(&gap, &kernel, &gap)?.affine((batch.rows() as f64).powi(-2), 0.0)?
        };
        let statistic = batch.reduce_statistic(&statistic)?;
        let cross_entropy = batch.reduce(&negative_log_likelihood(&log_probs, batch)?)?;
        LossOutput::new(TERM, 1.0, &cross_entropy)?.plus(self.name(), self.lambda, &statistic)
    }
}

/// The weighted form from `[rows, 1]` confidences and hits and the `[rows, rows]` kernel.
fn weighted_mmce(confidence: &Tensor, correct: &Tensor, kernel: &Tensor) -> Result<Tensor> {
    let hits = correct.sum_all()?;
    let misses = hits.affine(-1.0, correct.elem_count() as f64)?;
    let right = (correct * confidence.affine(-1.0, 1.0)?)?;
    let wrong = (correct.affine(-1.0, 1.0)? * confidence)?;
    // If a count is 0, its sum is 0 too and the part is 0 / 0; `decided` excludes it below.
    let decided = (&hits * &misses)?.gt(0.0)?;
    let part = |left: &Tensor, other: &Tensor, pairs: Tensor| -> candle_core::Result<Tensor> {
        let pairs = decided.where_cond(&pairs, &pairs.ones_like()?)?;
        product(left, kernel, other)? / (&pairs * pairs.affine(1.0, DENOMINATOR)?)?
    };
    let square = ((part(&right, &right, hits.sqr()?)? + part(&wrong, &wrong, misses.sqr()?)?)?
        - part(&right, &wrong, (&hits * &misses)?)?.affine(2.0, 0.0)?)?;
    // The constants in the denominators can take the sum below 0 by rounding. The comparison is
    // false for NaN, which is kept.
    let zero = constant(0.0, &square)?;
    let root = square.lt(0.0)?.where_cond(&zero, &square)?.affine(1.0, RADICAND)?.sqrt()?;
    Ok(decided.where_cond(&root, &zero)?)
}

/// `left' kernel right`, a scalar.
fn product(left: &Tensor, kernel: &Tensor, right: &Tensor) -> candle_core::Result<Tensor> {
    (left * kernel.matmul(right)?)?.sum_all()
}
