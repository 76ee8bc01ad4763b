//! Random scaling.

use super::resize::resize;
use super::step::{Sides, Step, validate_number};
use crate::dataset::SegmentationSample;
use mbls_data::{Error, Result, Seed};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Randomly resizes a sample by a factor sampled uniformly from `scale`, like albumentations'
/// `RandomScale`. Both sides become `floor(side * factor)`, but at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleJitter {
    /// Smallest and largest factor, 0.01..=100.
    #[serde(default = "half_to_double")]
    pub scale: [f64; 2],
    /// Probability of the transform, 0..=1.
    #[serde(default = "always")]
    pub probability: f64,
}

fn half_to_double() -> [f64; 2] {
    [0.5, 2.0]
}

fn always() -> f64 {
    1.0
}

fn scaled(side: usize, factor: f64) -> usize {
    ((side as f64 * factor) as usize).max(1)
}

impl Step for ScaleJitter {
    fn validate(&self) -> Result<()> {
        let [low, high] = self.scale;
        if !(0.01 <= low && low <= high && high <= 100.0) {
            let expected = "two numbers in 0.01..=100, the smaller first";
            return Err(Error::value("scale-jitter: scale", expected, format!("{:?}", self.scale)));
        }
        validate_number("scale-jitter", "probability", self.probability, [0.0, 1.0])
    }

    fn side(&self, from: Sides) -> Sides {
        let [mut low, mut high] = self.scale;
        if self.probability < 1.0 {
            (low, high) = (low.min(1.0), high.max(1.0));
        }
        Sides { least: scaled(from.least, low), most: scaled(from.most, high) }
    }

    fn run(&self, sample: SegmentationSample, seed: Seed) -> Result<SegmentationSample> {
        let mut rng = seed.rng();
        if !rng.random_bool(self.probability) {
            return Ok(sample);
        }
        let factor = rng.random_range(self.scale[0]..=self.scale[1]);
        let size = sample.size().map(|side| scaled(side, factor));
        resize("scale-jitter", sample, size)
    }
}
