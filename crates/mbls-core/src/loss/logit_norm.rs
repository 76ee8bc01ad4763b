use super::cross_entropy::{TERM, negative_log_likelihood};
use super::ops::log_softmax;
use super::{LogitBatch, Loss, LossOutput, setting};
use crate::Result;
use candle_core::{D, Tensor};

/// Cross-entropy of normalised logits: `CE(l / (tau (|l| + 1e-7)))`, |l| the Euclidean norm of a row.
///
/// Only the direction of a row is trained; its norm, and so overconfidence, cannot grow to lower the loss. Probabilities
/// of such a model are those of the normalised logits.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{LogitBatch, LogitNorm, Loss};
///
/// let labels = Tensor::new(&[0u32], &Device::Cpu)?;
/// let value = |logits: &[[f64; 2]; 1]| -> mbls_core::Result<f64> {
///     let batch = LogitBatch::new(&Tensor::new(logits, &Device::Cpu)?, &labels, None)?;
///     Ok(LogitNorm::new(0.5)?.forward(&batch)?.total.to_scalar()?)
/// };
/// assert!((value(&[[3., 4.]])? - value(&[[300., 400.]])?).abs() < 1e-6);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Wei et al., Mitigating Neural Network Overconfidence with Logit Normalization, ICML 2022 (arXiv 2205.09310);
/// code hongxin001/logitnorm_ood, `common/loss_function.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitNorm {
    tau: f64,
}

/// What the published code adds to the norm.
const EPSILON: f64 = 1e-7;

impl LogitNorm {
    /// Normalises to a norm of `1 / tau`, tau positive; published with 0.04 on CIFAR-10.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for another `tau`.
    pub fn new(tau: f64) -> Result<Self> {
        Ok(Self { tau: setting::positive("tau", tau)? })
    }
}

impl Loss for LogitNorm {
    fn name(&self) -> &'static str {
        "logit-norm"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let logits = batch.logits()?;
        let scaled = logits.broadcast_div(&norm(logits)?.affine(self.tau, self.tau * EPSILON)?)?;
        LossOutput::new(TERM, 1.0, &batch.reduce(&negative_log_likelihood(&log_softmax(&scaled)?, batch)?)?)
    }
}

/// The Euclidean norm of each row, `[rows, 1]`; the derivative at 0 is 0, where that of the root is infinite.
fn norm(logits: &Tensor) -> candle_core::Result<Tensor> {
    let squares = logits.sqr()?.sum_keepdim(D::Minus1)?;
    let zero = squares.eq(0.0)?;
    let root = zero.where_cond(&squares.ones_like()?, &squares)?.sqrt()?;
    zero.where_cond(&squares.zeros_like()?, &root)
}
