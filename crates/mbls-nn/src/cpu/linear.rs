//! Affine map as products over fixed blocks of rows.

use super::kernel::matrix::{Matrix, multiply};
use super::kernel::sum;
use super::values::{Float, chunk, for_float, held, narrow, storage, stored};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::parallel::each_chunk;
use crate::shape::LinearDims;
use candle_core::{Result, Shape, Storage, Tensor};

/// Number of matrix rows that one task computes. It is fixed, so that the exact result does not
/// depend on the number of threads.
const ROWS: usize = 64;

pub(crate) fn linear(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    dims: LinearDims,
) -> Result<Tensor> {
    let op = Affine(dims);
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        Some(bias) => {
            let keep = Keep { inputs: [true, true, false], result: false };
            graph::apply(op, [&x, &weight, &bias.contiguous()?], keep)
        }
        None => graph::apply(op, [&x, &weight], Keep { inputs: [true, true], result: false }),
    }
}

struct Affine(LinearDims);

impl Affine {
    fn forward<T: Float>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let mut y = match bias {
            Some(bias) => bias.repeat(self.0.rows),
            None => vec![T::zero(); self.0.rows * self.0.outputs],
        };
        let weight = Matrix::new(weight, self.0.outputs, self.0.inputs).transpose();
        each_chunk(&mut y, ROWS * self.0.outputs, &|i, y| {
            let x = chunk(x, ROWS * self.0.inputs, i);
            multiply(
                y,
                Matrix::new(x, x.len() / self.0.inputs, self.0.inputs),
                weight,
                bias.is_some(),
            );
        });
        y
    }

    fn gradients(
        &self,
        x: &Tensor,
        weight: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        for_float!(x.dtype(), T => {
            let held_tensors = (x.storage_and_layout(), weight.storage_and_layout(), grad.storage_and_layout());
            let (xs, weights, grads) =
                (held::<T>(&held_tensors.0)?, held::<T>(&held_tensors.1)?, held::<T>(&held_tensors.2)?);
            let dx = if x.track_op() { Some(Tensor::from_vec(self.input_gradient(weights, grads), x.shape(), x.device())?) } else { None };
            let dw = if weight.track_op() { Some(Tensor::from_vec(self.weight_gradient(xs, grads), weight.shape(), x.device())?) } else { None };
            Ok((dx, dw))
        })
    }

    fn input_gradient<T: Float>(&self, weight: &[T], grad: &[T]) -> Vec<T> {
        let mut dx = vec![T::zero(); self.0.rows * self.0.inputs];
        let weight = Matrix::new(weight, self.0.outputs, self.0.inputs);
        each_chunk(&mut dx, ROWS * self.0.inputs, &|i, dx| {
            let grad = chunk(grad, ROWS * self.0.outputs, i);
            multiply(
                dx,
                Matrix::new(grad, grad.len() / self.0.outputs, self.0.outputs),
                weight,
                false,
            );
        });
        dx
    }

    fn weight_gradient<T: Float>(&self, x: &[T], grad: &[T]) -> Vec<T> {
        // Blocks of the result's rows: every sum over the batch stays within one product.
        let mut turned = vec![T::zero(); grad.len()];
        each_chunk(&mut turned, self.0.rows, &|o, line| {
            line.iter_mut()
                .zip(grad[o..].iter().step_by(self.0.outputs))
                .for_each(|(t, &g)| *t = g);
        });
        let mut dw = vec![T::zero(); self.0.outputs * self.0.inputs];
        let x = Matrix::new(x, self.0.rows, self.0.inputs);
        each_chunk(&mut dw, ROWS * self.0.inputs, &|i, dw| {
            let grad = chunk(&turned, ROWS * self.0.rows, i);
            multiply(dw, Matrix::new(grad, grad.len() / self.0.rows, self.0.rows), x, false);
        });
        dw
    }

    fn bias_gradient(&self, grad: &Tensor) -> Result<Tensor> {
        for_float!(grad.dtype(), T => {
            let grad_held = grad.storage_and_layout();
            let sums = sum::per_channel(held::<T>(&grad_held)?, self.0.outputs, 1);
            let values: Vec<T> = sums.into_iter().map(narrow::<T>).collect();
            Tensor::from_vec(values, self.0.outputs, grad.device())
        })
    }
}

impl Operation for Affine {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let y = for_float!(inputs[0].storage.dtype(), T => {
            let bias = inputs.get(2).map(stored::<T>).transpose()?;
            storage::<T>(self.forward::<T>(stored(&inputs[0])?, stored(&inputs[1])?, bias))
        });
        Ok((y, self.0.shape.clone()))
    }

    fn backward(&self, inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let grad = grad.contiguous()?;
        let (dx, dw) = self.gradients(inputs[0], inputs[1], &grad)?;
        let mut gradients = vec![dx, dw];
        if inputs.len() == 3 {
            gradients.push(Some(self.bias_gradient(&grad)?));
        }
        Ok(gradients)
    }
}
