use crate::Result;
use crate::loss::focal::{TERM, focal};
use crate::loss::fused::{self, Base, Gamma, Plan};
use crate::loss::ops::{at_label, log_softmax};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};

/// Sample-dependent focal loss (FLSD-53): [`Focal`](crate::loss::Focal) with gamma 5 for
/// `p_n[y_n] < 0.2`, 3 if it is below 0.5, and a given gamma otherwise. The choice of gamma has no
/// gradient.
///
/// ```
/// use mbls_core::loss::SampleDependentFocal;
///
/// let loss = SampleDependentFocal::new(3.0)?;
/// assert_eq!([0.1, 0.2, 0.5].map(|p| loss.gamma_at(p)), [5.0, 3.0, 3.0]);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Mukhoti et al., Calibrating Deep Neural Networks using Focal Loss, NeurIPS 2020 (arXiv
/// 2002.09437); code by-liu/MbLS, `calibrate/losses/focal_loss_adaptive_gamma.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleDependentFocal {
    gamma: f64,
}

/// Upper bounds of the probability and their gamma, in ascending order.
const STEPS: [(f64, f64); 2] = [(0.2, 5.0), (0.5, 3.0)];

impl SampleDependentFocal {
    /// Creates the loss with exponent `gamma`, 0 or greater, for probabilities of at least 0.5;
    /// published with 3.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for an invalid `gamma`.
    pub fn new(gamma: f64) -> Result<Self> {
        Ok(Self { gamma: setting::non_negative("gamma", gamma)? })
    }

    /// The exponent for a label of probability `p`.
    pub fn gamma_at(&self, p: f64) -> f64 {
        STEPS.iter().find(|(below, _)| p < *below).map_or(self.gamma, |(_, gamma)| *gamma)
    }
}

impl Loss for SampleDependentFocal {
    fn name(&self) -> &'static str {
        "sample-dependent-focal"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let base = Base::Focal(Gamma { below: STEPS, otherwise: self.gamma });
        if let Some(output) = fused::forward(batch, &Plan::new(TERM, 1.0, base))? {
            return Ok(output);
        }
        let log_prob = at_label(&log_softmax(batch.logits()?)?, batch)?;
        let p = log_prob.detach().exp()?;
        let mut losses = focal(&log_prob, self.gamma)?;
        for (below, gamma) in STEPS.into_iter().rev() {
            losses = p.lt(below)?.where_cond(&focal(&log_prob, gamma)?, &losses)?;
        }
        LossOutput::new(TERM, 1.0, &batch.reduce(&losses)?)
    }
}
