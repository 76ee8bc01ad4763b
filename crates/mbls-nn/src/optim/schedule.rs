//! Learning rate schedules.

use super::{ReduceOnPlateau, at_least_zero, setting};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The learning rate as a function of the epoch and of the metrics of earlier epochs.
///
/// A schedule has no state. A run that resumes from a checkpoint needs the epoch and, if the
/// schedule [follows a metric](Self::follows_metric), the metrics so far.
///
/// ```
/// use mbls_nn::Schedule;
///
/// let schedule = Schedule::MultiStep { milestones: vec![150, 250], gamma: 0.1 };
/// let rates: Vec<f64> =
///     [0, 149, 150, 349].map(|epoch| schedule.learning_rate(0.1, epoch, &[])).into();
/// assert!(
///     rates
///         .iter()
///         .zip([0.1, 0.1, 0.01, 0.001])
///         .all(|(rate, expected)| (rate / expected - 1.0).abs() < 1e-12)
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// The constant base rate.
    #[default]
    Constant,
    /// `base gamma^k`, where `k` is `epoch / size` rounded down.
    Step {
        /// Number of epochs at each rate.
        size: usize,
        /// The factor of each step.
        gamma: f64,
    },
    /// `base gamma^k`, where `k` is the number of milestones reached.
    MultiStep {
        /// The first epoch of each lower rate, counted from 0.
        milestones: Vec<usize>,
        /// The factor of each milestone.
        gamma: f64,
    },
    /// `minimum + (base - minimum) (1 + cos(pi epoch / epochs)) / 2`, and the minimum from epoch
    /// `epochs` on.
    ///
    /// Loshchilov and Hutter, SGDR, 2017, without restarts; the closed form of PyTorch's
    /// `CosineAnnealingLR`.
    Cosine {
        /// The epoch at which the minimum is reached.
        epochs: usize,
        /// The final learning rate.
        minimum: f64,
    },
    /// Increases linearly from `start base` to `base` within `epochs`, followed by another
    /// schedule, whose epochs are counted from there.
    ///
    /// Equivalent to PyTorch's `SequentialLR` of `LinearLR` and the other schedule.
    Warmup {
        /// The epoch at which the base rate is reached.
        epochs: usize,
        /// The fraction of the base rate to start with.
        start: f64,
        /// The schedule after the warm-up.
        then: Box<Schedule>,
    },
    /// The base rate, multiplied by `factor` whenever the metric has not improved for more than
    /// `patience` epochs.
    ///
    /// Equivalent to PyTorch's `ReduceLROnPlateau`. After a [`Warmup`](Self::Warmup), the metrics
    /// of the warm-up epochs do not count.
    ReduceOnPlateau(ReduceOnPlateau),
}

