//! Text classification: tokenizers, word vectors, networks and data sets.

pub mod classifier;
pub mod dataset;
pub mod embedding;
pub mod model;
pub mod text;

pub use classifier::CalibratedClassifier;
pub use mbls_data::{Error, Result};

// The code of the README compiles as a reader would paste it.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
