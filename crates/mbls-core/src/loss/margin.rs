use super::cross_entropy::{TERM, negative_log_likelihood};
use super::ops::log_softmax;
use super::{LogitBatch, LogitPenalty, Loss, LossOutput, setting};
use crate::Result;

/// Margin-based label smoothing (MbLS): `CE + alpha mean_{n,k} max(0, max_j l_nj - l_nk - margin)`.
///
/// Logits may differ by up to the margin at no cost; only what exceeds it is penalised. Published alphas belong to the mean
/// over classes. At margin 0 this is `CE + alpha mean_n (max_k l_nk - mean_k l_nk)`, known as MaxSup.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{LogitBatch, Loss, MarginLoss};
///
/// let logits = Tensor::new(&[[12f32, 0.]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0u32], &Device::Cpu)?;
/// let loss = MarginLoss::new(10.0, 0.1)?.forward(&LogitBatch::new(&logits, &labels, None)?)?;
/// assert_eq!(loss.terms[1].name, "logit-margin");
/// assert_eq!(loss.terms[1].value.to_scalar::<f32>()?, 1.0);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Liu et al., The Devil is in the Margin: Margin-based Label Smoothing for Network Calibration, CVPR 2022
/// (arXiv 2111.15430). Margin 0: Zhou et al., MaxSup: Overcoming Representation Collapse in Label Smoothing, 2025
/// (arXiv 2502.15798).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MarginLoss {
    penalty: LogitPenalty,
    alpha: f64,
}

impl MarginLoss {
    /// Adds the penalty beyond `margin` with weight `alpha`, both 0 or greater; published with alpha 0.1 and margin 10
    /// (6 on CIFAR-10).
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for other settings.
    pub fn new(margin: f64, alpha: f64) -> Result<Self> {
        Ok(Self { penalty: LogitPenalty::new(margin)?, alpha: setting::non_negative("alpha", alpha)? })
    }

    /// The penalty.
    pub fn penalty(&self) -> LogitPenalty {
        self.penalty
    }

    /// The weight of the penalty.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
}

impl Loss for MarginLoss {
    fn name(&self) -> &'static str {
        "margin"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let cross_entropy = batch.reduce(&negative_log_likelihood(&log_softmax(batch.logits()?)?, batch)?)?;
        let penalty = batch.reduce(&self.penalty.per_row(batch)?)?;
        LossOutput::new(TERM, 1.0, &cross_entropy)?.plus("logit-margin", self.alpha, &penalty)
    }
}
