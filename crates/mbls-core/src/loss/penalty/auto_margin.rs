use crate::loss::cross_entropy::CrossEntropy;
use crate::loss::penalty::margin::MarginLoss;
use crate::loss::penalty::margin_rule::MarginRule;
use crate::loss::{LogitBatch, Loss, LossOutput, state_error};
use crate::metric::LogitDistances;
use crate::{Error, Result};

/// MbLS whose margin a [`MarginRule`] chooses from the distances of the network that is trained.
///
/// It is cross-entropy for the epochs that the rule names. [`observe`](Loss::observe) collects the
/// distances between the logits of validation data, and at the end of the last of these epochs the
/// rule makes a margin of them, which stays. Where nothing was observed in that epoch, the next one
/// that observes chooses.
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
    /// With the chosen margin, once there is one.
    loss: MarginLoss,
    chosen: Option<f64>,
    /// Of the validation data of this epoch.
    observed: LogitDistances,
}

/// What stands in a saved state where no margin is chosen yet.
const NOT_CHOSEN: f64 = -1.0;

impl AutoMargin {
    /// Gives `loss` the margin that a rule chooses; until then it is cross-entropy.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for settings of the rule that are out of range, and for a rule that needs
    /// no distances: its margin is known before ([`MarginRule::of_data`]).
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
            // Distances are finite and not negative, and so is what rules make of them, but for a
            // factor that overflows.
            let _ = self.choose(margin.min(f64::MAX));
        }
        self.observed = crate::metric::Metric::empty(&self.observed);
        self.loss.end_epoch(epoch);
    }

    /// The margin, -1 where none is chosen yet, and what a schedule of alpha adds. What was
    /// observed since the end of an epoch is not part of it.
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
