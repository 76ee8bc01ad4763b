//! Semantic segmentation: networks, data sets of images and masks, joint transforms, and metrics
//! that never store logits.

pub mod dataset;
pub mod metric;
pub mod model;
pub mod segmenter;
pub mod transform;

pub use segmenter::CalibratedSegmenter;

// The code of the README compiles as a reader would paste it.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
