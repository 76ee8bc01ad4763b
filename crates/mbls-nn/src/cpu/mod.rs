//! Layers as operations of their own, for `f32` and `f64` on the CPU.
//!
//! Convolutions and affine maps are products of the `gemm` crate, single-threaded within blocks of a fixed size that rayon
//! distributes; either a sum lies within one product, or partial sums are added in the order of the blocks. So the bits of a result depend on its inputs alone, not
//! on the number of threads. The functions match those of [`portable`](crate::portable), against which they are tested.

mod batch_norm;
mod conv;
mod embedding;
mod gru;
mod kernel;
mod linear;
mod pool;
mod relu;
mod resample;
mod time_conv;
mod values;

pub use batch_norm::{batch_norm, batch_norm_relu, batch_norm_relu_train, batch_norm_train};
pub use conv::conv;
pub use embedding::embedding;
pub use gru::gru;
pub use linear::linear;
pub use pool::{
    adaptive_avg_pool, adaptive_max_pool_with_indices, avg_pool, global_avg_pool2d, max_pool, max_pool_with_indices,
};
pub use relu::relu;
pub use resample::{bilinear2d, nearest2d};
pub use time_conv::time_conv;

pub(crate) use values::supports;
