//! Convolution over time.

use super::Backend;
use crate::shape::{AfterTimeConv, TimeConvDims};
use candle_core::{Result, Tensor};

impl Backend {
    /// Cross-correlation over time of sequences with their channels last, and what follows it.
    ///
    /// # Shapes
    ///
    /// `x` `[N, L, C]`, `weight` `[O, C, k]`, `bias` `[O]`; the result `[N, L', O]`, after [`AfterTimeConv::ReluMax`] `[N, O]`.
    ///
    /// # Errors
    ///
    /// Where the shapes or types do not fit, the input is empty, or sequences are shorter than kernel and pool need.
    pub fn time_conv(self, x: &Tensor, weight: &Tensor, bias: &Tensor, then: AfterTimeConv) -> Result<Tensor> {
        self.operations().time_conv(x, weight, bias, TimeConvDims::new(x, weight, bias, then)?)
    }
}
