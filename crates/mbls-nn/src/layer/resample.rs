//! Layers with a given output size: adaptive pooling, bilinear and nearest-neighbour interpolation.

use crate::op::Backend;
use candle_core::{Module, Result, Tensor};

/// The maximum over `floor(o in / out) .. ceil((o + 1) in / out)` along every axis, as in PyTorch.
///
/// # Shapes
///
/// `[N, C, L]` or `[N, C, H, W]` to the same shape with `output` as spatial sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveMaxPool<const D: usize> {
    /// The spatial sizes of the result.
    pub output: [usize; D],
}

/// [`AdaptiveMaxPool`] over `[N, C, L]`.
pub type AdaptiveMaxPool1d = AdaptiveMaxPool<1>;
/// [`AdaptiveMaxPool`] over `[N, C, H, W]`.
pub type AdaptiveMaxPool2d = AdaptiveMaxPool<2>;

impl<const D: usize> AdaptiveMaxPool<D> {
    /// Returns the maxima and their positions within the plane, row-major (`u32`): PyTorch's
    /// `return_indices`.
    ///
    /// # Errors
    ///
    /// Fails if the input is empty or has another rank, or an output size is 0.
    pub fn forward_with_indices(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        Backend::of(x).adaptive_max_pool_with_indices(x, self.output)
    }
}

impl<const D: usize> Module for AdaptiveMaxPool<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.forward_with_indices(x)?.0)
    }
}

/// The mean over `floor(o in / out) .. ceil((o + 1) in / out)` along every axis, as in PyTorch.
///
/// # Shapes
///
/// Same as [`AdaptiveMaxPool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveAvgPool<const D: usize> {
    /// The spatial sizes of the result.
    pub output: [usize; D],
}

/// [`AdaptiveAvgPool`] over `[N, C, L]`.
pub type AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
/// [`AdaptiveAvgPool`] over `[N, C, H, W]`.
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;

impl<const D: usize> Module for AdaptiveAvgPool<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Backend::of(x).adaptive_avg_pool(x, self.output)
    }
}

/// Bilinear interpolation to any size, larger or smaller, as in PyTorch's
/// `interpolate(size=.., mode="bilinear")`.
///
/// With `align_corners` the centres of the corner pixels coincide, otherwise their outer edges do.
/// There is no antialiasing.
///
/// # Shapes
///
/// `[N, C, H, W]` to `[N, C, output[0], output[1]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bilinear2d {
    /// Height and width of the result.
    pub output: [usize; 2],
    /// Whether the centres of the corner pixels coincide, instead of their outer edges.
    pub align_corners: bool,
}

impl Module for Bilinear2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Backend::of(x).bilinear2d(x, self.output, self.align_corners)
    }
}

/// Nearest-neighbour interpolation to any size, larger or smaller, as in PyTorch's
/// `interpolate(size=.., mode="nearest")`.
///
/// Row `i` of the result is row `floor(i H / output[0])` of the input; columns are analogous. The
/// gradient of an entry is the sum over its copies.
///
/// # Shapes
///
/// `[N, C, H, W]` to `[N, C, output[0], output[1]]`.
///
/// ```
/// use candle_core::{Device, Module, Tensor};
///
/// let x = Tensor::new(&[1f32, 2.0], &Device::Cpu)?.reshape((1, 1, 1, 2))?;
/// let y = mbls_nn::Nearest2d { output: [2, 3] }.forward(&x)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [1.0, 1.0, 2.0, 1.0, 1.0, 2.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearest2d {
    /// Height and width of the result.
    pub output: [usize; 2],
}

impl Module for Nearest2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Backend::of(x).nearest2d(x, self.output)
    }
}
