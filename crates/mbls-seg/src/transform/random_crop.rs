//! Random crop.

use super::step::{Sides, Step, validate_side};
use crate::dataset::{Mask, SegmentationSample};
use mbls_data::{Error, Result, Seed};
use mbls_vision::transform::Window;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Crops a square at a uniformly random position.
///
/// A square larger than the sample is an error. The crop may contain only void pixels. Unlike here,
/// albumentations 1.1.0 never selects the last possible row or column unless it is the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomCrop {
    /// Height and width of the crop.
    pub size: usize,
}

impl Step for RandomCrop {
    fn validate(&self) -> Result<()> {
        validate_side("random-crop", self.size)
    }

    fn side(&self, _from: Sides) -> Sides {
        Sides { least: self.size, most: self.size }
    }

    fn run(&self, sample: SegmentationSample, seed: Seed) -> Result<SegmentationSample> {
        let ([height, width], size) = (sample.size(), self.size);
        if size > height || size > width {
            let expected = format!("at most the image's {height} x {width}");
            return Err(Error::value("random-crop: size", expected, format!("{size} x {size}")));
        }
        let mut rng = seed.rng();
        // In u64, so the samples are the same on 32-bit machines.
        let mut place = |slack: usize| rng.random_range(0..=slack as u64) as usize;
        let window = Window {
            top: place(height - size),
            left: place(width - size),
            height: size,
            width: size,
        };
        let image = window.of(&sample.image)?;
        let mask = Mask::from_image(window.of(&sample.mask.into_image())?);
        Ok(SegmentationSample { image, mask })
    }
}
