//! The part of a recipe that is for images with one class each.

use anyhow::{Context, Result, bail};
use mbls_vision::Mix;
use mbls_vision::transform::ImageTransform;

/// How images are prepared for training and for tests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageRecipe {
    /// Pad-and-crop augmentation: pixels added on each side; none where absent.
    pub crop_padding: Option<usize>,
    /// Whether training images are mirrored at random.
    pub flip: bool,
    /// Applied to the 8-bit images for training, before anything else.
    pub transforms: Vec<ImageTransform>,
    /// The same for validation and tests.
    pub test_transforms: Vec<ImageTransform>,
    /// Whether and how training images are mixed in pairs.
    pub mix: Option<Mix>,
}

impl ImageRecipe {
    /// Checks what reading does not.
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
        // What is measured is what the saved classifier does again.
        if let Some(random) = self.test_transforms.iter().find(|transform| transform.is_random()) {
            bail!(
                "recipe.test_transforms: {}: expected transforms of which nothing is random",
                random.kind()
            );
        }
        match &self.mix {
            Some(mix) => mix.validate().context("recipe.mix"),
            None => Ok(()),
        }
    }
}
