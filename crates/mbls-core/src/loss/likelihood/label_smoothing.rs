use crate::Result;
use crate::loss::cross_entropy::{TERM, negative_log_likelihood};
use crate::loss::fused::{self, Base, Plan, Second};
use crate::loss::ops::{log_softmax, mean_over_classes};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};

/// Cross-entropy with smoothed labels: `(1 - alpha) CE + alpha mean_{n,k} -log p_nk`.
///
/// The target of a row is `1 - alpha + alpha / C` at its label and `alpha / C` elsewhere. As a
/// penalty on logits this is `CE + alpha mean_n (l_n[y_n] - mean_k l_nk)`: it pulls the label's
/// logit towards the mean of all logits, however small the distance.
///
/// # References
///
/// Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016 (arXiv
/// 1512.00567).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelSmoothing {
    alpha: f64,
}

impl LabelSmoothing {
    /// Smooths labels by `alpha`, in `[0, 1]`; published for calibration with 0.05.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for an invalid `alpha`.
    pub fn new(alpha: f64) -> Result<Self> {
        Ok(Self { alpha: setting::fraction("alpha", alpha)? })
    }

    /// The weight of the uniform distribution in the target.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
}

impl Loss for LabelSmoothing {
    fn name(&self) -> &'static str {
        "label-smoothing"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        const UNIFORM: &str = "uniform-cross-entropy";
        let plan = Plan::new(TERM, 1.0 - self.alpha, Base::CrossEntropy);
        if let Some(output) =
            fused::forward(batch, &plan.with_second(UNIFORM, self.alpha, Second::Uniform))?
        {
            return Ok(output);
        }
        let log_probs = log_softmax(batch.logits()?)?;
        let cross_entropy = batch.reduce(&negative_log_likelihood(&log_probs, batch)?)?;
        let uniform = batch.reduce(&mean_over_classes(&log_probs)?.neg()?)?;
        LossOutput::new(TERM, 1.0 - self.alpha, &cross_entropy)?.plus(UNIFORM, self.alpha, &uniform)
    }
}
