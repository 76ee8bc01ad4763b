use crate::Result;
use crate::loss::cross_entropy::{TERM, negative_log_likelihood};
use crate::loss::ops::{constant, log_softmax, mean_over_classes};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};
use candle_core::Tensor;

/// Explicit confidence penalty (ECP): `CE - alpha mean_{n,k} -p_nk log p_nk`.
///
/// As published, the entropy is averaged over classes too (so `alpha` acts `1 / C` as strongly as
/// on the entropy of a row), and p is held between 1e-10 and 1 - 1e-10; a probability held so has
/// no gradient.
///
/// # References
///
/// Pereyra et al., Regularizing Neural Networks by Penalizing Confident Output Distributions, 2017
/// (arXiv 1701.06548).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntropyPenalty {
    alpha: f64,
}

/// The distance of p from 0 and from 1 that the published code keeps.
const CLAMP: f64 = 1e-10;

impl EntropyPenalty {
    /// Rewards entropy with weight `alpha`, 0 or greater; published with 0.1.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for another `alpha`.
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

/// `mean_k -p_nk log p_nk` of log-probabilities, `[rows]`.
///
/// The clamp acts on `log p`: in f32 no number lies between 1 - 1e-10 and 1, but -1e-10 is one.
fn mean_entropy(log_probs: &Tensor) -> candle_core::Result<Tensor> {
    let (low, high) = (CLAMP.ln(), (-CLAMP).ln_1p());
    // Each comparison is false for NaN, which so stays.
    let clamped = log_probs.lt(low)?.where_cond(&constant(low, log_probs)?, log_probs)?;
    let clamped = clamped.gt(high)?.where_cond(&constant(high, log_probs)?, &clamped)?;
    mean_over_classes(&(clamped.exp()? * &clamped)?)?.neg()
}
