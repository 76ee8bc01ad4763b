//! Table look-up by index.

use super::values::{Float, for_float, held, storage, stored};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::shape::Lookup;
use candle_core::{Result, Shape, Storage, Tensor};

pub(crate) fn embedding(weight: &Tensor, lookup: Lookup) -> Result<Tensor> {
    graph::apply(Rows(lookup), [&weight.contiguous()?], Keep { inputs: [true], result: false })
}

struct Rows(Lookup);

impl Rows {
    fn forward<T: Float>(&self, weight: &[T], size: usize) -> Vec<T> {
        let mut y = Vec::with_capacity(self.0.indices.len() * size);
        self.0
            .indices
            .iter()
            .for_each(|&i| y.extend_from_slice(&weight[i as usize * size..][..size]));
        y
    }

    /// Adds in the order of the indices, so that gradients of equal indices always add up in the
    /// same order.
    fn backward<T: Float>(&self, grad: &[T], rows: usize, size: usize) -> Vec<T> {
        let mut dw = vec![T::zero(); rows * size];
        for (&i, grad) in self.0.indices.iter().zip(grad.chunks_exact(size)) {
            if Some(i) != self.0.padding_idx {
                dw[i as usize * size..][..size].iter_mut().zip(grad).for_each(|(dw, &g)| *dw += g);
            }
        }
        dw
    }
}

impl Operation for Rows {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let (_, size) = inputs[0].layout.shape().dims2()?;
        let y = for_float!(inputs[0].storage.dtype(), T => storage::<T>(self.forward::<T>(stored(&inputs[0])?, size)));
        Ok((y, Shape::from(self.0.shape.clone())))
    }

    fn backward(&self, inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (weight, grad) = (inputs[0], grad.contiguous()?);
        let (rows, size) = weight.dims2()?;
        for_float!(weight.dtype(), T => {
            let grad_held = grad.storage_and_layout();
            let dw = self.backward(held::<T>(&grad_held)?, rows, size);
            Ok(vec![Some(Tensor::from_vec(dw, weight.shape(), weight.device())?)])
        })
    }
}
