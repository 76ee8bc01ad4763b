//! Horizontal and vertical flips.

use super::step::Step;
use crate::{Error, Image, Result};
use mbls_data::Seed;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Flips the image left to right with a given probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HorizontalFlip {
    /// The probability, 0..=1.
    #[serde(default = "half")]
    pub probability: f64,
}

/// Flips the image upside down with a given probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerticalFlip {
    /// The probability, 0..=1.
    #[serde(default = "half")]
    pub probability: f64,
}

fn half() -> f64 {
    0.5
}

/// Returns an error if `probability` is not in 0..=1.
pub(crate) fn validate_probability(name: &str, probability: f64) -> Result<()> {
    match probability {
        0.0..=1.0 => Ok(()),
        _ => Err(Error::value(format!("{name}: probability"), "0..=1", probability)),
    }
}

impl Step for HorizontalFlip {
    fn validate(&self) -> Result<()> {
        validate_probability("horizontal-flip", self.probability)
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3]> {
        Ok(shape)
    }

    fn run(&self, image: &Image, _output: [usize; 3], seed: Seed) -> Result<Image> {
        let mut image = image.clone();
        if seed.rng().random_bool(self.probability) {
            image.pixels.chunks_mut(image.width).for_each(<[u8]>::reverse);
        }
        Ok(image)
    }
}

impl Step for VerticalFlip {
    fn validate(&self) -> Result<()> {
        validate_probability("vertical-flip", self.probability)
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3]> {
        Ok(shape)
    }

    fn run(&self, image: &Image, _output: [usize; 3], seed: Seed) -> Result<Image> {
        let mut flipped = image.clone();
        if seed.rng().random_bool(self.probability) {
            let plane = image.height * image.width;
            for (from, to) in image.pixels.chunks(plane).zip(flipped.pixels.chunks_mut(plane)) {
                for (from, to) in from.chunks(image.width).rev().zip(to.chunks_mut(image.width)) {
                    to.copy_from_slice(from);
                }
            }
        }
        Ok(flipped)
    }
}
