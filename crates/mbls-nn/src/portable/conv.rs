//! Convolution as one matrix product of gathered windows.

use crate::shape::ConvDims;
use candle_core::{Result, Tensor};

pub(crate) fn conv(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    d: ConvDims,
) -> Result<Tensor> {
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
    let kernels =
        weight.contiguous()?.reshape((d.groups, o, c * kh * kw))?.transpose(1, 2)?.contiguous()?;
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
    y.reshape(d.out_shape())
}
