//! What the trained networks of a suite are tested on under distribution shift.

use super::DataSpec;
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// The tests under distribution shift: corrupted test images, and OOD data sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftSpec {
    /// Number of images of each test: the first ones.
    pub pictures: usize,
    /// Whether the test images are corrupted in every way at every severity.
    #[serde(default)]
    pub corruptions: bool,
    /// The OOD data sets, whose test images are to be detected among the suite's own.
    #[serde(default)]
    pub outside: Vec<DataSpec>,
}

impl ShiftSpec {
    /// Checks what reading does not.
    ///
    /// # Errors
    ///
    /// Names the field and what was expected.
    pub fn validate(&self) -> Result<()> {
        ensure!(self.pictures > 0, "pictures = 0: expected a positive number");
        Ok(())
    }
}