impl Schedule {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Fails if `gamma` is not a positive finite number, `size` or the `epochs` of a cosine are 0,
    /// `minimum`, `start`, `threshold` or `eps` is negative or not finite, or `factor` is not at
    /// least 0 and less than 1.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Self::Constant => Ok(()),
            Self::Step { size: 0, .. } => {
                Err(Error::Setting { name: "size", value: "0".into(), expected: "at least 1" })
            }
            Self::Warmup { start, ref then, .. } => {
                at_least_zero("start", start)?;
                then.validate()
            }
            Self::Step { gamma, .. } | Self::MultiStep { gamma, .. } => {
                setting("gamma", gamma, gamma.is_finite() && gamma > 0.0, "a finite number above 0")
            }
            Self::Cosine { epochs: 0, .. } => {
                Err(Error::Setting { name: "epochs", value: "0".into(), expected: "at least 1" })
            }
            Self::Cosine { minimum, .. } => at_least_zero("minimum", minimum),
            Self::ReduceOnPlateau(ref plateau) => plateau.validate(),
        }
    }

    /// Returns whether the learning rate depends on the metrics of earlier epochs.
    pub fn follows_metric(&self) -> bool {
        match self {
            Self::ReduceOnPlateau(_) => true,
            Self::Warmup { then, .. } => then.follows_metric(),
            Self::Constant | Self::Step { .. } | Self::MultiStep { .. } | Self::Cosine { .. } => {
                false
            }
        }
    }

    /// Returns the learning rate of `epoch`, counted from 0. `metrics` are those of the earlier
    /// epochs, in order.
    ///
    /// The metrics matter only if the schedule [follows a metric](Self::follows_metric).
    ///
    /// ```
    /// use mbls_nn::{ReduceOnPlateau, Schedule};
    ///
    /// let schedule = Schedule::ReduceOnPlateau(ReduceOnPlateau {
    ///     patience: 1,
    ///     factor: 0.5,
    ///     ..Default::default()
    /// });
    /// let losses = [0.9, 0.7, 0.8, 0.7];
    /// let rates: Vec<f64> =
    ///     (0..5).map(|epoch| schedule.learning_rate(0.1, epoch, &losses[..epoch])).collect();
    /// assert_eq!(rates, [0.1, 0.1, 0.1, 0.1, 0.05]);
    /// ```
    pub fn learning_rate(&self, base: f64, epoch: usize, metrics: &[f64]) -> f64 {
        match self {
            Self::Constant => base,
            &Self::Step { size, gamma } => {
                (0..epoch / size.max(1)).fold(base, |rate, _| rate * gamma)
            }
            &Self::Warmup { epochs, start, .. } if epoch < epochs => {
                base * (start + (1.0 - start) * epoch as f64 / epochs as f64)
            }
            Self::Warmup { epochs, then, .. } => {
                then.learning_rate(base, epoch - epochs, metrics.get(*epochs..).unwrap_or_default())
            }
            Self::ReduceOnPlateau(plateau) => plateau.learning_rate(base, metrics),
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
        let close = |epoch, expected: f64| {
            (schedule.learning_rate(0.1, epoch, &[]) - expected).abs() < 1e-15
        };
        assert!(close(0, 0.1) && close(5, 0.06) && close(10, 0.02) && close(11, 0.02));
    }

    #[test]
    fn steps_and_warmup_agree_with_pytorch() {
        let step = Schedule::Step { size: 3, gamma: 0.5 };
        let warm = Schedule::Warmup { epochs: 4, start: 0.25, then: Box::new(step.clone()) };
        // StepLR(3, 0.5), and SequentialLR of LinearLR(0.25, 1, 4) and it, torch 2.15.0.
        let cases = [
            (step, [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025]),
            (warm, [0.025, 0.04375, 0.0625, 0.08125, 0.1, 0.1, 0.1, 0.05, 0.05]),
        ];
        for (schedule, expected) in cases {
            for (epoch, expected) in expected.into_iter().enumerate() {
                let found = schedule.learning_rate(0.1, epoch, &[]);
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{schedule:?} epoch {epoch}: {found}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn settings_are_checked_and_read() {
        let read = |json: &str| serde_json::from_str::<Schedule>(json);
        let schedule = read(r#"{"kind": "multi-step", "milestones": [3], "gamma": 0.0}"#).unwrap();
        assert!(schedule.validate().unwrap_err().to_string().contains("gamma = 0"));
        assert!(Schedule::Cosine { epochs: 0, minimum: 0.0 }.validate().is_err());
        assert!(Schedule::Cosine { epochs: 1, minimum: f64::NAN }.validate().is_err());
        assert!(Schedule::Cosine { epochs: 1, minimum: 0.0 }.validate().is_ok());
        assert!(Schedule::Step { size: 0, gamma: 0.1 }.validate().is_err());
        let warm = |start| Schedule::Warmup {
            epochs: 1,
            start,
            then: Box::new(Schedule::Cosine { epochs: 0, minimum: 0.0 }),
        };
        assert!(warm(-0.1).validate().unwrap_err().to_string().contains("start = -0.1"));
        assert!(warm(0.1).validate().unwrap_err().to_string().contains("epochs = 0"));
        assert!(read(r#"{"kind": "cosine", "epochs": 3, "minimum": 0, "gamma": 1}"#).is_err());
    }
}
