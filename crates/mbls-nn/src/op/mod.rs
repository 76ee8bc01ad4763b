//! The front ends of the operations, one for each, shared by all back ends. They check their
//! arguments, compute the sizes and call the back end's function of the same name, which may rely
//! on that.
//!
//! This module is not part of the stable interface: layers choose the back end themselves
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
