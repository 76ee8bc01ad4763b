//! Pooling.

use super::Backend;
use super::backend::dispatch;
use crate::shape::{Planes, PoolSize, image_dims};
use candle_core::{Result, Tensor};

impl Backend {
    /// The maximum of each window; padding counts as minus infinity. Of equal values the first in
    /// row-major order gets the gradient; a NaN in the window yields NaN.
    ///
    /// # Shapes
    ///
    /// `x` `[N, C, L]` or `[N, C, H, W]`; the result the same with the pooled sizes.
    ///
    /// # Errors
    ///
    /// Where the window does not fit, the padding exceeds half of it, or the input is empty or of
    /// another rank.
    pub fn max_pool<const D: usize>(self, x: &Tensor, size: &PoolSize<D>) -> Result<Tensor> {
        let planes = Planes::sliding(x, size, "max pool")?;
        dispatch!(self, max_pool(x, planes))
    }

    /// As [`max_pool`](Self::max_pool), with the place of each maximum within its plane, row-major,
    /// as `u32`.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn max_pool_with_indices<const D: usize>(
        self,
        x: &Tensor,
        size: &PoolSize<D>,
    ) -> Result<(Tensor, Tensor)> {
        let planes = Planes::sliding(x, size, "max pool")?;
        dispatch!(self, max_pool_with_indices(x, planes))
    }

    /// The maximum over PyTorch's adaptive windows, and its place within the plane, row-major, as
    /// `u32`.
    ///
    /// # Shapes
    ///
    /// `x` `[N, C, L]` or `[N, C, H, W]`; both results the same with `output` as spatial sizes.
    ///
    /// # Errors
    ///
    /// Where the input is empty or of another rank, or an output size is 0.
    pub fn adaptive_max_pool_with_indices<const D: usize>(
        self,
        x: &Tensor,
        output: [usize; D],
    ) -> Result<(Tensor, Tensor)> {
        let planes = Planes::adaptive(x, output, "adaptive max pool")?;
        dispatch!(self, max_pool_with_indices(x, planes))
    }

    /// The mean of each window; the divisor counts padding or does not.
    ///
    /// # Shapes
    ///
    /// As [`max_pool`](Self::max_pool).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn avg_pool<const D: usize>(
        self,
        x: &Tensor,
        size: &PoolSize<D>,
        count_include_pad: bool,
    ) -> Result<Tensor> {
        let planes = Planes::sliding(x, size, "average pool")?.means(count_include_pad);
        dispatch!(self, resample(x, planes))
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
    pub fn adaptive_avg_pool<const D: usize>(
        self,
        x: &Tensor,
        output: [usize; D],
    ) -> Result<Tensor> {
        let planes = Planes::adaptive(x, output, "adaptive average pool")?.means(false);
        dispatch!(self, resample(x, planes))
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
    pub fn global_avg_pool2d(self, x: &Tensor) -> Result<Tensor> {
        image_dims(x, "global average pool")?;
        dispatch!(self, global_avg_pool2d(x))
    }
}
