//! Rectified linear unit.

use super::values::{Float, chunk, for_float, held, storage, stored, written};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use candle_core::{Result, Shape, Storage, Tensor};

/// Number of entries per task.
const CHUNK: usize = 1 << 15;

pub(crate) fn relu(x: &Tensor) -> Result<Tensor> {
    graph::apply(Relu, [&x.contiguous()?], Keep { inputs: [false], result: true })
}

struct Relu;

impl Operation for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let y = for_float!(inputs[0].storage.dtype(), T => {
            let x = stored::<T>(&inputs[0])?;
            storage::<T>(select(x, x))
        });
        Ok((y, inputs[0].layout.shape().clone()))
    }

    fn backward(&self, _inputs: &[&Tensor], y: &Tensor, grad: &Tensor) -> Result<Gradients> {
        Ok(vec![Some(gate(y, &grad.contiguous()?)?)])
    }
}

/// Returns the gradient through a ReLU with result `y`.
pub(super) fn gate(y: &Tensor, grad: &Tensor) -> Result<Tensor> {
    for_float!(y.dtype(), T => {
        let (y_held, grad_held) = (y.storage_and_layout(), grad.storage_and_layout());
        let values = select(held::<T>(&y_held)?, held::<T>(&grad_held)?);
        Tensor::from_vec(values, y.shape(), y.device())
    })
}

/// Returns `values` where `switch` is above 0 (or NaN), otherwise 0.
fn select<T: Float>(switch: &[T], values: &[T]) -> Vec<T> {
    written(values.len(), CHUNK, &|i, out| {
        for ((out, &s), &v) in
            out.iter_mut().zip(chunk(switch, CHUNK, i)).zip(chunk(values, CHUNK, i))
        {
            *out = if s <= T::zero() { T::zero() } else { v };
        }
    })
}
