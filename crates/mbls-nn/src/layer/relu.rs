//! Rectified linear unit.

use crate::op::Backend;
use candle_core::{Module, Result, Tensor};

/// ReLU, `max(x, 0)` with derivative 0 at 0, as in PyTorch; NaN stays NaN.
///
/// ```
/// use candle_core::{Device, Module, Tensor};
///
/// let y = mbls_nn::Relu.forward(&Tensor::new(&[-1f32, 0.0, 2.0], &Device::Cpu)?)?;
/// assert_eq!(y.to_vec1::<f32>()?, [0.0, 0.0, 2.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relu;

impl Module for Relu {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Backend::of(x).relu(x)
    }
}
