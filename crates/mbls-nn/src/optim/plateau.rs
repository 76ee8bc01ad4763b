//! A learning rate that is reduced when training stops improving.

use super::{at_least_zero, setting};
use crate::Result;
use serde::{Deserialize, Serialize};

/// Whether lower or higher values of a metric are better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlateauMode {
    /// Lower is better, as for a loss.
    #[default]
    Min,
    /// Higher is better, as for an accuracy.
    Max,
}

/// The unit of a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThresholdMode {
    /// Relative to the best value so far: better is below `best (1 - threshold)`, or above
    /// `best (1 + threshold)`.
    #[default]
    #[serde(rename = "rel")]
    Relative,
    /// The unit of the metric: better is below `best - threshold`, or above `best + threshold`.
    #[serde(rename = "abs")]
    Absolute,
}

/// Settings of [`Schedule::ReduceOnPlateau`](super::Schedule::ReduceOnPlateau). The defaults are
/// PyTorch's.
///
/// Behaves like `torch.optim.lr_scheduler.ReduceLROnPlateau`: a NaN metric is not an improvement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReduceOnPlateau {
    /// Which values are better: `min` (default, lower) or `max` (higher).
    pub mode: PlateauMode,
    /// The factor of each reduction: at least 0, below 1; default 0.1.
    pub factor: f64,
    /// Number of consecutive epochs that may pass without an improvement; default 10.
    pub patience: usize,
    /// The smallest change that counts as an improvement; default 1e-4.
    pub threshold: f64,
    /// The unit of the threshold: `rel` (default) or `abs`.
    pub threshold_mode: ThresholdMode,
    /// Number of epochs after a reduction that do not count against the patience; default 0.
    pub cooldown: usize,
    /// The lowest rate; default 0.
    pub minimum: f64,
    /// A reduction by no more than this is skipped; default 1e-8.
    pub eps: f64,
}

impl Default for ReduceOnPlateau {
    fn default() -> Self {
        Self {
            mode: PlateauMode::Min,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            threshold_mode: ThresholdMode::Relative,
            cooldown: 0,
            minimum: 0.0,
            eps: 1e-8,
        }
    }
}

impl ReduceOnPlateau {
    pub(super) fn validate(&self) -> Result<()> {
        setting(
            "factor",
            self.factor,
            (0.0..1.0).contains(&self.factor),
            "at least 0 and less than 1",
        )?;
        at_least_zero("threshold", self.threshold)?;
        at_least_zero("minimum", self.minimum)?;
        at_least_zero("eps", self.eps)
    }

    /// Returns the learning rate after epochs with these metrics.
    pub(super) fn learning_rate(&self, base: f64, metrics: &[f64]) -> f64 {
        let mut rate = base;
        let mut best = match self.mode {
            PlateauMode::Min => f64::INFINITY,
            PlateauMode::Max => f64::NEG_INFINITY,
        };
        let (mut bad, mut cooldown) = (0, 0);
        for &metric in metrics {
            if self.is_better(metric, best) {
                best = metric;
                bad = 0;
            } else {
                bad += 1;
            }
            if cooldown > 0 {
                cooldown -= 1;
                bad = 0;
            }
            if bad > self.patience {
                let reduced = (rate * self.factor).max(self.minimum);
                if rate - reduced > self.eps {
                    rate = reduced;
                }
                cooldown = self.cooldown;
                bad = 0;
            }
        }
        rate
    }

    fn is_better(&self, metric: f64, best: f64) -> bool {
        match (self.mode, self.threshold_mode) {
            (PlateauMode::Min, ThresholdMode::Relative) => metric < best * (1.0 - self.threshold),
            (PlateauMode::Min, ThresholdMode::Absolute) => metric < best - self.threshold,
            (PlateauMode::Max, ThresholdMode::Relative) => metric > best * (self.threshold + 1.0),
            (PlateauMode::Max, ThresholdMode::Absolute) => metric > best + self.threshold,
        }
    }
}
