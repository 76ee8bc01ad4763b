mod brier;
mod clipped_nll;
mod nll;

pub use brier::Brier;
pub use clipped_nll::{ClippedNegativeLogLikelihood, ClippedNll};
pub use nll::NegativeLogLikelihood;
