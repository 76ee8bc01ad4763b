//! Pooling as a loop over the window's offsets.

use crate::layer::{PoolDims, PoolSize};
use crate::window::image_dims;
use candle_core::{Result, Tensor};

/// The maximum of each window; padding counts as minus infinity. Of equal values the first in row-major order gets the
/// gradient; a NaN in the window yields NaN.
///
/// # Shapes
///
/// `x` `[N, C, H, W]`; the result `[N, C, H', W']`.
///
/// # Errors
///
/// Where the window does not fit, the padding exceeds half of it, or the input is empty.
pub fn max_pool2d(x: &Tensor, size: PoolSize) -> Result<Tensor> {
    let d = PoolDims::new(x, size, "max pool")?;
    let x = pad(x, 2, size.padding, f64::NEG_INFINITY)?;
    let x = pad(&x, 3, size.padding, f64::NEG_INFINITY)?.contiguous()?;
    let mut best: Option<Tensor> = None;
    for i in 0..size.kernel {
        for j in 0..size.kernel {
            let new = at_offset(&x, &d, i, j)?;
            best = Some(match best {
                None => new,
                // At most one of the two is 1: nothing compares with NaN.
                Some(best) => (new.gt(&best)? + new.ne(&new)?)?.where_cond(&new, &best)?,
            });
        }
    }
    best.ok_or_else(|| candle_core::Error::Msg("max pool: kernel = 0, expected at least 1".into()))
}

/// The mean of each window, `kernel^2` being the divisor at the border too: padding counts as 0, as in PyTorch.
///
/// # Shapes
///
/// `x` `[N, C, H, W]`; the result `[N, C, H', W']`.
///
/// # Errors
///
/// Where the window does not fit, the padding exceeds half of it, or the input is empty.
pub fn avg_pool2d(x: &Tensor, size: PoolSize) -> Result<Tensor> {
    let d = PoolDims::new(x, size, "average pool")?;
    let x = x.pad_with_zeros(2, size.padding, size.padding)?.pad_with_zeros(3, size.padding, size.padding)?;
    let x = x.contiguous()?;
    let mut sum = at_offset(&x, &d, 0, 0)?;
    for offset in 1..size.kernel * size.kernel {
        sum = (sum + at_offset(&x, &d, offset / size.kernel, offset % size.kernel)?)?;
    }
    sum / (size.kernel * size.kernel) as f64
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

/// What offset `(i, j)` of every window sees.
fn at_offset(padded: &Tensor, d: &PoolDims, i: usize, j: usize) -> Result<Tensor> {
    let pick = |count: usize, offset: usize| {
        let index: Vec<u32> = (0..count).map(|o| (o * d.window.stride + offset) as u32).collect();
        Tensor::new(index, padded.device())
    };
    padded.index_select(&pick(d.out_height, i)?, 2)?.index_select(&pick(d.out_width, j)?, 3)
}

fn pad(x: &Tensor, dim: usize, padding: usize, value: f64) -> Result<Tensor> {
    if padding == 0 {
        return Ok(x.clone());
    }
    let mut shape = x.dims().to_vec();
    shape[dim] = padding;
    let border = Tensor::full(value as f32, shape, x.device())?.to_dtype(x.dtype())?;
    Tensor::cat(&[&border, x, &border], dim)
}
