//! Losses on logits, calibration metrics and post-hoc calibrators.

pub mod bootstrap;
pub mod calibration;
mod error;
#[cfg(feature = "candle")]
pub mod loss;
pub mod metric;
mod simd;

pub use error::{Error, Result};
