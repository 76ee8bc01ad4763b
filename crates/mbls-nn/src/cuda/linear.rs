//! Affine map.

use super::channels::add_bias;
use crate::portable;
use crate::shape::LinearDims;
use candle_core::{Result, Tensor};

/// Uses cuBLAS for the product, forward and backward, with bias and its gradient, a sum over the
/// rows, in `f32` or `f64`.
pub(crate) fn linear(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    dims: LinearDims,
) -> Result<Tensor> {
    let (rows, outputs) = (dims.rows, dims.outputs);
    let y = portable::linear(x, weight, None, dims)?;
    match bias {
        Some(bias) => add_bias(&y.reshape((rows, outputs))?, bias)?.reshape(y.shape()),
        None => Ok(y),
    }
}
