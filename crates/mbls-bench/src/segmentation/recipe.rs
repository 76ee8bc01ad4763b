//! What a recipe says of pictures with masks.

use crate::suite::Suite;
use anyhow::{Context, Result};
use mbls_seg::metric::SegmentationReport;
use mbls_seg::transform::JointTransform;
use serde::{Deserialize, Serialize};

/// What is done to pictures and their masks, and how epochs are judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentationRecipe {
    /// What is done for training; it has to make pictures of one size.
    #[serde(default)]
    pub(crate) transforms: Vec<JointTransform>,
    /// The same for validation and tests.
    #[serde(default)]
    pub(crate) test_transforms: Vec<JointTransform>,
    /// What the best epoch is the best of.
    #[serde(default)]
    pub(crate) score: Score,
    /// Test pictures whose confidences and errors are drawn: the first ones.
    #[serde(default)]
    pub(crate) maps: usize,
}

/// What the best epoch is the best of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Score {
    /// Mean intersection over union of all classes.
    #[default]
    MeanIou,
    /// The same without class 0, the background, as the published code selects.
    PublishedMeanIou,
}

impl Score {
    /// Its value; `None` where it is undefined.
    pub(super) fn of(self, report: &SegmentationReport) -> Option<f64> {
        report.overlap.and_then(|overlap| match self {
            Self::MeanIou => overlap.mean_iou.with_background,
            Self::PublishedMeanIou => overlap.mean_iou.published,
        })
    }
}

impl SegmentationRecipe {
    /// Checks what reading does not.
    ///
    /// # Errors
    ///
    /// The field, its value and what was expected.
    pub(crate) fn validate(&self) -> Result<()> {
        for (name, transforms) in [("transforms", &self.transforms), ("test_transforms", &self.test_transforms)] {
            let all = transforms.iter().try_for_each(JointTransform::validate);
            all.with_context(|| format!("recipe.segmentation.{name}"))?;
        }
        Ok(())
    }
}

/// What the recipe of a suite of pictures with masks says of them.
///
/// # Errors
///
/// None for a suite that was checked.
pub(super) fn recipe_of(suite: &Suite) -> Result<&SegmentationRecipe> {
    suite.recipe.segmentation.as_ref().context("recipe.segmentation: expected for a data set of pictures with masks")
}
