//! Pooling.

use super::dispatch;
use crate::window::{Window, image_dims};
use candle_core::{Module, Result, Tensor, bail};

/// The square window of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSize {
    /// Side of the window.
    pub kernel: usize,
    /// Distance between two windows.
    pub stride: usize,
    /// Entries added on every side, at most half of `kernel`.
    pub padding: usize,
}

/// The maximum of each window; padding counts as minus infinity. Of equal values the first in row-major order gets the
/// gradient.
///
/// # Shapes
///
/// `[N, C, H, W]` to `[N, C, H', W']` with `H' = (H + 2 padding - kernel) / stride + 1`.
///
/// ```
/// use candle_core::{Device, Module, Tensor};
/// use mbls_nn::MaxPool2d;
///
/// let x = Tensor::arange(0f32, 16.0, &Device::Cpu)?.reshape((1, 1, 4, 4))?;
/// let y = MaxPool2d { kernel: 2, stride: 2, padding: 0 }.forward(&x)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [5.0, 7.0, 13.0, 15.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2d {
    /// Side of the window.
    pub kernel: usize,
    /// Distance between two windows.
    pub stride: usize,
    /// Entries added on every side, at most half of `kernel`.
    pub padding: usize,
}

impl Module for MaxPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let &Self { kernel, stride, padding } = self;
        dispatch::max_pool2d(x, PoolSize { kernel, stride, padding })
    }
}

/// The mean of each window; padding counts as zeros, which the divisor includes, as in PyTorch.
///
/// # Shapes
///
/// As [`MaxPool2d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool2d {
    /// Side of the window.
    pub kernel: usize,
    /// Distance between two windows.
    pub stride: usize,
    /// Entries added on every side, at most half of `kernel`.
    pub padding: usize,
}

impl Module for AvgPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let &Self { kernel, stride, padding } = self;
        dispatch::avg_pool2d(x, PoolSize { kernel, stride, padding })
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
        dispatch::global_avg_pool2d(x)
    }
}

/// The sizes of a pool that fits its input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolDims {
    /// Images times channels.
    pub(crate) planes: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) out_height: usize,
    pub(crate) out_width: usize,
    pub(crate) window: Window,
    /// The result's shape.
    pub(crate) shape: [usize; 4],
}

impl PoolDims {
    pub(crate) fn new(x: &Tensor, size: PoolSize, what: &str) -> Result<Self> {
        let (n, c, height, width) = image_dims(x, what)?;
        let PoolSize { kernel, stride, padding } = size;
        // A larger padding would make windows that see no input at all.
        if padding > kernel / 2 {
            bail!("{what}: padding = {padding}, expected at most half of the kernel of {kernel}");
        }
        let window = Window { kernel, stride, padding, dilation: 1 };
        let out_height = window.output(height, what)?;
        let out_width = window.output(width, what)?;
        let shape = [n, c, out_height, out_width];
        Ok(Self { planes: n * c, height, width, out_height, out_width, window, shape })
    }
}
