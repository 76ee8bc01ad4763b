use crate::Result;
use crate::loss::fused::{self, Base, Gamma, Plan};
use crate::loss::ops::{at_label, log_softmax};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};
use candle_core::Tensor;

/// Focal loss: `mean_n (1 - p_n[y_n])^gamma * -log p_n[y_n]`; gamma 0 is cross-entropy.
///
/// # References
///
/// Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (arXiv 1708.02002); for calibration
/// Mukhoti et al., Calibrating Deep Neural Networks using Focal Loss, NeurIPS 2020 (arXiv
/// 2002.09437).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Focal {
    gamma: f64,
}

impl Focal {
    /// Creates the loss with exponent `gamma`, 0 or greater; published for calibration with 3.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for an invalid `gamma`.
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
        let base = Base::Focal(Gamma::constant(self.gamma));
        if let Some(output) = fused::forward(batch, &Plan::new(TERM, 1.0, base))? {
            return Ok(output);
        }
        let log_prob = at_label(&log_softmax(batch.logits()?)?, batch)?;
        LossOutput::new(TERM, 1.0, &batch.reduce(&focal(&log_prob, self.gamma)?)?)
    }
}

/// The name of the term, in every loss that has it.
pub(in crate::loss) const TERM: &str = "focal";

/// Computes `-(1 - p)^gamma log p` from `log p`.
pub(in crate::loss) fn focal(log_prob: &Tensor, gamma: f64) -> candle_core::Result<Tensor> {
    (modulation(&log_prob.exp()?.affine(-1.0, 1.0)?, gamma)? * log_prob)?.neg()
}

/// Computes `x^gamma` of `x = 1 - p`, 0 or greater; the constant 0 where it is 0, because the
/// power's derivative there is infinite for gamma < 1.
pub(in crate::loss) fn modulation(complement: &Tensor, gamma: f64) -> candle_core::Result<Tensor> {
    let certain = complement.le(0.0)?;
    let power = certain.where_cond(&complement.ones_like()?, complement)?.powf(gamma)?;
    certain.where_cond(&complement.zeros_like()?, &power)
}
