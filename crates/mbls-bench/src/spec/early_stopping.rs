//! Early stopping of training.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Stops training once a metric on the validation part has not improved for some epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoppingRecipe {
    /// The key of the metric, which the suite's task must measure after every epoch. The metric
    /// determines which direction is better.
    pub metric: String,
    /// Number of consecutive epochs without improvement.
    pub patience: usize,
    /// The smallest difference that counts as an improvement.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_delta: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl StoppingRecipe {
    /// Checks what deserialisation does not.
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
