//! Affine map.

use super::Backend;
use super::backend::dispatch;
use crate::shape::LinearDims;
use candle_core::{Result, Tensor};

impl Backend {
    /// Computes `y = x W^T + b`.
    ///
    /// # Shapes
    ///
    /// `x` `[.., in]`, `weight` `[out, in]`, `bias` `[out]`; the result `[.., out]`.
    ///
    /// # Errors
    ///
    /// Fails if the shapes or types do not fit or the input is empty.
    pub fn linear(self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let dims = LinearDims::new(x, weight, bias)?;
        dispatch!(self, linear(x, weight, bias, dims))
    }
}
