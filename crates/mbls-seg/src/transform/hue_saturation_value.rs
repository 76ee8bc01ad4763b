//! Random hue, saturation and value.

use super::hsv::{FromRgb, to_rgb};
use super::step::{Step, half, validate_number};
use crate::dataset::SegmentationSample;
use mbls_data::{Result, Seed};
use mbls_vision::Image;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Randomly shifts hue, saturation and value of the image, like albumentations'
/// `HueSaturationValue`. It applies [`shift_hsv`] with each shift sampled uniformly from `-x..=x`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HueSaturationValue {
    /// Largest shift of the hue, 0..=90 steps of two degrees.
    #[serde(default = "twenty")]
    pub hue: f64,
    /// Largest shift of the saturation, 0..=255.
    #[serde(default = "thirty")]
    pub saturation: f64,
    /// Largest shift of the value, 0..=255.
    #[serde(default = "twenty")]
    pub value: f64,
    /// Probability of the transform, 0..=1.
    #[serde(default = "half")]
    pub probability: f64,
}

fn twenty() -> f64 {
    20.0
}

fn thirty() -> f64 {
    30.0
}

/// Shifts the colours of an image in OpenCV's 8-bit HSV: `(hue + shift) mod 180`, saturation and
/// value clamped to 0..=255, each truncated to an integer. An image is unchanged if all shifts are
/// 0 or if it does not have three channels.
pub fn shift_hsv(image: &mut Image, [hue, saturation, value]: [f64; 3]) {
    let plane = image.height * image.width;
    if image.channels != 3 || plane == 0 || [hue, saturation, value] == [0.0; 3] {
        return;
    }
    let table = |shifted: &dyn Fn(f64) -> f64| -> Vec<u8> {
        (0..=255).map(|x| shifted(f64::from(x)) as u8).collect()
    };
    let hues = table(&|x| (x + hue).rem_euclid(180.0));
    // The conversion clamps.
    let saturations = table(&|x| x + saturation);
    let values = table(&|x| x + value);
    let from_rgb = FromRgb::new();
    let (red, rest) = image.pixels.split_at_mut(plane);
    let (green, blue) = rest.split_at_mut(plane);
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        let [h, s, v] = from_rgb.apply([*red, *green, *blue]).map(usize::from);
        [*red, *green, *blue] = to_rgb([hues[h], saturations[s], values[v]]);
    }
}

impl Step for HueSaturationValue {
    fn validate(&self) -> Result<()> {
        validate_number("hue-saturation-value", "hue", self.hue, [0.0, 90.0])?;
        validate_number("hue-saturation-value", "saturation", self.saturation, [0.0, 255.0])?;
        validate_number("hue-saturation-value", "value", self.value, [0.0, 255.0])?;
        validate_number("hue-saturation-value", "probability", self.probability, [0.0, 1.0])
    }

    fn run(&self, mut sample: SegmentationSample, seed: Seed) -> Result<SegmentationSample> {
        let mut rng = seed.rng();
        if rng.random_bool(self.probability) {
            let mut shift = |most: f64| rng.random_range(-most..=most);
            let shifts = [shift(self.hue), shift(self.saturation), shift(self.value)];
            shift_hsv(&mut sample.image, shifts);
        }
        Ok(sample)
    }
}
