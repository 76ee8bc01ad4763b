//! Resizing to a given longer side.

use super::resize::resize;
use super::step::{Sides, Step, validate_side};
use crate::dataset::SegmentationSample;
use mbls_data::{Result, Seed};
use serde::{Deserialize, Serialize};

/// Resizes a sample so that its longer side is `size`, like albumentations' `LongestMaxSize`. Both
/// sides become `side * (size / longer)`, rounded half to even, but at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongestSide {
    /// Longer side of the result.
    pub size: usize,
}

impl LongestSide {
    /// Returns the height and width of the result for a sample of `size`.
    pub fn output_size(&self, size: [usize; 2]) -> [usize; 2] {
        let longer = size[0].max(size[1]);
        if longer == self.size {
            return size;
        }
        let scale = self.size as f64 / longer as f64;
        size.map(|side| ((side as f64 * scale).round_ties_even() as usize).max(1))
    }
}

impl Step for LongestSide {
    fn validate(&self) -> Result<()> {
        validate_side("longest-side", self.size)
    }

    fn side(&self, _from: Sides) -> Sides {
        Sides { least: 1, most: self.size }
    }

    fn run(&self, sample: SegmentationSample, _seed: Seed) -> Result<SegmentationSample> {
        let size = self.output_size(sample.size());
        resize("longest-side", sample, size)
    }
}
