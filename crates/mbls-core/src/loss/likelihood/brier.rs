use crate::Result;
use crate::loss::ops::{at_label, log_softmax};
use crate::loss::{LogitBatch, Loss, LossOutput};
use candle_core::D;

/// The Brier score, a bounded proper score: `mean_n sum_k (p_nk - [y_n = k])²`, from 0 to 2.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{BrierLoss, LogitBatch, Loss};
///
/// let logits = Tensor::new(&[[1f64, 1., 1., 1.]], &Device::Cpu)?;
/// let labels = Tensor::new(&[2u32], &Device::Cpu)?;
/// let loss = BrierLoss.forward(&LogitBatch::new(&logits, &labels, None)?)?;
/// assert!((loss.total.to_scalar::<f64>()? - 0.75).abs() < 1e-12);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Brier, Verification of Forecasts Expressed in Terms of Probability, Monthly Weather Review,
/// 1950; code by-liu/MbLS, `calibrate/losses/brier_score.py`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrierLoss;

impl Loss for BrierLoss {
    fn name(&self) -> &'static str {
        "brier"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let probs = log_softmax(batch.logits()?)?.exp()?;
        let label = at_label(&probs, batch)?;
        // The label's square is subtracted from the sum, so that a probability near 1 leaves no
        // rounding error.
        let others = (probs.sqr()?.sum(D::Minus1)? - label.sqr()?)?;
        let scores = (others + label.affine(-1.0, 1.0)?.sqr()?)?;
        LossOutput::new("brier", 1.0, &batch.reduce(&scores)?)
    }
}
