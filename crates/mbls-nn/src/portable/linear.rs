//! Affine map.

use crate::shape::LinearDims;
use candle_core::{Result, Tensor};

pub(crate) fn linear(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    dims: LinearDims,
) -> Result<Tensor> {
    let y = x.contiguous()?.reshape((dims.rows, dims.inputs))?.matmul(&weight.t()?)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    y.reshape(dims.shape)
}
