mod brier;
mod clipped_nll;
mod nll;

pub use brier::BrierScore;
pub use clipped_nll::{ClippedNegativeLogLikelihood, ClippedNll};
pub use nll::NegativeLogLikelihood;
