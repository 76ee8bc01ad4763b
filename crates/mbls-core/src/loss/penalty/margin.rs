use crate::loss::cross_entropy::{TERM, negative_log_likelihood};
use crate::loss::fused::{self, Base, Plan, Second};
use crate::loss::ops::log_softmax;
use crate::loss::{AlphaSchedule, LogitBatch, LogitPenalty, Loss, LossOutput, Margin, setting};
use crate::{Error, Result};

/// Margin-based label smoothing (MbLS): `CE + alpha mean_{n,k} max(0, max_j l_nj - l_nk - margin)`.
///
/// Logits may differ by up to the margin at no cost; only the excess is penalised. Published alphas
/// assume the mean over classes. At margin 0 this is
/// `CE + alpha mean_n (max_k l_nk - mean_k l_nk)`, known as MaxSup. Any other [`LogitPenalty`] can
/// replace that of MbLS, and alpha can follow an [`AlphaSchedule`].
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{LogitBatch, Loss, MarginLoss};
///
/// let logits = Tensor::new(&[[12f32, 0.]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0u32], &Device::Cpu)?;
/// let loss =
///     MarginLoss::new(10.0, 0.1)?.forward(&LogitBatch::new(&logits, &labels, None)?)?;
/// assert_eq!(loss.terms[1].name, "logit-margin");
/// assert_eq!(loss.terms[1].value.to_scalar::<f32>()?, 1.0);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Liu et al., The Devil is in the Margin: Margin-based Label Smoothing for Network Calibration,
/// CVPR 2022 (arXiv 2111.15430), equation 4. Margin 0: Zhou et al., MaxSup: Overcoming
/// Representation Collapse in Label Smoothing, 2025 (arXiv 2502.15798).
#[derive(Clone, Debug, PartialEq)]
pub struct MarginLoss {
    penalty: LogitPenalty,
    alpha: f64,
    schedule: AlphaSchedule,
    max_alpha: f64,
}

impl MarginLoss {
    /// Adds the penalty beyond `margin` with weight `alpha`, both 0 or greater; published with
    /// alpha 0.1 and margin 10 (6 on CIFAR-10).
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for invalid settings.
    pub fn new(margin: f64, alpha: f64) -> Result<Self> {
        Self::with_penalty(LogitPenalty::new(margin)?, alpha)
    }

    /// Adds a penalty with weight `alpha`, 0 or greater.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an invalid weight.
    pub fn with_penalty(penalty: LogitPenalty, alpha: f64) -> Result<Self> {
        let alpha = setting::non_negative("alpha", alpha)?;
        Ok(Self { penalty, alpha, schedule: AlphaSchedule::None, max_alpha: f64::MAX })
    }

    /// Returns this loss with a weight that changes at the end of each epoch, up to `max_alpha`;
    /// published with 100.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a `max_alpha` below the current weight, and for a schedule whose
    /// settings are out of range.
    pub fn with_schedule(mut self, schedule: AlphaSchedule, max_alpha: f64) -> Result<Self> {
        self.schedule = schedule.checked()?;
        self.max_alpha = setting::non_negative("max_alpha", max_alpha)?;
        if max_alpha < self.alpha {
            const EXPECTED: &str = "alpha or greater";
            return Err(Error::Setting {
                name: "max_alpha",
                value: max_alpha.to_string(),
                expected: EXPECTED,
            });
        }
        Ok(self)
    }

    /// Returns this loss with another margin, 0 or greater, for all classes.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an invalid margin.
    pub fn with_margin(mut self, margin: f64) -> Result<Self> {
        self.penalty = self.penalty.with_margin(margin)?;
        Ok(self)
    }

    /// Returns the penalty that is added to cross-entropy.
    pub fn penalty(&self) -> &LogitPenalty {
        &self.penalty
    }

    /// The current weight of the penalty.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
}

impl Loss for MarginLoss {
    fn name(&self) -> &'static str {
        "margin"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        const PENALTY: &str = "logit-margin";
        let second = Second::Penalty(self.penalty.clone());
        let plan =
            Plan::new(TERM, 1.0, Base::CrossEntropy).with_second(PENALTY, self.alpha, second);
        if let Some(output) = fused::forward(batch, &plan)? {
            return Ok(output);
        }
        let cross_entropy =
            batch.reduce(&negative_log_likelihood(&log_softmax(batch.logits()?)?, batch)?)?;
        let penalty = batch.reduce(&self.penalty.per_row(batch)?)?;
        LossOutput::new(TERM, 1.0, &cross_entropy)?.plus(PENALTY, self.alpha, &penalty)
    }

    fn margin(&self) -> Option<f64> {
        match self.penalty.margin() {
            Margin::Same(margin) => Some(*margin),
            Margin::PerClass(_) => None,
        }
    }

    fn end_epoch(&mut self, epoch: usize) {
        self.alpha = self.schedule.after_epoch(self.alpha, epoch, self.max_alpha);
    }

    /// Returns the current alpha, if a schedule changes it.
    fn state(&self) -> Vec<f64> {
        match self.schedule {
            AlphaSchedule::None => Vec::new(),
            _ => vec![self.alpha],
        }
    }

    fn restore(&mut self, state: &[f64]) -> Result<()> {
        match (self.schedule, state) {
            (AlphaSchedule::None, []) => Ok(()),
            (
                AlphaSchedule::Add { .. }
                | AlphaSchedule::Multiply { .. }
                | AlphaSchedule::Step { .. },
                [alpha],
            ) if (0.0..=self.max_alpha).contains(alpha) => {
                self.alpha = *alpha;
                Ok(())
            }
            (AlphaSchedule::None, _) => {
                Err(crate::loss::state_error(self.name(), state, "none without a schedule"))
            }
            _ => Err(crate::loss::state_error(
                self.name(),
                state,
                "alpha alone, from 0 to max_alpha",
            )),
        }
    }
}
