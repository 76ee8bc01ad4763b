//! Layers as operations of their own, for `f16`, `bf16`, `f32` and `f64` on CUDA devices.
//!
//! Convolutions are cuDNN's, products cuBLAS's, all else are kernels of this crate, compiled by NVRTC at the first use of a
//! type. Half precision is computed and summed in `f32`. Sums have one order, and of cuDNN's algorithms only those are taken
//! that it calls deterministic: the same input gives the same bits on one device. The functions match those of
//! [`portable`](crate::portable), against which they are tested.
//!
//! Needs the libraries of CUDA and cuDNN 9 where the program runs; an error says so where they are not found.

mod batch_norm;
mod channels;
mod conv;
mod cudnn;
mod device;
mod embedding;
mod linear;
mod memory;
mod norm;
mod planes;
mod pool;
mod precision;
mod relu;
mod resample;
mod update;

pub use batch_norm::{batch_norm, batch_norm_relu, batch_norm_relu_train, batch_norm_train};
pub use conv::conv;
pub use embedding::embedding;
pub use linear::linear;
pub use memory::{keep_memory, without_events};
pub use pool::{
    adaptive_avg_pool, adaptive_max_pool_with_indices, avg_pool, global_avg_pool2d, max_pool, max_pool_with_indices,
};
pub use precision::{allow_tf32, tf32_allowed};
pub use relu::relu;
pub use resample::{bilinear2d, nearest2d};

pub(crate) use device::supports;
pub(crate) use norm::sum_of_squares;
pub(crate) use update::{Adam, Rule, Running, Sgd, update};
