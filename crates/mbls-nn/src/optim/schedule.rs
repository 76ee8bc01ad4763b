//! Learning rate schedules.

use super::{at_least_zero, setting};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The learning rate as a function of the epoch.
///
/// ```
/// use mbls_nn::Schedule;
///
/// let schedule = Schedule::MultiStep { milestones: vec![150, 250], gamma: 0.1 };
/// let rates: Vec<f64> = [0, 149, 150, 349].map(|epoch| schedule.learning_rate(0.1, epoch)).into();
/// assert!(rates.iter().zip([0.1, 0.1, 0.01, 0.001]).all(|(rate, expected)| (rate / expected - 1.0).abs() < 1e-12));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Always the base rate.
    #[default]
    Constant,
    /// `base gamma^k`, `k` being the number of milestones reached.
    MultiStep {
        /// The first epochs of a lower rate, counted from 0.
        milestones: Vec<usize>,
        /// What each milestone multiplies the rate by.
        gamma: f64,
    },
    /// `minimum + (base - minimum) (1 + cos(pi epoch / epochs)) / 2`, and the minimum from then on.
    ///
    /// Loshchilov and Hutter, SGDR, 2017, without restarts; the closed form of PyTorch's `CosineAnnealingLR`.
    Cosine {
        /// The epoch at which the minimum is reached.
        epochs: usize,
        /// The last rate.
        minimum: f64,
    },
}

impl Schedule {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Where `gamma` is not a positive finite number, `epochs` is 0, or `minimum` is negative or not finite.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Self::Constant => Ok(()),
            Self::MultiStep { gamma, .. } => {
                setting("gamma", gamma, gamma.is_finite() && gamma > 0.0, "a finite number above 0")
            }
            Self::Cosine { epochs: 0, .. } => {
                Err(Error::Setting { field: "epochs", value: "0".into(), expected: "at least 1" })
            }
            Self::Cosine { minimum, .. } => at_least_zero("minimum", minimum),
        }
    }

    /// The rate during `epoch`, counted from 0.
    pub fn learning_rate(&self, base: f64, epoch: usize) -> f64 {
        match self {
            Self::Constant => base,
            Self::MultiStep { milestones, gamma } => {
                let reached = milestones.iter().filter(|&&milestone| milestone <= epoch).count();
                (0..reached).fold(base, |rate, _| rate * gamma)
            }
            &Self::Cosine { epochs, minimum } if epoch >= epochs => minimum,
            &Self::Cosine { epochs, minimum } => {
                let share = epoch as f64 / epochs as f64;
                minimum + (base - minimum) * (1.0 + (std::f64::consts::PI * share).cos()) / 2.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_starts_at_the_base_passes_the_middle_and_ends_at_the_minimum() {
        let schedule = Schedule::Cosine { epochs: 10, minimum: 0.02 };
        let close = |epoch, expected: f64| (schedule.learning_rate(0.1, epoch) - expected).abs() < 1e-15;
        assert!(close(0, 0.1) && close(5, 0.06) && close(10, 0.02) && close(11, 0.02));
    }

    #[test]
    fn settings_are_checked_and_read() {
        let read = |json: &str| serde_json::from_str::<Schedule>(json);
        let schedule = read(r#"{"kind": "multi-step", "milestones": [3], "gamma": 0.0}"#).unwrap();
        assert!(schedule.validate().unwrap_err().to_string().contains("gamma = 0"));
        assert!(Schedule::Cosine { epochs: 0, minimum: 0.0 }.validate().is_err());
        assert!(Schedule::Cosine { epochs: 1, minimum: f64::NAN }.validate().is_err());
        assert!(Schedule::Cosine { epochs: 1, minimum: 0.0 }.validate().is_ok());
        assert!(read(r#"{"kind": "cosine", "epochs": 3, "minimum": 0, "gamma": 1}"#).is_err());
    }
}
