//! Normalisation per channel.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Subtracts a mean from each channel and divides by a standard deviation: `x' = (x - mean) / std`,
/// `x` scaled to 0..1.
///
/// ```
/// use mbls_vision::transform::Normalise;
///
/// let mut pixels = [0.25, 0.75];
/// Normalise::new(vec![0.25], vec![0.5])?.apply(&mut pixels);
/// assert_eq!(pixels, [0.0, 1.0]);
/// # Ok::<(), mbls_vision::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct Normalise {
    mean: Vec<f32>,
    std: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl TryFrom<Saved> for Normalise {
    type Error = Error;

    fn try_from(Saved { mean, std }: Saved) -> Result<Self> {
        Self::new(mean, std)
    }
}

impl From<Normalise> for Saved {
    fn from(Normalise { mean, std }: Normalise) -> Self {
        Self { mean, std }
    }
}

impl Normalise {
    /// Creates a normalisation with one mean and one standard deviation per channel.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) if there is no channel, the numbers of means and
    /// deviations differ, one is not finite, or a deviation is not above 0.
    pub fn new(mean: Vec<f32>, std: Vec<f32>) -> Result<Self> {
        if mean.is_empty() || mean.len() != std.len() {
            let found = format!("{} means, {} standard deviations", mean.len(), std.len());
            return Err(Error::value(
                "normalisation",
                "one mean and one standard deviation per channel",
                found,
            ));
        }
        for (channel, (mean, std)) in mean.iter().zip(&std).enumerate() {
            if !(mean.is_finite() && std.is_finite() && *std > 0.0) {
                let name = format!("normalisation of channel {channel}");
                let found = format!("mean {mean}, standard deviation {std}");
                return Err(Error::value(name, "finite values, standard deviation above 0", found));
            }
        }
        Ok(Self { mean, std })
    }

    /// Returns the constants commonly used for CIFAR-10.
    pub fn cifar10() -> Self {
        Self { mean: vec![0.4914, 0.4822, 0.4465], std: vec![0.2023, 0.1994, 0.2010] }
    }

    /// Returns the constants commonly used for CIFAR-100.
    pub fn cifar100() -> Self {
        Self { mean: vec![0.5071, 0.4865, 0.4409], std: vec![0.2673, 0.2564, 0.2762] }
    }

    /// Returns the constants commonly used for SVHN.
    pub fn svhn() -> Self {
        Self { mean: vec![0.4377, 0.4438, 0.4728], std: vec![0.1980, 0.2010, 0.1970] }
    }

    /// Returns the constants of ImageNet, which networks trained on it expect; the paper uses them
    /// for Tiny-ImageNet, CUB and VOC too.
    pub fn imagenet() -> Self {
        Self { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] }
    }

    /// Returns the constants that the paper uses for Tiny-ImageNet: those of
    /// [`Normalise::imagenet`].
    pub fn tiny_imagenet() -> Self {
        Self::imagenet()
    }

    /// Returns the constants commonly used for Fashion-MNIST.
    pub fn fashion_mnist() -> Self {
        Self { mean: vec![0.2860], std: vec![0.3530] }
    }

    /// Returns the constants commonly used for MNIST.
    pub fn mnist() -> Self {
        Self { mean: vec![0.1307], std: vec![0.3081] }
    }

    /// Returns mean and standard deviation of all values of the digits of 8x8 pixels, scaled to 0..1.
    pub fn digits() -> Self {
        Self { mean: vec![0.3053], std: vec![0.3760] }
    }

    /// Returns the number of channels.
    pub fn channels(&self) -> usize {
        self.mean.len()
    }

    /// Returns the mean of each channel.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Returns the standard deviation of each channel.
    pub fn std(&self) -> &[f32] {
        &self.std
    }

    /// Normalises one image, channel by channel, or several images of one channel.
    pub fn apply(&self, pixels: &mut [f32]) {
        let plane = pixels.len().div_ceil(self.channels()).max(1);
        for ((plane, mean), std) in pixels.chunks_mut(plane).zip(&self.mean).zip(&self.std) {
            plane.iter_mut().for_each(|value| *value = (*value - mean) / std);
        }
    }
}
