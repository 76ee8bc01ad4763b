//! Random brightness and contrast.

use super::step::{Step, half, validate_number};
use crate::dataset::SegmentationSample;
use mbls_data::{Result, Seed};
use mbls_vision::Image;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Randomly changes the brightness and contrast of the image, like albumentations'
/// `RandomBrightnessContrast`. It applies [`adjust_brightness_contrast`] with `factor` sampled
/// uniformly from `1 - contrast..=1 + contrast` and `shift` from `-brightness..=brightness`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrightnessContrast {
    /// Largest shift, 0..=1.
    #[serde(default = "fifth")]
    pub brightness: f64,
    /// Largest distance of the factor from 1, 0..=1.
    #[serde(default = "fifth")]
    pub contrast: f64,
    /// Probability of the transform, 0..=1.
    #[serde(default = "half")]
    pub probability: f64,
}

fn fifth() -> f64 {
    0.2
}

/// Maps every value to `factor * value + 255 * shift` in f32, clamped to 0..=255 and truncated to
/// an integer.
pub fn adjust_brightness_contrast(image: &mut Image, factor: f64, shift: f64) {
    let (factor, shift) = (factor as f32, (shift * 255.0) as f32);
    // Rounded twice, like the two array operations of albumentations. The conversion clamps and
    // truncates.
    let table: Vec<u8> =
        (0..=u8::MAX).map(|value| (f32::from(value) * factor + shift) as u8).collect();
    image.pixels.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
}

impl Step for BrightnessContrast {
    fn validate(&self) -> Result<()> {
        validate_number("brightness-contrast", "brightness", self.brightness, [0.0, 1.0])?;
        validate_number("brightness-contrast", "contrast", self.contrast, [0.0, 1.0])?;
        validate_number("brightness-contrast", "probability", self.probability, [0.0, 1.0])
    }

    fn run(&self, mut sample: SegmentationSample, seed: Seed) -> Result<SegmentationSample> {
        let mut rng = seed.rng();
        if rng.random_bool(self.probability) {
            let factor = 1.0 + rng.random_range(-self.contrast..=self.contrast);
            let shift = rng.random_range(-self.brightness..=self.brightness);
            adjust_brightness_contrast(&mut sample.image, factor, shift);
        }
        Ok(sample)
    }
}
