use crate::Result;
use crate::loss::cross_entropy::{TERM, negative_log_likelihood};
use crate::loss::ops::{constant, log_softmax};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};
use candle_core::{D, DType, Tensor};
use half::f16;

/// Cross-entropy of normalised logits: `CE(l / (tau (|l| + 1e-7)))`, with |l| the Euclidean norm of
/// a row.
///
/// Only the direction of a row is trained: its norm, and with it overconfidence, cannot grow to
/// lower the loss. The probabilities of such a model are those of the normalised logits.
///
/// The gradient of a row near 0 is large, by a factor of up to `1 / (1e-7 tau)`. For logits in f16
/// that factor is limited to 65504, the largest number of the type; the direction of the gradient
/// is unchanged.
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
/// Wei et al., Mitigating Neural Network Overconfidence with Logit Normalization, ICML 2022 (arXiv
/// 2205.09310); code hongxin001/logitnorm_ood, `common/loss_function.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitNorm {
    tau: f64,
}

/// The constant that the published code adds to the norm.
const EPSILON: f64 = 1e-7;

impl LogitNorm {
    /// Normalises to a norm of `1 / tau`, with tau positive; published with 0.04 on CIFAR-10.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for an invalid `tau`.
    pub fn new(tau: f64) -> Result<Self> {
        Ok(Self { tau: setting::positive("tau", tau)? })
    }
}

impl Loss for LogitNorm {
    fn name(&self) -> &'static str {
        "logit-norm"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let mut normalised = self.normalised(batch.logits()?)?;
        if batch.source().dtype() == DType::F16 {
            normalised = normalised.with_slope_of_at_most(f16::MAX.to_f64())?;
        }
        let log_probs = log_softmax(&normalised.logits)?;
        LossOutput::new(TERM, 1.0, &batch.reduce(&negative_log_likelihood(&log_probs, batch)?)?)
    }
}

/// Normalised logits `[rows, classes]`, and their divisors `[rows, 1]`.
struct Normalised {
    logits: Tensor,
    divisor: Tensor,
}

impl LogitNorm {
    /// Computes `l / (tau (|l| + 1e-7))`.
    ///
    /// A row is first divided by its largest absolute value, whose square may be out of range. A
    /// value smaller than the constant added to the norm is replaced by that constant, so that the
    /// quotient of both stays in range.
    fn normalised(&self, logits: &Tensor) -> candle_core::Result<Normalised> {
        let scale = logits.detach().abs()?.max_keepdim(D::Minus1)?;
        // False for NaN, which is kept.
        let scale = scale.lt(EPSILON)?.where_cond(&constant(EPSILON, &scale)?, &scale)?;
        let unit = logits.broadcast_div(&scale)?;
        let divisor = ((norm(&unit)? + constant(EPSILON, &scale)?.div(&scale)?)? * self.tau)?;
        Ok(Normalised {
            logits: unit.broadcast_div(&divisor)?,
            divisor: (divisor.detach() * scale)?,
        })
    }
}

impl Normalised {
    /// Returns the same values, with the gradient of each row scaled down so that its derivative by
    /// the logits is at most `slope` times that by the normalised ones. Otherwise the gradient of a
    /// row near 0 exceeds the range of f16.
    fn with_slope_of_at_most(self, slope: f64) -> candle_core::Result<Self> {
        let factor = self.divisor.affine(slope, 0.0)?;
        let factor = factor.gt(1.0)?.where_cond(&factor.ones_like()?, &factor)?;
        let values = self.logits.detach();
        // The difference is 0 and carries the gradient.
        let logits = (&values + (&self.logits - &values)?.broadcast_mul(&factor)?)?;
        Ok(Self { logits, ..self })
    }
}

/// Returns the Euclidean norm of each row, `[rows, 1]`. The derivative at 0 is 0, where that of the
/// root is infinite.
fn norm(logits: &Tensor) -> candle_core::Result<Tensor> {
    let squares = logits.sqr()?.sum_keepdim(D::Minus1)?;
    let zero = squares.eq(0.0)?;
    let root = zero.where_cond(&squares.ones_like()?, &squares)?.sqrt()?;
    zero.where_cond(&squares.zeros_like()?, &root)
}
