//! A border around what is too small.

use super::step::{Sides, Step, checked, validate_side};
use crate::dataset::{Mask, SegmentationSample, VOID};
use mbls_data::{Result, Seed};
use mbls_vision::Image;
use serde::{Deserialize, Serialize};

/// Adds a border where a side is below `size`, of one value around the image and of [`VOID`] around
/// the mask.
///
/// Of `d` rows that are missing, `floor(d / 2)` go above, the rest below, as albumentations'
/// `PadIfNeeded` has it; columns alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadTo {
    /// The least height and width of the result.
    pub size: usize,
    /// The border's value in every channel of the image.
    #[serde(default)]
    pub value: u8,
}

impl PadTo {
    /// Rows above and columns on the left that a sample of `size` gets.
    pub fn offsets(&self, size: [usize; 2]) -> [usize; 2] {
        size.map(|side| self.size.saturating_sub(side) / 2)
    }

    /// Height and width of what becomes of a sample of `size`.
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

/// Copies a plane of rows of `from` values into one of rows of `to` values, at `top` and `left`.
fn place(plane: &[u8], from: usize, wide: &mut [u8], to: usize, [top, left]: [usize; 2]) {
    for (row, wide) in plane.chunks(from).zip(wide.chunks_mut(to).skip(top)) {
        wide[left..left + from].copy_from_slice(row);
    }
}
