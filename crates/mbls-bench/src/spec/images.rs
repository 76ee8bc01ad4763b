//! The recipe settings for images with one class each.

use anyhow::{Context, Result, bail};
use mbls_vision::Mix;
use mbls_vision::transform::ImageTransform;

/// The preparation of images for training and evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageRecipe {
    /// Padding in pixels on each side for pad-and-crop augmentation; absent for none.
    pub crop_padding: Option<usize>,
    /// Whether training images are randomly flipped horizontally.
    pub flip: bool,
    /// Transforms applied to the 8-bit training images before everything else.
    pub transforms: Vec<ImageTransform>,
    /// Transforms applied to the 8-bit validation and test images.
    pub test_transforms: Vec<ImageTransform>,
    /// The mixing of pairs of training images, if any.
    pub mix: Option<Mix>,
}

impl ImageRecipe {
    /// Checks what deserialisation does not.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what was expected.
    pub(super) fn validate(&self) -> Result<()> {
        for (name, transforms) in
            [("transforms", &self.transforms), ("test_transforms", &self.test_transforms)]
        {
            transforms
                .iter()
                .try_for_each(ImageTransform::validate)
                .with_context(|| format!("recipe.{name}"))?;
        }
        // The saved classifier repeats the test transforms, so they must be deterministic.
        if let Some(random) = self.test_transforms.iter().find(|transform| transform.is_random()) {
            bail!(
                "recipe.test_transforms: {}: expected transforms without randomness",
                random.kind()
            );
        }
        match &self.mix {
            Some(mix) => mix.validate().context("recipe.mix"),
            None => Ok(()),
        }
    }
}
