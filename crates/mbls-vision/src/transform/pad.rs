//! Padding with a constant.

use super::step::Step;
use crate::{Error, Image, Result};
use mbls_data::Seed;
use serde::{Deserialize, Serialize};

/// Pads an image with a constant on every side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// Number of rows and columns added on each side.
    pub padding: usize,
    /// The padding value in every channel.
    #[serde(default)]
    pub value: u8,
}

impl Step for Pad {
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn output_shape(&self, [channels, height, width]: [usize; 3]) -> Result<[usize; 3]> {
        let padded =
            |size: usize| self.padding.checked_mul(2).and_then(|both| size.checked_add(both));
        match (padded(height), padded(width)) {
            (Some(height), Some(width)) => Ok([channels, height, width]),
            _ => Err(Error::value("pad: padding", "a size that does not overflow", self.padding)),
        }
    }

    fn run(
        &self,
        image: &Image,
        [channels, height, width]: [usize; 3],
        _seed: Seed,
    ) -> Result<Image> {
        let mut pixels = vec![self.value; channels * height * width];
        for (from, to) in
            image.pixels.chunks(image.height * image.width).zip(pixels.chunks_mut(height * width))
        {
            for (from, to) in from.chunks(image.width).zip(to.chunks_mut(width).skip(self.padding))
            {
                to[self.padding..self.padding + image.width].copy_from_slice(from);
            }
        }
        Ok(Image { channels, height, width, pixels })
    }
}
