//! Pooling over sliding windows.

use crate::op::Backend;
use crate::shape::PoolSize;
use candle_core::{Module, Result, Tensor};

/// The maximum of each window; padding counts as minus infinity. Of ties, the first in row-major
/// order gets the gradient.
///
/// # Shapes
///
/// `[N, C, L]` to `[N, C, L']`, or `[N, C, H, W]` to `[N, C, H', W']`, with `H' = (H + 2 padding -
/// kernel) / stride + 1` rounded down, or up with `ceil_mode`.
///
/// ```
/// use candle_core::{Device, Module, Tensor};
/// use mbls_nn::MaxPool2d;
///
/// let x = Tensor::arange(0f32, 16.0, &Device::Cpu)?.reshape((1, 1, 4, 4))?;
/// let y = MaxPool2d::new(2, 2, 0).forward(&x)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [5.0, 7.0, 13.0, 15.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool<const D: usize> {
    /// The window.
    pub size: PoolSize<D>,
}

/// [`MaxPool`] over `[N, C, L]`.
pub type MaxPool1d = MaxPool<1>;
/// [`MaxPool`] over `[N, C, H, W]`.
pub type MaxPool2d = MaxPool<2>;

impl<const D: usize> MaxPool<D> {
    /// Creates a pool with the same window along every axis.
    pub const fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { size: PoolSize::new(kernel, stride, padding) }
    }

    /// Returns the maxima and their positions within the plane, row-major (`u32`): PyTorch's
    /// `return_indices`.
    ///
    /// # Errors
    ///
    /// Fails if the window does not fit, the padding exceeds half of it, or the input is empty or
    /// has another rank.
    pub fn forward_with_indices(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        Backend::of(x).max_pool_with_indices(x, &self.size)
    }
}

impl<const D: usize> Module for MaxPool<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Backend::of(x).max_pool(x, &self.size)
    }
}

/// The mean of each window, as in PyTorch. Padding counts as zeros, which the divisor includes
/// unless `count_include_pad` is off. The part of a `ceil_mode` window beyond the padding never
/// counts.
///
/// # Shapes
///
/// Same as [`MaxPool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool<const D: usize> {
    /// The window.
    pub size: PoolSize<D>,
    /// Whether the divisor counts padding.
    pub count_include_pad: bool,
}

/// [`AvgPool`] over `[N, C, L]`.
pub type AvgPool1d = AvgPool<1>;
/// [`AvgPool`] over `[N, C, H, W]`.
pub type AvgPool2d = AvgPool<2>;

impl<const D: usize> AvgPool<D> {
    /// Creates a pool with the same window along every axis; the divisor counts padding.
    pub const fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { size: PoolSize::new(kernel, stride, padding), count_include_pad: true }
    }
}

impl<const D: usize> Module for AvgPool<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Backend::of(x).avg_pool(x, &self.size, self.count_include_pad)
    }
}

/// The mean over all positions.
///
/// # Shapes
///
/// `[N, C, H, W]` to `[N, C]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalAvgPool2d;

impl Module for GlobalAvgPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Backend::of(x).global_avg_pool2d(x)
    }
}
