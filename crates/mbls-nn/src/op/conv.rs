//! Convolution.

use super::Backend;
use super::backend::dispatch;
use crate::shape::{ConvConfig, ConvDims};
use candle_core::{Result, Tensor};

impl Backend {
    /// Computes the cross-correlation of images or sequences with kernels.
    ///
    /// For 3x3 kernels at stride 1 and many channels, the CPU uses Winograd's algorithm, which
    /// multiplies sums and differences of neighbouring inputs. An infinite or NaN input then makes
    /// not only the outputs that depend on it NaN, but also their neighbours within tiles of 2x2.
    ///
    /// # Shapes
    ///
    /// `x` `[N, C, H, W]`, `weight` `[O, C / groups, kh, kw]`, `bias` `[O]`; the result
    /// `[N, O, H', W']`. In one dimension `[N, C, L]`, `[O, C / groups, k]`, `[O]` and
    /// `[N, O, L']`.
    ///
    /// # Errors
    ///
    /// Fails if the shapes or types do not fit or the input is empty. On a CUDA device also fails
    /// if a tensor has more than 2^31 - 1 entries, or cuDNN has no deterministic algorithm for the
    /// sizes.
    pub fn conv<const D: usize>(
        self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        config: &ConvConfig<D>,
    ) -> Result<Tensor> {
        let dims = ConvDims::new(x, weight, bias, config)?;
        dispatch!(self, conv(x, weight, bias, dims))
    }
}
