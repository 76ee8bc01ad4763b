//! Learning rate schedules in fractions of the training.

use anyhow::{Context, Result};
use mbls_nn::{PlateauMode, ReduceOnPlateau, Schedule};
use serde::{Deserialize, Serialize};

/// A learning rate schedule in fractions of the training, so it does not depend on the number of
/// epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RecipeSchedule {
    /// A constant learning rate.
    Constant,
    /// Half a cosine period from the learning rate to 0.
    Cosine,
    /// Multiplies by `gamma` after each fraction of the epochs.
    MultiStep {
        /// Fractions of the number of epochs, increasing.
        fractions: Vec<f64>,
        /// The factor.
        gamma: f64,
    },
    /// Multiplies by a factor whenever a metric on the validation data has not improved for some
    /// epochs.
    ReduceOnPlateau {
        /// The key of the metric, which the suite's task must measure after every epoch.
        metric: String,
        /// `mode`, `factor`, `patience` and the other settings, with PyTorch's defaults. The mode
        /// must match the metric's direction.
        #[serde(default)]
        settings: ReduceOnPlateau,
    },
}

impl RecipeSchedule {
    /// Returns the metric that the schedule follows and its direction, if it follows one.
    pub fn followed(&self) -> Option<(&str, PlateauMode)> {
        match self {
            Self::ReduceOnPlateau { metric, settings } => Some((metric, settings.mode)),
            Self::Constant | Self::Cosine | Self::MultiStep { .. } => None,
        }
    }

    /// Checks the settings.
    pub(super) fn validate(&self) -> Result<()> {
        self.for_epochs(1).validate().context("recipe.schedule")
    }

    /// Returns the schedule for a number of epochs.
    pub fn for_epochs(&self, epochs: usize) -> Schedule {
        match self {
            Self::Constant => Schedule::Constant,
            Self::Cosine => Schedule::Cosine { epochs, minimum: 0.0 },
            Self::MultiStep { fractions, gamma } => Schedule::MultiStep {
                milestones: fractions
                    .iter()
                    .map(|fraction| (fraction * epochs as f64).round() as usize)
                    .collect(),
                gamma: *gamma,
            },
            Self::ReduceOnPlateau { settings, .. } => Schedule::ReduceOnPlateau(*settings),
        }
    }
}
