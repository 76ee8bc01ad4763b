//! Tensors from numbers in host memory.

use candle_core::{Device, Result, Shape, Tensor};

/// Returns `values` in the element type and on the device of `like`. They are converted on the CPU,
/// because not every device has f64.
pub(in crate::loss) fn from_host(
    values: &[f64],
    shape: impl Into<Shape>,
    like: &Tensor,
) -> Result<Tensor> {
    Tensor::from_slice(values, shape.into(), &Device::Cpu)?
        .to_dtype(like.dtype())?
        .to_device(like.device())
}

/// Returns `value` in the shape, in the element type and on the device of `like`.
pub(in crate::loss) fn constant(value: f64, like: &Tensor) -> Result<Tensor> {
    from_host(&[value], (), like)?.broadcast_as(like.shape())
}
