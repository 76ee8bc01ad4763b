use crate::Result;
use crate::loss::cross_entropy::{TERM, negative_log_likelihood};
use crate::loss::ops::{abs, log_softmax};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};
use candle_core::D;

/// Cross-entropy plus the distance of the probabilities from uniform ones:
/// `CE + alpha mean_n sum_k |p_nk - 1/C|`.
///
/// The sum over classes is as in the published code. The derivative at `p_nk = 1/C` is 0.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{L1Penalty, LogitBatch, Loss};
///
/// let logits = Tensor::new(&[[100f32, 0., 0., 0.]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0u32], &Device::Cpu)?;
/// let loss = L1Penalty::new(0.1)?.forward(&LogitBatch::new(&logits, &labels, None)?)?;
/// assert_eq!(loss.terms[1].value.to_scalar::<f32>()?, 1.5);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Code by-liu/MbLS, `calibrate/losses/penalty_l1.py`; related to the L1 constraint that the MbLS
/// paper (arXiv 2111.15430) compares its method with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L1Penalty {
    alpha: f64,
}

impl L1Penalty {
    /// Penalises the distance with weight `alpha`, 0 or greater; the code's default is 1.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for an invalid `alpha`.
    pub fn new(alpha: f64) -> Result<Self> {
        Ok(Self { alpha: setting::non_negative("alpha", alpha)? })
    }
}

impl Loss for L1Penalty {
    fn name(&self) -> &'static str {
        "l1-penalty"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let log_probs = log_softmax(batch.logits()?)?;
        let cross_entropy = batch.reduce(&negative_log_likelihood(&log_probs, batch)?)?;
        let distances =
            abs(&log_probs.exp()?.affine(1.0, -1.0 / batch.classes() as f64)?)?.sum(D::Minus1)?;
        LossOutput::new(TERM, 1.0, &cross_entropy)?.plus(
            "uniform-distance",
            self.alpha,
            &batch.reduce(&distances)?,
        )
    }
}
