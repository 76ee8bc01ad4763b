use crate::loss::cross_entropy::CrossEntropy;
use crate::loss::penalty::margin::MarginLoss;
use crate::loss::penalty::margin_rule::MarginRule;
use crate::loss::{LogitBatch, Loss, LossOutput, state_error};
use crate::metric::LogitDistances;
use crate::{Error, Result};

/// MbLS whose margin a [`MarginRule`] chooses from the logit distances of the network being
/// trained.
///
/// The loss is cross-entropy for the number of epochs that the rule specifies.
/// [`observe`](Loss::observe) collects the distances between the logits of validation data. At the
/// end of the last of these epochs the rule chooses the margin, which is fixed from then on. If
/// nothing was observed in that epoch, the next epoch with observations chooses.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{AutoMargin, LogitBatch, Loss, MarginLoss, MarginRule};
///
/// let rule = MarginRule::MedianDistance { factor: 2.0, epochs: 1 };
/// let mut loss = AutoMargin::new(rule, MarginLoss::new(0.0, 0.1)?)?;
/// assert_eq!(loss.margin(), None);
/// let logits = Tensor::new(&[[4f32, 0., 1.]], &Device::Cpu)?;
/// loss.observe(&LogitBatch::new(&logits, &Tensor::new(&[0u32], &Device::Cpu)?, None)?)?;
/// loss.end_epoch(0);
/// // The lower of the distances 3 and 4, to within the rounding of quantiles.
/// assert!((loss.margin().expect("chosen") - 6.0).abs() < 0.03);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AutoMargin {
    rule: MarginRule,
    epochs: usize,
    /// With the chosen margin, if there is one.
    loss: MarginLoss,
    chosen: Option<f64>,
    /// For the validation data of this epoch.
    observed: LogitDistances,
}

/// The value in a saved state if no margin is chosen yet.
const NOT_CHOSEN: f64 = -1.0;

impl AutoMargin {
    /// Creates a loss that is cross-entropy until the rule chooses the margin of `loss`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for settings of the rule that are out of range, and for a rule that needs
    /// no distances, because its margin is known in advance ([`MarginRule::of_data`]).
    pub fn new(rule: MarginRule, loss: MarginLoss) -> Result<Self> {
        let rule = rule.checked()?;
        let Some(epochs) = rule.epochs() else {
            const EXPECTED: &str = "a rule of distances, or the number of classes and samples";
            return Err(Error::Setting {
                name: "margin",
                value: format!("auto ({rule})"),
                expected: EXPECTED,
            });
        };
        Ok(Self { rule, epochs, loss, chosen: None, observed: LogitDistances::new(None)? })
    }

    /// Returns the rule.
    pub fn rule(&self) -> MarginRule {
        self.rule
    }

    /// Sets the margin.
    fn choose(&mut self, margin: f64) -> Result<()> {
        self.loss = self.loss.clone().with_margin(margin)?;
        self.chosen = Some(margin);
        Ok(())
    }
}

impl Loss for AutoMargin {
    fn name(&self) -> &'static str {
        "margin"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        match self.chosen {
            Some(_) => self.loss.forward(batch),
            None => CrossEntropy.forward(batch),
        }
    }

    fn margin(&self) -> Option<f64> {
        self.chosen
    }

    fn observe(&mut self, batch: &LogitBatch) -> Result<()> {
        if self.chosen.is_some() {
            return Ok(());
        }
        batch.add_distances(&mut self.observed)
    }

    fn end_epoch(&mut self, epoch: usize) {
        if self.chosen.is_none()
            && epoch + 1 >= self.epochs
            && let Some(margin) = self.rule.of_distances(&self.observed)
        {
            // Distances are finite and not negative, and so are the margins of rules, unless a
            // factor overflows.
            let _ = self.choose(margin.min(f64::MAX));
        }
        self.observed = crate::metric::Metric::empty(&self.observed);
        self.loss.end_epoch(epoch);
    }

    /// Returns the margin, or -1 if none is chosen yet, and the state of a schedule of alpha.
    /// Observations since the end of the last epoch are not included.
    fn state(&self) -> Vec<f64> {
        [vec![self.chosen.unwrap_or(NOT_CHOSEN)], self.loss.state()].concat()
    }

    fn restore(&mut self, state: &[f64]) -> Result<()> {
        const EXPECTED: &str =
            "the margin, 0 or greater and finite, or -1, and the state of a schedule";
        let wrong = || state_error(self.name(), state, EXPECTED);
        let mut restored = self.clone();
        let (&margin, rest) = state.split_first().ok_or_else(wrong)?;
        restored.loss.restore(rest)?;
        restored.observed = crate::metric::Metric::empty(&self.observed);
        if margin == NOT_CHOSEN {
            restored.chosen = None;
        } else {
            restored.choose(margin).map_err(|_| wrong())?;
        }
        *self = restored;
        Ok(())
    }
}
