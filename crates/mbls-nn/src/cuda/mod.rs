//! The back end for `f16`, `bf16`, `f32` and `f64` on CUDA devices.
//!
//! Convolutions use cuDNN and products use cuBLAS; all other operations are kernels of this crate,
//! compiled by NVRTC on the first use of a type. Half precision is computed and summed in `f32`.
//! Sums have a fixed order, and only those cuDNN algorithms are used that cuDNN documents as
//! deterministic, so the same input gives bit-identical results on one device. The operations are
//! tested against [`portable`](crate::portable).
//!
//! The libraries of CUDA and cuDNN 9 are required at run time; an error says so if they are not
//! found.

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

pub use memory::{keep_memory, without_events};
pub use precision::{allow_tf32, tf32_allowed};

pub(crate) use crate::portable::gru;
pub(crate) use batch_norm::batch_norm;
pub(crate) use conv::conv;
pub(crate) use device::supports;
pub(crate) use embedding::embedding;
pub(crate) use linear::linear;
pub(crate) use norm::sum_of_squares;
pub(crate) use pool::{global_avg_pool2d, max_pool, max_pool_with_indices};
pub(crate) use relu::relu;
pub(crate) use resample::resample;
pub(crate) use update::{Adam, Rule, Running, Sgd, update};
