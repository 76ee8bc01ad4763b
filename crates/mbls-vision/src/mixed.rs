//! Mixing of samples in pairs: mixup and CutMix.

use crate::transform::validate_probability;
use crate::{Error, Partner, Result, Sample};
use mbls_data::{Dataset, Seed};
use rand::{Rng, RngExt};
use rand_distr::{Beta, Distribution};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The method of mixing two samples; in settings `{ kind = "mixup", alpha = 0.2 }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Mix {
    /// The weighted mean of the pixels: `lambda x + (1 - lambda) x'`.
    ///
    /// # References
    ///
    /// Zhang et al.: mixup: Beyond Empirical Risk Minimization (ICLR 2018).
    Mixup {
        /// `lambda` is sampled from Beta(alpha, alpha); 0.01..=100.
        alpha: f64,
        /// The probability that a sample is mixed, 0..=1.
        #[serde(default = "always")]
        probability: f64,
    },
    /// Pastes a rectangle of the partner, with the aspect ratio of the image and an area of
    /// `1 - lambda`, at a random position. The part outside of the image is cut off, and `lambda`
    /// becomes the remaining share of the image.
    ///
    /// # References
    ///
    /// Yun et al.: CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
    /// Features (ICCV 2019).
    CutMix {
        /// `lambda` is sampled from Beta(alpha, alpha); 0.01..=100.
        alpha: f64,
        /// The probability that a sample is mixed, 0..=1.
        #[serde(default = "always")]
        probability: f64,
    },
}

fn always() -> f64 {
    1.0
}

impl Mix {
    fn name(&self) -> &'static str {
        match self {
            Self::Mixup { .. } => "mixup",
            Self::CutMix { .. } => "cutmix",
        }
    }

    fn settings(&self) -> (f64, f64) {
        match *self {
            Self::Mixup { alpha, probability } | Self::CutMix { alpha, probability } => {
                (alpha, probability)
            }
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) that names the invalid setting.
    pub fn validate(&self) -> Result<()> {
        let (alpha, probability) = self.settings();
        if !(0.01..=100.0).contains(&alpha) {
            return Err(Error::value(format!("{}: alpha", self.name()), "0.01..=100", alpha));
        }
        validate_probability(self.name(), probability)
    }
}

/// Samples of a data set, each mixed with another sample.
///
/// The partner is sampled uniformly from the whole data set, including the sample itself, and
/// prepared with a separate seed. A sample is a function of index and seed; a sample that is not
/// mixed is unchanged.
///
/// ```
/// use mbls_data::{Dataset, Seed};
/// use mbls_vision::{LabelledImages, Mix, Mixed};
/// use std::sync::Arc;
///
/// let images =
///     Arc::new(LabelledImages::new("tiny", [1, 1, 1], vec![0, 255], vec![0, 1], 2, 255)?);
/// let mixed = Mixed::new(images, Mix::Mixup { alpha: 0.4, probability: 1.0 })?;
/// let sample = mixed.get(0, Seed(5))?;
/// let partner = sample.partner.unwrap();
/// // A black image, brightened in proportion to the weight of the white one.
/// assert_eq!(sample.pixels[0], if partner.label == 1 { partner.weight } else { 0.0 });
/// # Ok::<(), mbls_vision::Error>(())
/// ```
#[derive(Debug)]
pub struct Mixed<D> {
    dataset: Arc<D>,
    mix: Mix,
    lambda: Beta<f64>,
}

impl<D: Dataset<Item = Sample>> Mixed<D> {
    /// Creates a data set of mixed samples of `dataset`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for invalid settings.
    pub fn new(dataset: Arc<D>, mix: Mix) -> Result<Self> {
        mix.validate()?;
        let (alpha, _) = mix.settings();
        let lambda = Beta::new(alpha, alpha)
            .map_err(|e| Error::value(format!("{}: alpha", mix.name()), e, alpha))?;
        Ok(Self { dataset, mix, lambda })
    }

    /// Returns the underlying data set.
    pub fn dataset(&self) -> &Arc<D> {
        &self.dataset
    }
}

impl<D: Dataset<Item = Sample>> Dataset for Mixed<D> {
    type Item = Sample;

    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn get(&self, index: usize, seed: Seed) -> Result<Sample> {
        let mut sample = self.dataset.get(index, seed)?;
        let seed = seed.derive(self.mix.name());
        let mut rng = seed.rng();
        let (_, probability) = self.mix.settings();
        if !rng.random_bool(probability) {
            return Ok(sample);
        }
        let other = rng.random_range(0..self.len() as u64) as usize;
        let partner = self.dataset.get(other, seed.derive("partner"))?;
        let pair = [&sample, &partner];
        if pair.iter().any(|sample| sample.partner.is_some()) {
            return Err(Error::value(
                self.mix.name(),
                "samples that are not mixed yet",
                "a mixed one",
            ));
        }
        if sample.shape != partner.shape || sample.pixels.len() != partner.pixels.len() {
            let name = format!("{} partner {other}", self.mix.name());
            return Err(Error::value(
                name,
                format!("shape {:?}", sample.shape),
                format!("{:?}", partner.shape),
            ));
        }
        let share = 1.0 - self.lambda.sample(&mut rng);
        let weight = match self.mix {
            Mix::Mixup { .. } => blend(&mut sample.pixels, &partner.pixels, share as f32),
            Mix::CutMix { .. } => paste(&mut sample, &partner, share, &mut rng),
        };
        sample.partner = Some(Partner { label: partner.label, weight });
        Ok(sample)
    }
}

fn blend(pixels: &mut [f32], partner: &[f32], share: f32) -> f32 {
    for (value, other) in pixels.iter_mut().zip(partner) {
        *value = (1.0 - share) * *value + share * other;
    }
    share
}

/// Pastes a rectangle of `partner` into `sample` and returns its share of the image.
fn paste(sample: &mut Sample, partner: &Sample, share: f64, rng: &mut impl Rng) -> f32 {
    let [_, height, width] = sample.shape;
    let half = 0.5 * share.sqrt();
    let mut span = |size: usize| {
        let (middle, half) =
            (rng.random_range(0..size.max(1) as u64) as usize, (half * size as f64) as usize);
        middle.saturating_sub(half)..(middle + half).min(size)
    };
    let (rows, columns) = (span(height), span(width));
    let plane = (height * width).max(1);
    for (to, from) in sample.pixels.chunks_mut(plane).zip(partner.pixels.chunks(plane)) {
        for row in rows.clone() {
            let range = row * width + columns.start..row * width + columns.end;
            to[range.clone()].copy_from_slice(&from[range]);
        }
    }
    (rows.len() * columns.len()) as f32 / plane as f32
}
