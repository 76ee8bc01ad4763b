//! When trainings of a suite end before their last epoch.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Ends a training once a measure of the validation part has not become better for some epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoppingRecipe {
    /// The key of the measure: one that the suite's task measures after every epoch. What is
    /// better is the measure's.
    pub metric: String,
    /// Number of epochs in a row without a better value.
    pub patience: usize,
    /// By how much a value has to be better to count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_delta: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl StoppingRecipe {
    /// Checks what reading does not.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what was expected.
    pub(super) fn validate(&self) -> Result<()> {
        let Self { patience, min_delta, .. } = self;
        ensure!(*patience > 0, "recipe.early_stopping.patience = 0: expected at least 1");
        ensure!(
            min_delta.is_finite() && *min_delta >= 0.0,
            "recipe.early_stopping.min_delta = {min_delta}: expected a finite number, 0 or greater"
        );
        Ok(())
    }
}
