//! The key of a run of a suite.

use super::ModelName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// The key of a run: one cell of a suite's matrix, a model trained with a loss and a seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellKey {
    /// The suite's name.
    pub suite: String,
    /// The model.
    pub model: ModelName,
    /// The loss's id in the suite.
    pub loss: String,
    /// The candidate settings in a sweep, such as `lr=0.01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<String>,
    /// The seed of the split, the initial weights, the order of samples and the augmentation.
    pub seed: u64,
}

impl CellKey {
    /// Returns the run's folder in the output folder: `<out>/<suite>/<model>/<loss>/seed-<n>`, or
    /// in a sweep `<out>/<suite>/<model>/<loss>/<candidate>/seed-<n>`.
    pub fn folder(&self, out: &Path) -> PathBuf {
        let mut folder = out.join(&self.suite).join(self.model.to_string()).join(&self.loss);
        folder.extend(&self.candidate);
        folder.join(format!("seed-{}", self.seed))
    }
}

impl fmt::Display for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}, ", self.suite, self.model, self.loss)?;
        if let Some(candidate) = &self.candidate {
            write!(f, "{candidate}, ")?;
        }
        write!(f, "seed {}", self.seed)
    }
}
