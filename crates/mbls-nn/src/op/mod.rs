//! The fronts of the operations, one for each, whatever the back end: they check their arguments,
//! work out the sizes and hand over to the back end's function of the same name, which may rely on
//! that.
//!
//! Not part of the interface that is kept: layers choose the back end by themselves
//! ([`Backend::of`]). It is public so that tests can compare the back ends with each other.

mod backend;
mod batch_norm;
mod conv;
mod conv1d_channels_last;
mod embedding;
mod gru;
mod linear;
mod pool;
mod relu;
mod resample;

pub use crate::shape::{BatchNormEpilogue, BatchNormOutput, Statistics};
pub use backend::Backend;
