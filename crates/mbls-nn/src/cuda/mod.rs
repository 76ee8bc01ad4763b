//! The back end of `f16`, `bf16`, `f32` and `f64` on CUDA devices.
//!
//! Convolutions are cuDNN's, products cuBLAS's, all else are kernels of this crate, compiled by NVRTC at the first use of a
//! type. Half precision is computed and summed in `f32`. Sums have one order, and of cuDNN's algorithms only those are taken
//! that it calls deterministic: the same input gives the same bits on one device. The operations are tested against
//! [`portable`](crate::portable).
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

use crate::operations::Operations;
use crate::portable;
use crate::shape::{
    BatchNormEpilogue, BatchNormOutput, ConvDims, GruDims, LinearDims, Lookup, Planes, Spans, Statistics, Taps,
};
use candle_core::{Result, Tensor};

pub use memory::{keep_memory, without_events};
pub use precision::{allow_tf32, tf32_allowed};

pub(crate) use device::supports;
pub(crate) use norm::sum_of_squares;
pub(crate) use update::{Adam, Rule, Running, Sgd, update};

/// cuDNN, cuBLAS and the kernels of this crate.
pub(crate) struct Cuda;

impl Operations for Cuda {
    fn conv(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, dims: ConvDims) -> Result<Tensor> {
        conv::conv(x, weight, bias, dims)
    }

    fn linear(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, dims: LinearDims) -> Result<Tensor> {
        linear::linear(x, weight, bias, dims)
    }

    fn batch_norm(
        &self,
        x: &Tensor,
        affine: [&Tensor; 2],
        statistics: Statistics,
        epilogue: BatchNormEpilogue,
        eps: f64,
    ) -> Result<BatchNormOutput> {
        batch_norm::batch_norm(x, affine, statistics, epilogue, eps)
    }

    fn max_pool(&self, x: &Tensor, planes: Planes<Spans>) -> Result<Tensor> {
        pool::max_pool(x, planes)
    }

    fn max_pool_with_indices(&self, x: &Tensor, planes: Planes<Spans>) -> Result<(Tensor, Tensor)> {
        pool::max_pool_with_indices(x, planes)
    }

    fn resample(&self, x: &Tensor, planes: Planes<Taps>) -> Result<Tensor> {
        resample::resample(x, planes)
    }

    fn global_avg_pool2d(&self, x: &Tensor) -> Result<Tensor> {
        pool::global_avg_pool2d(x)
    }

    fn relu(&self, x: &Tensor) -> Result<Tensor> {
        relu::relu(x)
    }

    fn embedding(&self, weight: &Tensor, lookup: Lookup) -> Result<Tensor> {
        embedding::embedding(weight, lookup)
    }

    fn gru(
        &self,
        gates: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        padding: &[usize],
        backwards: bool,
        dims: GruDims,
    ) -> Result<Tensor> {
        portable::gru(gates, weight, bias, padding, backwards, dims)
    }
}
