//! The recipe settings for images with masks.

use anyhow::{Context, Result, bail};
use mbls_seg::transform::JointTransform;
use serde::{Deserialize, Serialize};

/// The preparation of images and masks, and how epochs are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationRecipe {
    /// Transforms for training; their output must have a single size.
    #[serde(default)]
    pub transforms: Vec<JointTransform>,
    /// Transforms for validation and test.
    #[serde(default)]
    pub test_transforms: Vec<JointTransform>,
    /// The metric by which the best epoch is selected.
    #[serde(default)]
    pub score: Score,
    /// Number of test images for which confidence and error maps are drawn: the first ones.
    #[serde(default)]
    pub maps: usize,
}

/// The metric by which the best epoch is selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Mean intersection over union over all classes.
    #[default]
    MeanIou,
    /// Mean intersection over union without class 0, the background, as in the published code.
    PublishedMeanIou,
}

impl SegmentationRecipe {
    /// Checks what deserialisation does not.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what was expected.
    pub(super) fn validate(&self) -> Result<()> {
        for (name, transforms) in
            [("transforms", &self.transforms), ("test_transforms", &self.test_transforms)]
        {
            let all = transforms.iter().try_for_each(JointTransform::validate);
            all.with_context(|| format!("recipe.segmentation.{name}"))?;
        }
        // The saved segmenter repeats the test transforms, so they must be deterministic.
        if let Some(random) = self.test_transforms.iter().find(|transform| transform.is_random()) {
            bail!(
                "recipe.segmentation.test_transforms: {}: expected transforms without randomness",
                random.kind()
            );
        }
        Ok(())
    }
}
