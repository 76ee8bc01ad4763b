//! The part of a recipe that is for images with masks.

use anyhow::{Context, Result, bail};
use mbls_seg::transform::JointTransform;
use serde::{Deserialize, Serialize};

/// How images and their masks are prepared, and how epochs are judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationRecipe {
    /// Applied for training; has to make images of one size.
    #[serde(default)]
    pub transforms: Vec<JointTransform>,
    /// The same for validation and tests.
    #[serde(default)]
    pub test_transforms: Vec<JointTransform>,
    /// What the best epoch is the best of.
    #[serde(default)]
    pub score: Score,
    /// Test images whose confidences and errors are drawn: the first ones.
    #[serde(default)]
    pub maps: usize,
}

/// What the best epoch is the best of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Mean intersection over union of all classes.
    #[default]
    MeanIou,
    /// The same without class 0, the background, as the published code selects.
    PublishedMeanIou,
}

impl SegmentationRecipe {
    /// Checks what reading does not.
    ///
    /// # Errors
    ///
    /// The field, its value and what was expected.
    pub(super) fn validate(&self) -> Result<()> {
        for (name, transforms) in
            [("transforms", &self.transforms), ("test_transforms", &self.test_transforms)]
        {
            let all = transforms.iter().try_for_each(JointTransform::validate);
            all.with_context(|| format!("recipe.segmentation.{name}"))?;
        }
        // What is measured is what the saved segmenter does again.
        if let Some(random) = self.test_transforms.iter().find(|transform| transform.is_random()) {
            bail!(
                "recipe.segmentation.test_transforms: {}: expected transforms of which nothing is random",
                random.kind()
            );
        }
        Ok(())
    }
}
