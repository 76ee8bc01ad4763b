//! How the learning rate falls, in fractions of the training.

use anyhow::{Context, Result};
use mbls_nn::{PlateauMode, ReduceOnPlateau, Schedule};
use serde::{Deserialize, Serialize};

/// A schedule in fractions of the training, so that it means the same for any number of epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RecipeSchedule {
    /// No change.
    Constant,
    /// Half a cosine from the learning rate to 0.
    Cosine,
    /// Multiplied by `gamma` after each fraction of the epochs.
    MultiStep {
        /// Fractions of the number of epochs, increasing.
        fractions: Vec<f64>,
        /// The factor.
        gamma: f64,
    },
    /// Multiplied by a factor whenever a number measured on the validation data has not become
    /// better for some epochs.
    ReduceOnPlateau {
        /// The key of the measure: one that the suite's task measures after every epoch.
        metric: String,
        /// `mode`, `factor`, `patience` and the other settings; PyTorch's where absent. The mode
        /// has to be the metric's.
        #[serde(default)]
        settings: ReduceOnPlateau,
    },
}

impl RecipeSchedule {
    /// Returns the measure that the schedule follows with the direction in which it is followed, if
    /// it follows any.
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
