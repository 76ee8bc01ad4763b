//! Convolution as one matrix product over gathered windows.

use crate::layer::{ConvConfig, ConvDims};
use candle_core::{Result, Tensor};

/// Cross-correlation of images or sequences with kernels, as [`cpu::conv`](crate::cpu::conv).
///
/// # Shapes
///
/// `x` `[N, C, H, W]`, `weight` `[O, C / groups, kh, kw]`, `bias` `[O]`; the result `[N, O, H', W']`. In one dimension `[N, C, L]`,
/// `[O, C / groups, k]`, `[O]` and `[N, O, L']`.
///
/// # Errors
///
/// Where the shapes or types do not fit or the input is empty.
pub fn conv<const D: usize>(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &ConvConfig<D>,
) -> Result<Tensor> {
    let d = ConvDims::new(x, weight, bias, config)?;
    let rows = Tensor::new(d.rows.indices(d.out_height), x.device())?;
    let columns = Tensor::new(d.columns.indices(d.out_width), x.device())?;
    let (c, o) = (d.in_channels / d.groups, d.out_channels / d.groups);
    let (kh, kw) = (d.rows.kernel, d.columns.kernel);
    let positions = d.images * d.out_height * d.out_width;
    let windows = x
        .reshape((d.images, d.in_channels, d.height, d.width))?
        .pad_with_zeros(2, d.rows.padding, d.rows.padding)?
        .pad_with_zeros(3, d.columns.padding, d.columns.padding)?
        .contiguous()?
        .index_select(&rows, 2)?
        .index_select(&columns, 3)?
        .reshape(vec![d.images, d.groups, c, d.out_height, kh, d.out_width, kw])?
        .permute(vec![1, 0, 3, 5, 2, 4, 6])?
        .contiguous()?
        .reshape((d.groups, positions, c * kh * kw))?;
    let kernels = weight.contiguous()?.reshape((d.groups, o, c * kh * kw))?.transpose(1, 2)?.contiguous()?;
    let y = windows
        .matmul(&kernels)?
        .reshape((d.groups, d.images, d.out_height, d.out_width, o))?
        .permute((1, 0, 4, 2, 3))?
        .contiguous()?
        .reshape((d.images, d.out_channels, d.out_height, d.out_width))?;
    let y = match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, d.out_channels, 1, 1))?)?,
        None => y,
    };
    y.reshape(d.out_shape::<D>())
}
