//! Pooling as a loop over the window's offsets.

use super::resample::resample;
use crate::axis::{Planes, Spans, output_shape};
use crate::layer::PoolSize;
use crate::window::image_dims;
use candle_core::{Result, Tensor};

/// The maximum of each window; padding counts as minus infinity. Of equal values the first in row-major order gets the
/// gradient; a NaN in the window yields NaN.
///
/// # Shapes
///
/// `x` `[N, C, L]` or `[N, C, H, W]`; the result the same with the pooled sizes.
///
/// # Errors
///
/// Where the window does not fit, the padding exceeds half of it, or the input is empty or of another rank.
pub fn max_pool<const D: usize>(x: &Tensor, size: &PoolSize<D>) -> Result<Tensor> {
    Ok(max_pool_with_indices(x, size)?.0)
}

/// As [`max_pool`], with the place of each maximum within its plane, row-major, as `u32`.
///
/// # Shapes
///
/// Both results as [`max_pool`]'s.
///
/// # Errors
///
/// As [`max_pool`].
pub fn max_pool_with_indices<const D: usize>(x: &Tensor, size: &PoolSize<D>) -> Result<(Tensor, Tensor)> {
    maxima(x, &Planes::sliding(x, size, "max pool")?)
}

/// The maximum over PyTorch's adaptive windows, and its place within the plane, row-major, as `u32`.
///
/// # Shapes
///
/// `x` `[N, C, L]` or `[N, C, H, W]`; both results the same with `output` as spatial sizes.
///
/// # Errors
///
/// Where the input is empty or of another rank, or an output size is 0.
pub fn adaptive_max_pool_with_indices<const D: usize>(x: &Tensor, output: [usize; D]) -> Result<(Tensor, Tensor)> {
    maxima(x, &Planes::adaptive(x, output, "adaptive max pool")?)
}

/// The mean of each window; the divisor counts padding or does not.
///
/// # Shapes
///
/// As [`max_pool`].
///
/// # Errors
///
/// As [`max_pool`].
pub fn avg_pool<const D: usize>(x: &Tensor, size: &PoolSize<D>, count_include_pad: bool) -> Result<Tensor> {
    resample(x, &Planes::sliding(x, size, "average pool")?.means(count_include_pad))
}

/// The mean over PyTorch's adaptive windows.
///
/// # Shapes
///
/// `x` `[N, C, L]` or `[N, C, H, W]`; the result the same with `output` as spatial sizes.
///
/// # Errors
///
/// Where the input is empty or of another rank, or an output size is 0.
pub fn adaptive_avg_pool<const D: usize>(x: &Tensor, output: [usize; D]) -> Result<Tensor> {
    resample(x, &Planes::adaptive(x, output, "adaptive average pool")?.means(false))
}

/// The mean over all positions.
///
/// # Shapes
///
/// `x` `[N, C, H, W]`; the result `[N, C]`.
///
/// # Errors
///
/// Where the input is empty or has other than four dimensions.
pub fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    image_dims(x, "global average pool")?;
    x.mean((2, 3))
}

fn maxima(x: &Tensor, p: &Planes<Spans>) -> Result<(Tensor, Tensor)> {
    let (n, c) = (x.dim(0)?, x.dim(1)?);
    let (rows, columns) = (p.rows.output(), p.columns.output());
    let planes = x.reshape((n, c, p.rows.input, p.columns.input))?;
    let mut best: Option<(Tensor, Tensor)> = None;
    // A shorter span sees its last entry again, which changes neither a first maximum nor a last NaN.
    for i in 0..p.rows.longest() {
        let row = p.rows.entry(i);
        let band = planes.index_select(&Tensor::new(row.as_slice(), x.device())?, 2)?;
        for j in 0..p.columns.longest() {
            let column = p.columns.entry(j);
            let new = band.index_select(&Tensor::new(column.as_slice(), x.device())?, 3)?;
            let at: Vec<u32> =
                row.iter().flat_map(|r| column.iter().map(move |c| r * p.columns.input as u32 + c)).collect();
            let at =
                Tensor::from_vec(at, (1, 1, rows, columns), x.device())?.broadcast_as(new.shape())?.contiguous()?;
            best = Some(match best {
                None => (new, at),
                Some((best, place)) => {
                    // At most one of the two is 1: nothing compares with NaN.
                    let better = (new.gt(&best)? + new.ne(&new)?)?;
                    (better.where_cond(&new, &best)?, better.where_cond(&at, &place)?)
                }
            });
        }
    }
    let (y, place) = best.ok_or_else(|| candle_core::Error::Msg("max pool: no window".into()))?;
    let shape = output_shape(x, rows, columns);
    Ok((y.reshape(shape.as_slice())?, place.reshape(shape)?))
}
