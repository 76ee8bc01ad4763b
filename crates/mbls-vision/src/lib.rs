//! Image classification: data sets, transforms and residual networks.
//!
//! Pictures stay `u8` in memory ([`LabelledImages`]); [`AugmentedImages`] makes the floats of one picture when it is asked
//! for. Readers of the usual data sets are in [`dataset`], networks in [`model`].

mod augmented;
pub mod dataset;
mod decode;
mod files;
mod image;
mod labelled;
pub mod model;
mod source;
pub mod transform;

pub use augmented::AugmentedImages;
pub use files::{FilesConfig, ImageFiles, OnError, Skipped};
pub use image::{Image, ImageBatch, ImageCollate, Sample};
pub use labelled::LabelledImages;
pub use mbls_data::{Error, Result};
pub use source::ImageSource;
