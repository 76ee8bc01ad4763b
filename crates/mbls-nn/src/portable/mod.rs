//! The back end that is composed of candle's operations, for every device and floating-point type.
//!
//! Only operations whose gradients are right are used, so that candle differentiates the whole. The other back ends are tested
//! against this one.

mod batch_norm;
mod conv;
mod embedding;
mod gru;
mod linear;
mod pool;
mod relu;
mod resample;

use crate::operations::Operations;
use crate::shape::{
    BatchNormEpilogue, BatchNormOutput, ConvDims, GruDims, LinearDims, Lookup, Planes, Spans, Statistics, Taps,
};
use candle_core::{Result, Tensor};

#[cfg(feature = "cuda")]
pub(crate) use gru::gru;
#[cfg(feature = "cuda")]
pub(crate) use linear::linear;

/// Candle's operations, differentiated by candle.
pub(crate) struct Portable;

impl Operations for Portable {
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
        Ok(pool::maxima(x, &planes)?.0)
    }

    fn max_pool_with_indices(&self, x: &Tensor, planes: Planes<Spans>) -> Result<(Tensor, Tensor)> {
        pool::maxima(x, &planes)
    }

    fn resample(&self, x: &Tensor, planes: Planes<Taps>) -> Result<Tensor> {
        resample::resample(x, &planes)
    }

    fn global_avg_pool2d(&self, x: &Tensor) -> Result<Tensor> {
        x.mean((2, 3))
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
}
