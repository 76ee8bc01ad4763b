//! Convolution over time.

use super::Backend;
use crate::shape::{ChannelsLastDims, ConvEpilogue};
use candle_core::{Result, Tensor};

impl Backend {
    /// Cross-correlation over time of sequences with their channels last, and what follows it.
    ///
    /// # Shapes
    ///
    /// `x` `[N, L, C]`, `weight` `[O, C, k]`, `bias` `[O]`; the result `[N, L', O]`, after
    /// [`ConvEpilogue::ReluMax`] `[N, O]`.
    ///
    /// # Errors
    ///
    /// Where the shapes or types do not fit, the input is empty, or sequences are shorter than
    /// kernel and pool need.
    pub fn conv1d_channels_last(
        self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        epilogue: ConvEpilogue,
    ) -> Result<Tensor> {
        self.operations().conv1d_channels_last(x, weight, bias, ChannelsLastDims::new(x, weight, bias, epilogue)?)
    }
}
