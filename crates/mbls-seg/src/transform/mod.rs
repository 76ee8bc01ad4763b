//! Joint transforms of an image and its mask: pure functions of the sample and a seed.
//!
//! [`JointTransform`] is the enum of all of them. Sizes, positions and pixel values match
//! albumentations 1.1.0 and OpenCV, which the published code uses: images are resized like
//! `INTER_LINEAR`, masks like `INTER_NEAREST`.

mod brightness_contrast;
mod hsv;
mod hue_saturation_value;
mod joint;
mod longest_side;
mod mirror;
mod pad_to;
mod random_crop;
mod resize;
mod scale_jitter;
mod step;

pub use brightness_contrast::{BrightnessContrast, adjust_brightness_contrast};
pub use hue_saturation_value::{HueSaturationValue, shift_hsv};
pub use joint::{JointTransform, apply_all, common_size};
pub use longest_side::LongestSide;
pub use mirror::HorizontalFlip;
pub use pad_to::PadTo;
pub use random_crop::RandomCrop;
pub use scale_jitter::ScaleJitter;
