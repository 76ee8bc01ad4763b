use crate::Result;
use crate::loss::fused::{self, Base, Plan};
use crate::loss::ops::{at_label, log_softmax};
use crate::loss::{LogitBatch, Loss, LossOutput};
use candle_core::Tensor;

/// Cross-entropy, the mean negative log-likelihood of the labels: `mean_n -log p_n[y_n]`.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{CrossEntropy, LogitBatch, Loss};
///
/// let logits = Tensor::new(&[[1f64, 1., 1., 1.]], &Device::Cpu)?;
/// let labels = Tensor::new(&[2u32], &Device::Cpu)?;
/// let loss = CrossEntropy.forward(&LogitBatch::new(&logits, &labels, None)?)?;
/// assert!((loss.total.to_scalar::<f64>()? - 4f64.ln()).abs() < 1e-12);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrossEntropy;

/// The name of the term, in every loss that has it.
pub(in crate::loss) const TERM: &str = "cross-entropy";

impl Loss for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        if let Some(output) = fused::forward(batch, &Plan::new(TERM, 1.0, Base::CrossEntropy))? {
            return Ok(output);
        }
        LossOutput::new(
            TERM,
            1.0,
            &batch.reduce(&negative_log_likelihood(&log_softmax(batch.logits()?)?, batch)?)?,
        )
    }
}

/// Returns `-log p_n[y_n]` of log-probabilities, `[rows]`.
pub(in crate::loss) fn negative_log_likelihood(
    log_probs: &Tensor,
    batch: &LogitBatch,
) -> Result<Tensor> {
    Ok(at_label(log_probs, batch)?.neg()?)
}
