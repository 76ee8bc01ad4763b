//! Corruptions for testing networks under distribution shift.

use super::gaussian_blur::gaussian_blur;
use crate::{Error, Image, Result};
use mbls_data::Seed;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// The type of corruption. The constants `c` for the five severities are those of CIFAR-10-C; `x`
/// is a value scaled to 0..1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CorruptionKind {
    /// `x + c z`, `z` standard normal; c = .04, .06, .08, .09, .10.
    GaussianNoise,
    /// A Gaussian kernel of standard deviation c pixels, truncated at 4 c, with the border
    /// repeated; c = .4, .6, .7, .8, 1.
    GaussianBlur,
    /// `c (x - mean) + mean`, where `mean` is the channel's mean over the image; c = .75, .5, .4,
    /// .3, .15.
    Contrast,
    /// The value of HSV, `max(red, green, blue)`, becomes `min(1, value + c)`; hue and saturation
    /// are unchanged; c = .05, .1, .15, .2, .3.
    Brightness,
}

impl CorruptionKind {
    /// All types of corruption.
    pub const ALL: [Self; 4] =
        [Self::GaussianNoise, Self::GaussianBlur, Self::Contrast, Self::Brightness];

    /// Returns the name in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussianNoise => "gaussian-noise",
            Self::GaussianBlur => "gaussian-blur",
            Self::Contrast => "contrast",
            Self::Brightness => "brightness",
        }
    }

    fn constants(self) -> [f64; 5] {
        match self {
            Self::GaussianNoise => [0.04, 0.06, 0.08, 0.09, 0.10],
            Self::GaussianBlur => [0.4, 0.6, 0.7, 0.8, 1.0],
            Self::Contrast => [0.75, 0.5, 0.4, 0.3, 0.15],
            Self::Brightness => [0.05, 0.1, 0.15, 0.2, 0.3],
        }
    }
}

/// A corruption of 8-bit images at one of five severities.
///
/// Results are clipped to 0..1 and ROUNDED to 8 bits; the code that made CIFAR-10-C rounds down,
/// which darkens every image by half a level. The noise is a function of the image's index alone:
/// every network is tested on the same images, and those of two severities differ only in strength.
///
/// # References
///
/// Hendrycks, Dietterich: Benchmarking Neural Network Robustness to Common Corruptions and
/// Perturbations (ICLR 2019).
///
/// ```
/// use mbls_vision::Image;
/// use mbls_vision::transform::{Corruption, CorruptionKind};
///
/// let image = Image { channels: 1, height: 1, width: 2, pixels: vec![100, 200] };
/// let corruption = Corruption { kind: CorruptionKind::Contrast, severity: 2 };
/// assert_eq!(corruption.apply(&image, 255, 0)?.pixels, [125, 175]);
/// # Ok::<(), mbls_vision::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corruption {
    /// The type of corruption.
    pub kind: CorruptionKind,
    /// The severity, 1..=5.
    pub severity: u8,
}

/// The seed of the noise of all images.
const NOISE: Seed = Seed(2019);

impl Corruption {
    /// Returns every type at every severity, mild ones first.
    pub fn all() -> impl Iterator<Item = Self> {
        CorruptionKind::ALL
            .into_iter()
            .flat_map(|kind| (1..=5).map(move |severity| Self { kind, severity }))
    }

    /// Checks that the severity is one of the five.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) otherwise.
    pub fn validate(&self) -> Result<()> {
        self.constant().map(|_| ())
    }

    fn constant(&self) -> Result<f64> {
        let constants = self.kind.constants();
        let constant =
            usize::from(self.severity).checked_sub(1).and_then(|place| constants.get(place));
        constant.copied().ok_or_else(|| {
            Error::value(
                format!("{}: severity", self.kind.name()),
                format!("1..={}", constants.len()),
                self.severity,
            )
        })
    }

    /// Returns the corrupted form of image `index` of a data set, whose value `full_scale` means 1.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for a severity outside of 1..=5, a full scale of 0
    /// and pixels that do not fill the image's shape.
    pub fn apply(&self, image: &Image, full_scale: u8, index: usize) -> Result<Image> {
        let c = self.constant()?;
        image.validate()?;
        if full_scale == 0 {
            return Err(Error::value("full scale", "at least 1", 0));
        }
        let full = f64::from(full_scale);
        let values: Vec<f64> = image.pixels.iter().map(|&value| f64::from(value) / full).collect();
        let plane = image.height * image.width;
        let corrupted = match self.kind {
            CorruptionKind::GaussianNoise => noisy(values, c, index),
            CorruptionKind::GaussianBlur => values
                .chunks(plane)
                .flat_map(|plane| gaussian_blur(plane, image.width, c))
                .collect(),
            CorruptionKind::Contrast => {
                values.chunks(plane).flat_map(|plane| closer_to_mean(plane, c)).collect()
            }
            CorruptionKind::Brightness => brighter(values, plane, c),
        };
        let pixels = corrupted
            .into_iter()
            .map(|value| (value.clamp(0.0, 1.0) * full).round() as u8)
            .collect();
        Ok(Image { pixels, ..*image })
    }
}

fn noisy(mut values: Vec<f64>, c: f64, index: usize) -> Vec<f64> {
    let mut rng = NOISE.derive(CorruptionKind::GaussianNoise.name()).at(index as u64).rng();
    for value in &mut values {
        let z: f64 = StandardNormal.sample(&mut rng);
        *value += c * z;
    }
    values
}

fn closer_to_mean(plane: &[f64], c: f64) -> Vec<f64> {
    let mean = plane.iter().sum::<f64>() / plane.len() as f64;
    plane.iter().map(|value| (value - mean) * c + mean).collect()
}

/// Brightens without converting to HSV: at the same hue and saturation, all channels grow by the
/// same factor as the largest.
fn brighter(mut values: Vec<f64>, plane: usize, c: f64) -> Vec<f64> {
    let len = values.len();
    for i in 0..plane {
        let most = (i..len).step_by(plane).map(|at| values[at]).fold(0.0, f64::max);
        let brighter = (most + c).min(1.0);
        for at in (i..len).step_by(plane) {
            values[at] = if most > 0.0 { values[at] * (brighter / most) } else { brighter };
        }
    }
    values
}
