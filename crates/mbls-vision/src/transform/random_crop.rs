//! Random crop.

use super::center_crop::fits;
use super::step::{Step, checked_len};
use super::{Pad, Size, Window};
use crate::{Image, Result};
use mbls_data::Seed;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Pads an image with a constant and crops a rectangle at a random position; all positions are
/// equally likely.
///
/// A rectangle larger than the padded image is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomCrop {
    /// Height and width; a single number is a square.
    pub size: Size,
    /// Number of rows and columns added on each side before cropping.
    #[serde(default)]
    pub padding: usize,
    /// The padding value in every channel.
    #[serde(default)]
    pub value: u8,
}

impl RandomCrop {
    fn pad(&self) -> Pad {
        Pad { padding: self.padding, value: self.value }
    }
}

impl Step for RandomCrop {
    fn validate(&self) -> Result<()> {
        self.size.validate("random-crop")
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3]> {
        let [channels, height, width] = self.pad().output_shape(shape)?;
        let size = fits("random-crop", self.size, [height, width])?;
        Ok([channels, size[0], size[1]])
    }

    fn fixed_size(&self) -> Option<[usize; 2]> {
        Some(self.size.square())
    }

    fn run(&self, image: &Image, [_, height, width]: [usize; 3], seed: Seed) -> Result<Image> {
        let padded_shape = self.pad().output_shape(image.shape())?;
        let padded;
        let source = if self.padding == 0 {
            image
        } else {
            checked_len(padded_shape)?;
            padded = self.pad().run(image, padded_shape, seed)?;
            &padded
        };
        let mut rng = seed.rng();
        let mut place = |slack: usize| rng.random_range(0..=slack as u64) as usize;
        let (top, left) = (place(source.height - height), place(source.width - width));
        Window { top, left, height, width }.of(source)
    }
}
