//! Pooling.

use super::Backend;
use super::backend::dispatch;
use crate::shape::{Planes, PoolSize, image_dims};
use candle_core::{Result, Tensor};

impl Backend {
    /// Computes the maximum of each window; padding counts as minus infinity. Of ties, the first in
    /// row-major order gets the gradient; a NaN in the window yields NaN.
    ///
    /// # Shapes
    ///
    /// `x` `[N, C, L]` or `[N, C, H, W]`; the result has the same shape with the pooled sizes.
    ///
    /// # Errors
    ///
    /// Fails if the window does not fit, the padding exceeds half of it, or the input is empty or
    /// has another rank.
    pub fn max_pool<const D: usize>(self, x: &Tensor, size: &PoolSize<D>) -> Result<Tensor> {
        let planes = Planes::sliding(x, size, "max pool")?;
        dispatch!(self, max_pool(x, planes))
    }

    /// Same as [`max_pool`](Self::max_pool), with the position of each maximum within its plane,
    /// row-major, as `u32`.
    ///
    /// # Errors
    ///
    /// Same as [`max_pool`](Self::max_pool).
    pub fn max_pool_with_indices<const D: usize>(
        self,
        x: &Tensor,
        size: &PoolSize<D>,
    ) -> Result<(Tensor, Tensor)> {
        let planes = Planes::sliding(x, size, "max pool")?;
        dispatch!(self, max_pool_with_indices(x, planes))
    }

    /// Computes the maximum over PyTorch's adaptive windows, and its position within the plane,
    /// row-major, as `u32`.
    ///
    /// # Shapes
    ///
    /// `x` `[N, C, L]` or `[N, C, H, W]`; both results have the same shape with `output` as spatial
    /// sizes.
    ///
    /// # Errors
    ///
    /// Fails if the input is empty or has another rank, or an output size is 0.
    pub fn adaptive_max_pool_with_indices<const D: usize>(
        self,
        x: &Tensor,
        output: [usize; D],
    ) -> Result<(Tensor, Tensor)> {
        let planes = Planes::adaptive(x, output, "adaptive max pool")?;
        dispatch!(self, max_pool_with_indices(x, planes))
    }

    /// Computes the mean of each window. `count_include_pad` says whether the divisor counts
    /// padding.
    ///
    /// # Shapes
    ///
    /// Same as [`max_pool`](Self::max_pool).
    ///
    /// # Errors
    ///
    /// Same as [`max_pool`](Self::max_pool).
    pub fn avg_pool<const D: usize>(
        self,
        x: &Tensor,
        size: &PoolSize<D>,
        count_include_pad: bool,
    ) -> Result<Tensor> {
        let planes = Planes::sliding(x, size, "average pool")?.means(count_include_pad);
        dispatch!(self, resample(x, planes))
    }

    /// Computes the mean over PyTorch's adaptive windows.
    ///
    /// # Shapes
    ///
    /// `x` `[N, C, L]` or `[N, C, H, W]`; the result has the same shape with `output` as spatial
    /// sizes.
    ///
    /// # Errors
    ///
    /// Fails if the input is empty or has another rank, or an output size is 0.
    pub fn adaptive_avg_pool<const D: usize>(
        self,
        x: &Tensor,
        output: [usize; D],
    ) -> Result<Tensor> {
        let planes = Planes::adaptive(x, output, "adaptive average pool")?.means(false);
        dispatch!(self, resample(x, planes))
    }

    /// Computes the mean over all positions.
    ///
    /// # Shapes
    ///
    /// `x` `[N, C, H, W]`; the result `[N, C]`.
    ///
    /// # Errors
    ///
    /// Fails if the input is empty or does not have four dimensions.
    pub fn global_avg_pool2d(self, x: &Tensor) -> Result<Tensor> {
        image_dims(x, "global average pool")?;
        dispatch!(self, global_avg_pool2d(x))
    }
}
