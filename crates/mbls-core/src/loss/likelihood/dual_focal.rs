use crate::Result;
use crate::loss::focal::modulation;
use crate::loss::ops::{at_label, log_softmax, maximum};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};
use candle_core::D;

/// Dual focal loss: `mean_n -(1 - p_n[y_n] + q_n)^gamma log p_n[y_n]`, where q is the largest of
/// the row's probabilities below that of the label, or 0 if there is none.
///
/// The gap to the next class, not the distance to certainty, determines the weight of a row. q has
/// a gradient, which goes to the first of tied classes.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{DualFocal, LogitBatch, Loss};
///
/// // Probabilities 1/2, 1/4 and 1/4.
/// let logits = Tensor::new(&[[2f64.ln(), 0., 0.]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0u32], &Device::Cpu)?;
/// let loss = DualFocal::new(2.0)?.forward(&LogitBatch::new(&logits, &labels, None)?)?;
/// assert!((loss.total.to_scalar::<f64>()? - 0.75f64.powi(2) * 2f64.ln()).abs() < 1e-12);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Tao, Dong and Xu, Dual Focal Loss for Calibration, ICML 2023 (arXiv 2305.13665); code
/// Linwei94/ICML2023-DualFocalLoss, `Losses/dual_focal_loss.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DualFocal {
    gamma: f64,
}

impl DualFocal {
    /// Creates the loss with exponent `gamma`, 0 or greater; published with 5.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for an invalid `gamma`.
    pub fn new(gamma: f64) -> Result<Self> {
        Ok(Self { gamma: setting::non_negative("gamma", gamma)? })
    }
}

impl Loss for DualFocal {
    fn name(&self) -> &'static str {
        "dual-focal"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let logits = batch.logits()?;
        let log_probs = log_softmax(logits)?;
        let probs = log_probs.exp()?;
        let below =
            logits.detach().broadcast_lt(&at_label(&logits.detach(), batch)?.unsqueeze(1)?)?;
        let next = maximum(&below.where_cond(&probs, &probs.zeros_like()?)?)?.squeeze(D::Minus1)?;
        let complement = (next - at_label(&probs, batch)?)?.affine(1.0, 1.0)?;
        let losses =
            (modulation(&complement, self.gamma)? * at_label(&log_probs, batch)?)?.neg()?;
        LossOutput::new("dual-focal", 1.0, &batch.reduce(&losses)?)
    }
}
