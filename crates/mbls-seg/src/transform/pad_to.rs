//! Padding to a minimum size.

use super::step::{Sides, Step, checked, validate_side};
use crate::dataset::{Mask, SegmentationSample, VOID};
use mbls_data::{Result, Seed};
use mbls_vision::Image;
use serde::{Deserialize, Serialize};

/// Pads each side that is shorter than `size`: the image with a constant value, the mask with
/// [`VOID`].
///
/// Of `d` missing rows, `floor(d / 2)` are added above and the rest below, like albumentations'
/// `PadIfNeeded`. Columns are padded in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadTo {
    /// Minimum height and width of the result.
    pub size: usize,
    /// Padding value of every channel of the image.
    #[serde(default)]
    pub value: u8,
}

impl PadTo {
    /// Returns the number of rows above and of columns on the left added to a sample of `size`.
    pub fn offsets(&self, size: [usize; 2]) -> [usize; 2] {
        size.map(|side| self.size.saturating_sub(side) / 2)
    }

    /// Returns the height and width of the result for a sample of `size`.
    pub fn output_size(&self, size: [usize; 2]) -> [usize; 2] {
        size.map(|side| side.max(self.size))
    }
}

impl Step for PadTo {
    fn validate(&self) -> Result<()> {
        validate_side("pad", self.size)
    }

    fn side(&self, from: Sides) -> Sides {
        Sides { least: from.least.max(self.size), most: from.most.max(self.size) }
    }

    fn run(&self, sample: SegmentationSample, _seed: Seed) -> Result<SegmentationSample> {
        let size = sample.size();
        let [height, width] = checked("pad", self.output_size(size))?;
        if [height, width] == size {
            return Ok(sample);
        }
        let offsets = self.offsets(size);
        let SegmentationSample { image, mask } = sample;
        let mut pixels = vec![self.value; image.channels * height * width];
        for (plane, wide) in
            image.pixels.chunks(size[0] * size[1]).zip(pixels.chunks_mut(height * width))
        {
            place(plane, size[1], wide, width, offsets);
        }
        let mut classes = vec![VOID; height * width];
        place(&mask.classes, size[1], &mut classes, width, offsets);
        let image = Image { channels: image.channels, height, width, pixels };
        Ok(SegmentationSample { image, mask: Mask { height, width, classes } })
    }
}

/// Copies a plane with rows of `from` values into one with rows of `to` values, at `top` and
/// `left`.
fn place(plane: &[u8], from: usize, wide: &mut [u8], to: usize, [top, left]: [usize; 2]) {
    for (row, wide) in plane.chunks(from).zip(wide.chunks_mut(to).skip(top)) {
        wide[left..left + from].copy_from_slice(row);
    }
}
