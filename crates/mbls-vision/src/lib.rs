//! Image classification: data sets, transforms and residual networks.
//!
//! Images stay `u8` in memory ([`LabelledImages`]); [`AugmentedImages`] computes the floats of an
//! image on demand. Readers of common data sets are in [`dataset`], networks in [`model`].

mod augmented;
#[cfg(feature = "candle-datasets")]
pub mod candle_datasets;
pub mod classifier;
mod corrupted;
pub mod dataset;
mod decode;
mod files;
mod image;
mod labelled;
mod mixed;
pub mod model;
mod source;
pub mod transform;

pub use augmented::AugmentedImages;
pub use classifier::CalibratedClassifier;
pub use corrupted::Corrupted;
pub use decode::{ImageHeader, Oriented, decode, decode_bytes, decode_oriented, image_header};
pub use files::{FilesConfig, ImageFiles, OnError, Skipped};
pub use image::{Image, ImageBatch, ImageCollate, Partner, Sample};
pub use labelled::LabelledImages;
pub use mbls_data::{Error, Result};
pub use mixed::{Mix, Mixed};
pub use source::ImageSource;

// The code of the README compiles as a reader would paste it.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
