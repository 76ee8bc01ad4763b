//! Rectifier.

use super::values::{Float, chunk, dtype, for_float, held, storage, stored, written};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// Entries per task.
const CHUNK: usize = 1 << 15;

/// `max(x, 0)` with derivative 0 at 0; NaN stays NaN.
///
/// # Errors
///
/// Where the type is neither `f32` nor `f64`.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Relu)
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = for_float!(dtype(x), T => {
            let x = stored::<T>(x, layout)?;
            storage::<T>(select(x, x))
        });
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        gate(y, &grad.contiguous()?).map(Some)
    }
}

/// The gradient through a rectifier with result `y`.
pub(super) fn gate(y: &Tensor, grad: &Tensor) -> Result<Tensor> {
    for_float!(y.dtype(), T => {
        let (y_held, grad_held) = (y.storage_and_layout(), grad.storage_and_layout());
        let values = select(held::<T>(&y_held)?, held::<T>(&grad_held)?);
        Tensor::from_vec(values, y.shape(), y.device())
    })
}

/// `values` where the switch is above 0 (or NaN), else 0.
fn select<T: Float>(switch: &[T], values: &[T]) -> Vec<T> {
    written(values.len(), CHUNK, |i, out| {
        for ((out, &s), &v) in out.iter_mut().zip(chunk(switch, CHUNK, i)).zip(chunk(values, CHUNK, i)) {
            *out = if s <= T::zero() { T::zero() } else { v };
        }
    })
}
