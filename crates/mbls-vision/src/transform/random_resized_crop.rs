//! Random crop with resizing.

use super::resize::yes;
use super::step::Step;
use super::{Resize, Size, Window};
use crate::{Error, Image, Result};
use mbls_data::Seed;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Crops a rectangle of random area, aspect ratio and position and resizes it, as torchvision does.
///
/// Up to ten times, an area is sampled uniformly from `scale` (as a fraction of the image's area)
/// and the logarithm of a ratio of width to height uniformly from that of `ratio`. The first
/// rectangle that fits is used, at a uniformly sampled position. If none fits, the centre of the
/// image is used, as much of it as `ratio` allows.
///
/// # References
///
/// Szegedy et al.: Going Deeper with Convolutions (CVPR 2015), section 6.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// Height and width of the result; a single number is a square.
    pub size: Size,
    /// The minimum and maximum area.
    #[serde(default = "default_scale")]
    pub scale: [f64; 2],
    /// The minimum and maximum ratio of width to height.
    #[serde(default = "default_ratio")]
    pub ratio: [f64; 2],
    /// See [`Resize::antialias`].
    #[serde(default = "yes")]
    pub antialias: bool,
}

fn default_scale() -> [f64; 2] {
    [0.08, 1.0]
}

fn default_ratio() -> [f64; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

/// Number of sampled rectangles before falling back to the centre of the image.
const ATTEMPTS: usize = 10;

/// Bounds of [`RandomResizedCrop::scale`] and [`RandomResizedCrop::ratio`].
const LEAST: f64 = 1e-6;
const MOST: f64 = 1e6;

impl RandomResizedCrop {
    /// Creates a transform with the common settings for ImageNet: areas of 8 % to 100 %, ratios of
    /// 3:4 to 4:3.
    pub fn new(size: Size) -> Self {
        Self { size, scale: default_scale(), ratio: default_ratio(), antialias: true }
    }

    /// Samples the rectangle for an image of `height` and `width`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for invalid settings and for an image without
    /// pixels.
    pub fn window(&self, [height, width]: [usize; 2], seed: Seed) -> Result<Window> {
        self.validate()?;
        if height == 0 || width == 0 {
            return Err(Error::value(
                "random-resized-crop: image",
                "at least 1 x 1",
                format!("{height} x {width}"),
            ));
        }
        let mut rng = seed.rng();
        let area = height as f64 * width as f64;
        // libm returns the same bits on every machine.
        let [log_low, log_high] = self.ratio.map(libm::log);
        for _ in 0..ATTEMPTS {
            let target = area * rng.random_range(self.scale[0]..=self.scale[1]);
            let ratio = libm::exp(rng.random_range(log_low..=log_high));
            let (h, w) = (
                (target / ratio).sqrt().round_ties_even(),
                (target * ratio).sqrt().round_ties_even(),
            );
            if h >= 1.0 && w >= 1.0 && h <= height as f64 && w <= width as f64 {
                let (h, w) = (h as usize, w as usize);
                let top = rng.random_range(0..=(height - h) as u64) as usize;
                let left = rng.random_range(0..=(width - w) as u64) as usize;
                return Ok(Window { top, left, height: h, width: w });
            }
        }
        Ok(self.middle(height, width))
    }

    /// Returns the largest centred rectangle with an allowed ratio.
    fn middle(&self, height: usize, width: usize) -> Window {
        let ratio = width as f64 / height as f64;
        // At least one row and column; torchvision's rounding may leave none.
        let limited = |size: f64, most: usize| (size.round_ties_even() as usize).clamp(1, most);
        let (h, w) = if ratio < self.ratio[0] {
            (limited(width as f64 / self.ratio[0], height), width)
        } else if ratio > self.ratio[1] {
            (height, limited(height as f64 * self.ratio[1], width))
        } else {
            (height, width)
        };
        Window { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
    }

    fn resize(&self) -> Resize {
        Resize { size: Size::HeightWidth(self.size.square()), antialias: self.antialias }
    }
}

impl Step for RandomResizedCrop {
    fn validate(&self) -> Result<()> {
        self.size.validate("random-resized-crop")?;
        for (name, [low, high]) in [("scale", self.scale), ("ratio", self.ratio)] {
            if !(low >= LEAST && low <= high && high <= MOST) {
                let expected = format!("numbers in {LEAST}..={MOST}, the smaller first");
                return Err(Error::value(
                    format!("random-resized-crop: {name}"),
                    expected,
                    format!("{low}, {high}"),
                ));
            }
        }
        Ok(())
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3]> {
        self.resize().output_shape(shape)
    }

    fn fixed_size(&self) -> Option<[usize; 2]> {
        Some(self.size.square())
    }

    fn run(&self, image: &Image, output: [usize; 3], seed: Seed) -> Result<Image> {
        let part = self.window([image.height, image.width], seed)?.of(image)?;
        self.resize().run(&part, output, seed)
    }
}
