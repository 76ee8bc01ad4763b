//! Affine map.

use crate::layer::linear_dims;
use candle_core::{Result, Tensor};

/// `y = x W^T + b`.
///
/// # Shapes
///
/// `x` `[.., in]`, `weight` `[out, in]`, `bias` `[out]`; the result `[.., out]`.
///
/// # Errors
///
/// Where the shapes do not fit or the input is empty.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (rows, inputs, outputs) = linear_dims(x, weight, bias)?;
    let y = x.contiguous()?.reshape((rows, inputs))?.matmul(&weight.t()?)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }
    y.reshape(shape)
}
