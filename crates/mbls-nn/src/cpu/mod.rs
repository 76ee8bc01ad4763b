//! The back end of `f32` and `f64` on the CPU: operations of their own with their backward passes.
//!
//! Convolutions and affine maps are products of the `gemm` crate, single-threaded within blocks of a fixed size that rayon
//! distributes; either a sum lies within one product, or partial sums are added in the order of the blocks. So the bits of a result depend on its inputs alone, not
//! on the number of threads. They are tested against [`portable`](crate::portable).

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

use crate::operations::Operations;
use crate::shape::{
    BatchNormEpilogue, BatchNormOutput, ChannelsLastDims, ConvDims, GruDims, LinearDims, Lookup, Planes, Spans,
    Statistics, Taps,
};
use candle_core::{Result, Tensor};

pub(crate) use values::supports;

/// The operations of their own on the CPU.
pub(crate) struct Cpu;

impl Operations for Cpu {
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
        gru::gru(gates, weight, bias, padding, backwards, dims)
    }

    fn conv1d_channels_last(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        dims: ChannelsLastDims,
    ) -> Result<Tensor> {
        conv1d_channels_last::conv1d_channels_last(x, weight, bias, dims)
    }
}
