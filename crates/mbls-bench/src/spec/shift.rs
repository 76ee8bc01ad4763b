//! Evaluation of a suite's networks under distribution shift.

use super::DataSpec;
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// The tests under distribution shift: corrupted test images, and OOD data sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftSpec {
    /// Number of images in each test: the first ones.
    pub pictures: usize,
    /// Whether the test images are corrupted by every corruption at every severity.
    #[serde(default)]
    pub corruptions: bool,
    /// The OOD data sets whose test images are to be distinguished from the suite's.
    #[serde(default)]
    pub outside: Vec<DataSpec>,
}

impl ShiftSpec {
    /// Checks what deserialisation does not.
    ///
    /// # Errors
    ///
    /// Names the field and what was expected.
    pub fn validate(&self) -> Result<()> {
        ensure!(self.pictures > 0, "pictures = 0: expected a positive number");
        Ok(())
    }
}
