//! Rectifier.

use super::values::{Float, dtype, for_float, held, storage, stored};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

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
            storage::<T>(gate(x, x))
        });
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        for_float!(y.dtype(), T => {
            let (y_held, grad_held) = (y.storage_and_layout(), grad.storage_and_layout());
            let values = gate(held::<T>(&y_held)?, held::<T>(&grad_held)?);
            Tensor::from_vec(values, y.shape(), y.device()).map(Some)
        })
    }
}

/// `values` where the switch is above 0 (or NaN), else 0.
fn gate<T: Float>(switch: &[T], values: &[T]) -> Vec<T> {
    let mut out = vec![T::zero(); values.len()];
    let chunks = out.par_chunks_mut(CHUNK).zip(switch.par_chunks(CHUNK)).zip(values.par_chunks(CHUNK));
    chunks.for_each(|((out, switch), values)| {
        for ((out, &s), &v) in out.iter_mut().zip(switch).zip(values) {
            *out = if s <= T::zero() { T::zero() } else { v };
        }
    });
    out
}
