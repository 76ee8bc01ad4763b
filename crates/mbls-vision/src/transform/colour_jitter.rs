//! Random changes of colour.

use super::colour::{brightness, contrast, hue, saturation};
use super::step::Step;
use crate::{Error, Image, Result};
use mbls_data::Seed;
use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// Changes brightness, contrast, saturation and hue by random amounts in random order, as
/// torchvision's `ColorJitter` does.
///
/// The factors of the first three are sampled uniformly; 1 changes nothing. The hue is rotated by a
/// fraction of a full turn; 0 changes nothing. After each change the values are clipped to 0..=255
/// and rounded down. Images have three channels, red, green and blue, or one channel, for which
/// saturation and hue change nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColourJitter {
    /// Range of the factor of all values.
    pub brightness: Strength,
    /// Range of the factor of the distances from the image's mean grey value.
    pub contrast: Strength,
    /// Range of the factor of the distances from the pixel's grey value.
    pub saturation: Strength,
    /// Range of the hue rotation, within -0.5..=0.5.
    pub hue: Strength,
}

/// The range of a change: in settings `contrast = 0.4` or `contrast = [0.6, 1.4]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number or [least, largest]")]
pub enum Strength {
    /// At most this far from no change: `max(0, 1 - x)..=1 + x` for factors, `-x..=x` for the hue.
    Around(f64),
    /// From the first to the second number.
    Between([f64; 2]),
}

impl Default for Strength {
    fn default() -> Self {
        Self::Around(0.0)
    }
}

/// One of the four changes: the function, the neutral amount, and the range of the amount.
type Change = (fn(&mut Image, f64), f64, [f64; 2]);

/// The maximum factor.
const MAX_FACTOR: f64 = 1000.0;

impl ColourJitter {
    fn changes(&self) -> Vec<Change> {
        let factors = |strength| match strength {
            Strength::Around(x) => [(1.0 - x).max(0.0), 1.0 + x],
            Strength::Between(range) => range,
        };
        let turns = match self.hue {
            Strength::Around(x) => [-x, x],
            Strength::Between(range) => range,
        };
        let all: [Change; 4] = [
            (brightness, 1.0, factors(self.brightness)),
            (contrast, 1.0, factors(self.contrast)),
            (saturation, 1.0, factors(self.saturation)),
            (hue, 0.0, turns),
        ];
        all.into_iter().filter(|&(_, neutral, range)| range != [neutral; 2]).collect()
    }
}

impl Step for ColourJitter {
    fn validate(&self) -> Result<()> {
        let strengths = [
            ("brightness", self.brightness, [0.0, MAX_FACTOR]),
            ("contrast", self.contrast, [0.0, MAX_FACTOR]),
            ("saturation", self.saturation, [0.0, MAX_FACTOR]),
            ("hue", self.hue, [-0.5, 0.5]),
        ];
        for (name, strength, [least, most]) in strengths {
            let (low, high) = match strength {
                Strength::Around(x) => (0.0, x),
                Strength::Between([low, high]) => (low, high),
            };
            if !(least <= low && low <= high && high <= most) {
                let expected = match name {
                    "hue" => "0..=0.5, or two numbers in -0.5..=0.5, the smaller first",
                    _ => "0..=1000, or two numbers in this range, the smaller first",
                };
                return Err(Error::value(
                    format!("colour-jitter: {name}"),
                    expected,
                    format!("{strength:?}"),
                ));
            }
        }
        Ok(())
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3]> {
        match shape[0] {
            1 | 3 => Ok(shape),
            channels => Err(Error::value("colour-jitter: image", "1 or 3 channels", channels)),
        }
    }

    fn run(&self, image: &Image, _output: [usize; 3], seed: Seed) -> Result<Image> {
        let mut image = image.clone();
        let mut rng = seed.rng();
        let mut changes = self.changes();
        changes.shuffle(&mut rng);
        for (change, _, [low, high]) in changes {
            change(&mut image, rng.random_range(low..=high));
        }
        Ok(image)
    }
}
