//! Horizontal flip.

use super::step::{Step, half, validate_number};
use crate::dataset::SegmentationSample;
use mbls_data::{Result, Seed};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Randomly flips image and mask horizontally.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HorizontalFlip {
    /// Probability of the flip, 0..=1.
    #[serde(default = "half")]
    pub probability: f64,
}

impl Step for HorizontalFlip {
    fn validate(&self) -> Result<()> {
        validate_number("horizontal-flip", "probability", self.probability, [0.0, 1.0])
    }

    fn run(&self, mut sample: SegmentationSample, seed: Seed) -> Result<SegmentationSample> {
        if seed.rng().random_bool(self.probability) {
            sample.image.pixels.chunks_mut(sample.image.width).for_each(<[u8]>::reverse);
            sample.mask.classes.chunks_mut(sample.mask.width).for_each(<[u8]>::reverse);
        }
        Ok(sample)
    }
}
