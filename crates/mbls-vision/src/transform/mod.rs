//! Transforms of images: pure functions of the image and a seed.
//!
//! [`ImageTransform`] covers those of 8-bit images, [`Corruption`] those for testing under
//! distribution shift; [`Noise`], [`PadCropFlip`] and [`Normalise`] work on floats.

mod bilinear;
mod center_crop;
mod colour;
mod colour_jitter;
mod corruption;
mod flip;
mod gaussian_blur;
mod image_transform;
mod noise;
mod normalise;
mod pad;
mod pad_crop_flip;
mod random_crop;
mod random_resized_crop;
mod resize;
mod size;
mod step;
mod window;

pub use center_crop::CenterCrop;
pub use colour_jitter::{ColourJitter, Strength};
pub use corruption::{Corruption, CorruptionKind};
pub(crate) use flip::validate_probability;
pub use flip::{HorizontalFlip, VerticalFlip};
pub(crate) use image_transform::pipeline_shape;
pub use image_transform::{ImageTransform, apply_all};
pub use noise::Noise;
pub use normalise::Normalise;
pub use pad::Pad;
pub use pad_crop_flip::PadCropFlip;
pub use random_crop::RandomCrop;
pub use random_resized_crop::RandomResizedCrop;
pub use resize::Resize;
pub use size::Size;
pub use window::Window;
