//! The back end of `f32` and `f64` on the CPU: operations of their own with their backward passes.
//!
//! Convolutions and affine maps are products of the `gemm` crate, single-threaded within blocks of
//! a fixed size that rayon distributes; either a sum lies within one product, or partial sums are
//! added in the order of the blocks. So the bits of a result depend on its inputs alone, not on the
//! number of threads. They are tested against [`portable`](crate::portable).

mod batch_norm;
mod conv;
mod conv1d_channels_last;
mod embedding;
mod gru;
mod kernel;
mod linear;
mod pool;
mod relu;
mod resample;
mod values;

pub(crate) use batch_norm::batch_norm;
pub(crate) use conv::conv;
pub(crate) use conv1d_channels_last::conv1d_channels_last;
pub(crate) use embedding::embedding;
pub(crate) use gru::gru;
pub(crate) use linear::linear;
pub(crate) use pool::{global_avg_pool2d, max_pool, max_pool_with_indices};
pub(crate) use relu::relu;
pub(crate) use resample::resample;
pub(crate) use values::supports;
