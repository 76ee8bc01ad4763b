//! Transforms of pictures: pure functions of the picture and a seed.

mod noise;
mod normalise;
mod pad_crop_flip;

pub use noise::Noise;
pub use normalise::Normalise;
pub use pad_crop_flip::PadCropFlip;
