//! Early stopping.

use crate::event::EarlyStop;
use crate::{Error, Result};
use mbls_core::number;
use mbls_nn::PlateauMode;
use serde::{Deserialize, Serialize};

/// Ends a training when a validation metric has not improved for a number of epochs.
///
/// A value improves if it is below the best value so far by more than `min_delta`, or above it in
/// mode `Max`. An undefined value is never an improvement. The learning rate schedule spans all
/// epochs of the settings, however many of them are trained.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlyStopping {
    /// The followed entry of [`Task::summary`](crate::Task::summary). `None` selects the
    /// [`Task::score`](crate::Task::score), where higher is better.
    pub metric: Option<String>,
    /// Whether lower or higher values are better.
    pub mode: PlateauMode,
    /// Number of consecutive epochs without an improvement after which training ends, at least 1.
    pub patience: usize,
    /// The smallest difference that counts as an improvement, at least 0.
    pub min_delta: f64,
}

/// The epochs that a training has gone without an improvement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    /// The best value so far; `None` where none was defined.
    #[serde(with = "number::option")]
    pub best: Option<f64>,
    /// Number of epochs since the best value.
    pub epochs: usize,
}

impl EarlyStopping {
    /// Checks the settings.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.patience == 0 {
            let (name, value, expected) = ("early_stopping.patience", "0".to_owned(), "at least 1");
            return Err(Error::Setting { name, value, expected });
        }
        if !(self.min_delta.is_finite() && self.min_delta >= 0.0) {
            let (name, expected) = ("early_stopping.min_delta", "a finite number, 0 or greater");
            return Err(Error::Setting { name, value: self.min_delta.to_string(), expected });
        }
        Ok(())
    }

    /// Returns the patience after an epoch with this value.
    pub(crate) fn after(&self, patience: Patience, value: Option<f64>) -> Patience {
        let better = match (patience.best, value) {
            (_, None) => false,
            (None, Some(value)) => !value.is_nan(),
            (Some(best), Some(value)) => match self.mode {
                PlateauMode::Min => value < best - self.min_delta,
                PlateauMode::Max => value > best + self.min_delta,
            },
        };
        if better {
            Patience { best: value, epochs: 0 }
        } else {
            Patience { epochs: patience.epochs + 1, ..patience }
        }
    }

    /// Returns why training ends; `None` if it continues.
    pub(crate) fn stop(&self, patience: Patience) -> Option<EarlyStop> {
        let metric = || self.metric.clone().unwrap_or_else(|| "score".to_owned());
        let ends = patience.epochs >= self.patience;
        ends.then(|| EarlyStop { metric: metric(), best: patience.best, patience: self.patience })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of epochs trained, given the value of each.
    fn trained(settings: &EarlyStopping, values: &[Option<f64>]) -> usize {
        let mut patience = Patience::default();
        for (epoch, value) in values.iter().enumerate() {
            patience = settings.after(patience, *value);
            if settings.stop(patience).is_some() {
                return epoch + 1;
            }
        }
        values.len()
    }

    #[test]
    fn training_ends_after_epochs_without_an_improvement() {
        let of = |mode, patience, min_delta, values: &[f64]| {
            let settings = EarlyStopping { metric: None, mode, patience, min_delta };
            trained(&settings, &values.iter().map(|value| Some(*value)).collect::<Vec<_>>())
        };
        assert_eq!(of(PlateauMode::Min, 2, 0.0, &[3.0, 2.0, 2.0, 1.0, 1.0, 1.5, 0.0]), 6);
        assert_eq!(of(PlateauMode::Max, 2, 0.0, &[1.0, 2.0, 1.5, 2.0, 3.0]), 4);
        // A difference of exactly `min_delta` is not an improvement. Differences are measured from
        // the best value, so they add up.
        assert_eq!(of(PlateauMode::Min, 2, 0.5, &[3.0, 2.5, 2.4, 2.3, 0.0]), 5);
        assert_eq!(of(PlateauMode::Min, 2, 0.5, &[3.0, 2.75, 2.5, 0.0]), 3);
        assert_eq!(of(PlateauMode::Min, 1, 0.0, &[f64::INFINITY, 5.0, 5.0, 1.0]), 3);
        let settings =
            EarlyStopping { metric: None, mode: PlateauMode::Max, patience: 2, min_delta: 0.0 };
        assert_eq!(trained(&settings, &[None, Some(0.5), None, None, Some(1.0)]), 4);
        assert_eq!(trained(&settings, &[None, None, Some(1.0)]), 2);
    }

    #[test]
    fn settings_that_never_or_always_end_are_refused() {
        let settings =
            EarlyStopping { metric: None, mode: PlateauMode::Min, patience: 1, min_delta: 0.0 };
        settings.validate().unwrap();
        let error = |settings: EarlyStopping| settings.validate().unwrap_err().to_string();
        let none = EarlyStopping { patience: 0, ..settings.clone() };
        assert_eq!(error(none), "early_stopping.patience = 0: expected at least 1");
        for min_delta in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(
                error(EarlyStopping { min_delta, ..settings.clone() })
                    .contains("early_stopping.min_delta")
            );
        }
    }
}
