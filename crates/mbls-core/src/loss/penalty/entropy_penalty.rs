use crate::Result;
use crate::loss::cross_entropy::{TERM, negative_log_likelihood};
use crate::loss::ops::{constant, log_softmax, mean_over_classes};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};
use candle_core::Tensor;

/// Explicit confidence penalty (ECP): `CE - alpha mean_{n,k} -p_nk log p_nk`.
///
/// The entropy, as published, is averaged over classes too (so `alpha` has `1 / C` of its effect on
/// the entropy of a row), and p is clamped to the range from 1e-10 to 1 - 1e-10; a clamped
/// probability has no gradient.
///
/// # References
///
/// Pereyra et al., Regularizing Neural Networks by Penalizing Confident Output Distributions, 2017
/// (arXiv 1701.06548).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntropyPenalty {
    alpha: f64,
}

/// The smallest distance of p from 0 and from 1 in the published code.
const CLAMP: f64 = 1e-10;

impl EntropyPenalty {
    /// Rewards entropy with weight `alpha`, 0 or greater; published with 0.1.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for an invalid `alpha`.
    pub fn new(alpha: f64) -> Result<Self> {
        Ok(Self { alpha: setting::non_negative("alpha", alpha)? })
    }

    /// The weight of the entropy.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
}

impl Loss for EntropyPenalty {
    fn name(&self) -> &'static str {
        "entropy-penalty"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let log_probs = log_softmax(batch.logits()?)?;
        let cross_entropy = batch.reduce(&negative_log_likelihood(&log_probs, batch)?)?;
        let entropy = batch.reduce(&mean_entropy(&log_probs)?)?;
        LossOutput::new(TERM, 1.0, &cross_entropy)?.plus("entropy", -self.alpha, &entropy)
    }
}

/// Computes `mean_k -p_nk log p_nk` of log-probabilities, `[rows]`.
///
/// The clamp acts on `log p`: f32 has no number between 1 - 1e-10 and 1, but it has -1e-10.
fn mean_entropy(log_probs: &Tensor) -> candle_core::Result<Tensor> {
    let (low, high) = (CLAMP.ln(), (-CLAMP).ln_1p());
    // Each comparison is false for NaN, which is kept.
    let clamped = log_probs.lt(low)?.where_cond(&constant(low, log_probs)?, log_probs)?;
    let clamped = clamped.gt(high)?.where_cond(&constant(high, log_probs)?, &clamped)?;
    mean_over_classes(&(clamped.exp()? * &clamped)?)?.neg()
}
