//! A border around what is too small.

use super::step::{Sides, Step, checked, validate_side};
use crate::dataset::{Mask, SegmentationSample, VOID};
use mbls_data::{Result, Seed};
use mbls_vision::Image;
use serde::{Deserialize, Serialize};

/// Adds a border where a side is below `size`, of one value around the picture and of [`VOID`] around the mask.
///
/// Of `d` rows that are missing, `floor(d / 2)` go above, the rest below, as albumentations' `PadIfNeeded` has it; columns alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadTo {
    /// The least height and width of the result.
    pub size: usize,
    /// The border's value in every channel of the picture.
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
        let pixels = image.pixels.chunks(size[0] * size[1]);
        let pixels = pixels.flat_map(|plane| bordered(plane, size, [height, width], offsets, self.value)).collect();
        let classes = bordered(&mask.classes, size, [height, width], offsets, VOID);
        let image = Image { channels: image.channels, height, width, pixels };
        Ok(SegmentationSample { image, mask: Mask { height, width, classes } })
    }
}

/// A plane of `to` full of `value`, in which the given one of `from` is at `offsets`.
fn bordered(plane: &[u8], from: [usize; 2], to: [usize; 2], [top, left]: [usize; 2], value: u8) -> Vec<u8> {
    let mut bordered = vec![value; to[0] * to[1]];
    for (row, wide) in plane.chunks(from[1]).zip(bordered.chunks_mut(to[1]).skip(top)) {
        wide[left..left + from[1]].copy_from_slice(row);
    }
    bordered
}
