//! Affine map.

use super::channels::add_bias;
use crate::layer::linear_dims;
use crate::portable;
use candle_core::{Result, Tensor};

/// As [`portable::linear`](crate::portable::linear): cuBLAS's product, forward and backward, with bias and its gradient, a sum
/// over the rows, in `f32` or `f64`.
///
/// # Shapes
///
/// `x` `[.., in]`, `weight` `[out, in]`, `bias` `[out]`; the result `[.., out]`.
///
/// # Errors
///
/// Where the shapes do not fit or the input is empty.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (rows, _, outputs) = linear_dims(x, weight, bias)?;
    let y = portable::linear(x, weight, None)?;
    match bias {
        Some(bias) => add_bias(&y.reshape((rows, outputs))?, bias)?.reshape(y.shape()),
        None => Ok(y),
    }
}
