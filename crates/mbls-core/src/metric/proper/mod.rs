mod brier;
mod clipped_nll;
mod nll;

pub use brier::{BrierScore, SquaredErrors};
pub use clipped_nll::{ClippedNegativeLogLikelihood, ClippedNll};
pub use nll::{LogLikelihoods, NegativeLogLikelihood};
