//! Rows of a table by index.

use super::values::{Float, dtype, for_float, held, storage, stored};
use crate::layer::check_indices;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// As [`portable::embedding`](crate::portable::embedding).
///
/// # Shapes
///
/// `weight` `[V, D]`, `indices` `[..]` of `u32`; the result `[.., D]`.
///
/// # Errors
///
/// As there.
pub fn embedding(weight: &Tensor, indices: &Tensor, padding_idx: Option<u32>) -> Result<Tensor> {
    let values = check_indices(weight, indices)?;
    let mut shape = indices.dims().to_vec();
    shape.push(weight.dim(1)?);
    weight.contiguous()?.apply_op1(Rows { indices: values, padding_idx, shape })
}

struct Rows {
    indices: Vec<u32>,
    padding_idx: Option<u32>,
    shape: Vec<usize>,
}

impl Rows {
    fn forward<T: Float>(&self, weight: &[T], size: usize) -> Vec<T> {
        let mut y = Vec::with_capacity(self.indices.len() * size);
        self.indices.iter().for_each(|&i| y.extend_from_slice(&weight[i as usize * size..][..size]));
        y
    }

    /// In the order of the indices, so that equal ones add up the same way every time.
    fn backward<T: Float>(&self, grad: &[T], rows: usize, size: usize) -> Vec<T> {
        let mut dw = vec![T::zero(); rows * size];
        for (&i, grad) in self.indices.iter().zip(grad.chunks_exact(size)) {
            if Some(i) != self.padding_idx {
                dw[i as usize * size..][..size].iter_mut().zip(grad).for_each(|(dw, &g)| *dw += g);
            }
        }
        dw
    }
}

impl CustomOp1 for Rows {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn cpu_fwd(&self, weight: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, size) = layout.shape().dims2()?;
        let y = for_float!(dtype(weight), T => storage::<T>(self.forward::<T>(stored(weight, layout)?, size)));
        Ok((y, Shape::from(self.shape.clone())))
    }

    fn bwd(&self, weight: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let (rows, size) = weight.dims2()?;
        for_float!(weight.dtype(), T => {
            let grad_held = grad.storage_and_layout();
            let dw = self.backward(held::<T>(&grad_held)?, rows, size);
            Tensor::from_vec(dw, weight.shape(), weight.device()).map(Some)
        })
    }
}
