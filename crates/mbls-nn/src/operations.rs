//! The operations that a back end provides.

use crate::shape::{
    BatchNormEpilogue, BatchNormOutput, ChannelsLastDims, ConvConfig, ConvDims, ConvEpilogue, GruDims, LinearDims,
    Lookup, Planes, PoolSize, Spans, Statistics, Taps,
};
use candle_core::{D, Result, Tensor};

/// The operations of one back end: portable, CPU or CUDA.
///
/// Layers reach them through the fronts of [`Backend`](crate::op::Backend), which check shapes,
/// types and devices and work out the sizes. An implementation may rely on that: what it gets here
/// fits.
pub(crate) trait Operations: Sync {
    /// Cross-correlation: `x` `[N, C, H, W]` or `[N, C, L]`, `weight` `[O, C / groups, ..]`, `bias`
    /// `[O]`.
    fn conv(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, dims: ConvDims) -> Result<Tensor>;

    /// `x W^T + b`: `x` `[.., in]`, `weight` `[out, in]`, `bias` `[out]`.
    fn linear(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, dims: LinearDims) -> Result<Tensor>;

    /// Normalisation per channel with its epilogue: `x` and a residual `[N, C, ..]`, scale and
    /// shift `[C]`.
    fn batch_norm(
        &self,
        x: &Tensor,
        affine: [&Tensor; 2],
        statistics: Statistics,
        epilogue: BatchNormEpilogue,
        eps: f64,
    ) -> Result<BatchNormOutput>;

    /// The maximum over the spans of each plane; of equal values the first gets the gradient, a NaN
    /// yields NaN.
    fn max_pool(&self, x: &Tensor, planes: Planes<Spans>) -> Result<Tensor>;

    /// The same with the place of each maximum within its plane, row-major, as `u32`.
    fn max_pool_with_indices(&self, x: &Tensor, planes: Planes<Spans>) -> Result<(Tensor, Tensor)>;

    /// Weighted sums of neighbours along both axes of each plane: average pools and interpolation.
    fn resample(&self, x: &Tensor, planes: Planes<Taps>) -> Result<Tensor>;

    /// The mean of each plane: `[N, C, H, W]` to `[N, C]`.
    fn global_avg_pool2d(&self, x: &Tensor) -> Result<Tensor>;

    /// `max(x, 0)` with derivative 0 at 0; NaN stays NaN.
    fn relu(&self, x: &Tensor) -> Result<Tensor>;

    /// The rows of `weight` `[V, D]` that are looked up.
    fn embedding(&self, weight: &Tensor, lookup: Lookup) -> Result<Tensor>;

    /// The states of gated recurrent units: `gates` `[N, L, 3 H]`, `weight` `[3 H, H]`, `bias`
    /// `[3 H]` to `[N, L, H]`.
    fn gru(
        &self,
        gates: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        padding: &[usize],
        backwards: bool,
        dims: GruDims,
    ) -> Result<Tensor>;

    /// Cross-correlation over time with what follows it: `x` `[N, L, C]`, `weight` `[O, C, k]`,
    /// `bias` `[O]`.
    ///
    /// As given here composed of the back end's own convolution, rectifier and pool.
    fn conv1d_channels_last(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        dims: ChannelsLastDims,
    ) -> Result<Tensor> {
        let turned = x.transpose(1, 2)?.contiguous()?;
        let conv = ConvDims::new(&turned, weight, Some(bias), &ConvConfig::<1>::default())?;
        let y = self.conv(&turned, weight, Some(bias), conv)?;
        let kernel = match dims.epilogue {
            ConvEpilogue::Nothing | ConvEpilogue::Relu => 1,
            ConvEpilogue::ReluMaxPool(kernel) => kernel,
            ConvEpilogue::ReluMax => dims.positions,
        };
        let y = if dims.epilogue == ConvEpilogue::Nothing { y } else { self.relu(&y)? };
        let y = match kernel {
            1 => y,
            _ => self.max_pool(&y, Planes::sliding(&y, &PoolSize::<1>::new(kernel, 1, 0), "max pool")?)?,
        };
        match dims.epilogue {
            ConvEpilogue::ReluMax => y.squeeze(D::Minus1),
            _ => y.transpose(1, 2)?.contiguous(),
        }
    }
}
