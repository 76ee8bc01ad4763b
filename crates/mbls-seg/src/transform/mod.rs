//! Transforms of an image and its mask together: pure functions of the sample and a seed.
//!
//! [`JointTransform`] names them. Sizes, places and pixels are those of albumentations 1.1.0 and
//! OpenCV, with which the published code trained: images are resized as by `INTER_LINEAR`, masks as
//! by `INTER_NEAREST`.

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
