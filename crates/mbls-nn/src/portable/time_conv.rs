//! Convolution over time, composed of that over sequences with their channels first.

use crate::layer::{AfterTimeConv, Conv1dConfig, PoolSize, TimeConvDims};
use candle_core::{D, Result, Tensor};

/// Cross-correlation over time of sequences with their channels last, and what follows it, as
/// [`cpu::time_conv`](crate::cpu::time_conv).
///
/// # Shapes
///
/// `x` `[N, L, C]`, `weight` `[O, C, k]`, `bias` `[O]`; the result `[N, L', O]`, after [`AfterTimeConv::ReluMax`] `[N, O]`.
///
/// # Errors
///
/// Where the shapes or types do not fit, the input is empty, or sequences are shorter than kernel and pool need.
pub fn time_conv(x: &Tensor, weight: &Tensor, bias: &Tensor, then: AfterTimeConv) -> Result<Tensor> {
    let conv = super::conv::<1>;
    compose(x, weight, bias, then, &Forms { conv, relu: super::relu, max_pool: super::max_pool::<1> })
}

/// The operations of one device.
#[allow(clippy::type_complexity, reason = "each type is used once")]
pub(crate) struct Forms {
    pub(crate) conv: fn(&Tensor, &Tensor, Option<&Tensor>, &Conv1dConfig) -> Result<Tensor>,
    pub(crate) relu: fn(&Tensor) -> Result<Tensor>,
    pub(crate) max_pool: fn(&Tensor, &PoolSize<1>) -> Result<Tensor>,
}

/// As [`time_conv`], of the operations of the caller's device.
pub(crate) fn compose(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    then: AfterTimeConv,
    forms: &Forms,
) -> Result<Tensor> {
    let dims = TimeConvDims::new(x, weight, bias, then)?;
    let turned = x.transpose(1, 2)?.contiguous()?;
    let y = (forms.conv)(&turned, weight, Some(bias), &Conv1dConfig::default())?;
    let kernel = match then {
        AfterTimeConv::Nothing | AfterTimeConv::Relu => 1,
        AfterTimeConv::ReluMaxPool(kernel) => kernel,
        AfterTimeConv::ReluMax => dims.positions,
    };
    let y = if then == AfterTimeConv::Nothing { y } else { (forms.relu)(&y)? };
    let y = if kernel == 1 { y } else { (forms.max_pool)(&y, &PoolSize::new(kernel, 1, 0))? };
    match then {
        AfterTimeConv::ReluMax => y.squeeze(D::Minus1),
        _ => y.transpose(1, 2)?.contiguous(),
    }
}
