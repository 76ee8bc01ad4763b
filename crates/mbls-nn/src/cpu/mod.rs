//! The back end for `f32` and `f64` on the CPU: fused operations with their backward passes.
//!
//! Convolutions and affine maps use products of the `gemm` crate, single-threaded within blocks of
//! a fixed size that rayon distributes. Each sum is either within one product, or its partial sums
//! are added in the order of the blocks. The exact result therefore depends only on the inputs, not
//! on the number of threads. The operations are tested against [`portable`](crate::portable).

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
