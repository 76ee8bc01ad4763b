//! Centre crop.

use super::step::Step;
use super::{Size, Window};
use crate::{Error, Image, Result};
use mbls_data::Seed;
use serde::{Deserialize, Serialize};

/// Crops the centre, as torchvision's `CenterCrop` does, but rejects an image that is smaller
/// (torchvision pads it).
///
/// The first row is `(height - size) / 2`, rounded half to even; the first column is computed in
/// the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CenterCrop {
    /// Height and width; a single number is a square.
    pub size: Size,
}

impl Step for CenterCrop {
    fn validate(&self) -> Result<()> {
        self.size.validate("center-crop")
    }

    fn output_shape(&self, [channels, height, width]: [usize; 3]) -> Result<[usize; 3]> {
        let size = fits("center-crop", self.size, [height, width])?;
        Ok([channels, size[0], size[1]])
    }

    fn fixed_size(&self) -> Option<[usize; 2]> {
        Some(self.size.square())
    }

    fn run(&self, image: &Image, [_, height, width]: [usize; 3], _seed: Seed) -> Result<Image> {
        let (top, left) = (half_to_even(image.height - height), half_to_even(image.width - width));
        Window { top, left, height, width }.of(image)
    }
}

/// Returns height and width of a crop, if an image of `available` height and width is large enough.
pub(super) fn fits(name: &str, size: Size, available: [usize; 2]) -> Result<[usize; 2]> {
    let [height, width] = size.square();
    if height <= available[0] && width <= available[1] {
        return Ok([height, width]);
    }
    let expected = format!("at most the image's {} x {}", available[0], available[1]);
    Err(Error::value(format!("{name}: size"), expected, format!("{height} x {width}")))
}

/// Returns half of `n`, with ties rounded to even as in Python.
fn half_to_even(n: usize) -> usize {
    let half = n / 2;
    if n % 2 == 1 { half + half % 2 } else { half }
}
