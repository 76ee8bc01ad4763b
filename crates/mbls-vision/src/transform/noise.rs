//! Gaussian noise that is fixed for each image.

use crate::{Error, Result};
use mbls_data::Seed;
use rand_distr::{Distribution, StandardNormal};

/// Adds Gaussian noise that is fixed for each image of a data set.
///
/// `x' = x + std * z` with `x` scaled to 0..1 and `z` standard normal, generated from (seed, the
/// image's index in its whole data set): it depends neither on the epoch nor on the split. The
/// result is NOT clipped to 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    std: f64,
    seed: Seed,
}

impl Noise {
    /// Creates noise of standard deviation `std`, as a fraction of the full range.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) if `std` is negative or not finite.
    pub fn new(std: f64, seed: Seed) -> Result<Self> {
        if std.is_finite() && std >= 0.0 {
            return Ok(Self { std, seed });
        }
        Err(Error::value("standard deviation of the noise", "a finite number, at least 0", std))
    }

    /// Adds the noise of image `index` of the data set, whose values are scaled to 0..1.
    pub fn apply(&self, pixels: &mut [f32], index: usize) {
        let mut rng = self.seed.derive("noise").at(index as u64).rng();
        for value in pixels {
            let z: f64 = StandardNormal.sample(&mut rng);
            *value = (f64::from(*value) + self.std * z) as f32;
        }
    }
}
