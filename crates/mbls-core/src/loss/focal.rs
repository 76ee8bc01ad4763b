use super::ops::{at_label, log_softmax};
use super::{LogitBatch, Loss, LossOutput, setting};
use crate::Result;
use candle_core::Tensor;

/// Focal loss: `mean_n (1 - p_n[y_n])^gamma * -log p_n[y_n]`; gamma 0 is cross-entropy.
///
/// # References
///
/// Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (arXiv 1708.02002); for calibration Mukhoti et al.,
/// Calibrating Deep Neural Networks using Focal Loss, NeurIPS 2020 (arXiv 2002.09437).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Focal {
    gamma: f64,
}

impl Focal {
    /// Focuses by `gamma`, 0 or greater; published for calibration with 3.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for another `gamma`.
    pub fn new(gamma: f64) -> Result<Self> {
        Ok(Self { gamma: setting::non_negative("gamma", gamma)? })
    }

    /// The exponent.
    pub fn gamma(&self) -> f64 {
        self.gamma
    }
}

impl Loss for Focal {
    fn name(&self) -> &'static str {
        "focal"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let log_prob = at_label(&log_softmax(batch.logits()?)?, batch)?;
        let losses = (modulation(&log_prob, self.gamma)? * log_prob)?.neg()?;
        LossOutput::new("focal", 1.0, &batch.reduce(&losses)?)
    }
}

/// `(1 - p)^gamma` of `log p`; the constant 0 where p is 1, since the power's derivative there is infinite for gamma < 1.
fn modulation(log_prob: &Tensor, gamma: f64) -> candle_core::Result<Tensor> {
    let others = log_prob.exp()?.affine(-1.0, 1.0)?;
    let certain = others.le(0.0)?;
    let power = certain.where_cond(&others.ones_like()?, &others)?.powf(gamma)?;
    certain.where_cond(&others.zeros_like()?, &power)
}
