//! The recurrence of gated recurrent units: each task processes several sequences over all time.

use super::kernel::matrix::{Matrix, multiply};
use super::kernel::time::add_column_sums;
use super::values::{Float, chunk, for_float, held, narrow, storage, stored};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::parallel::map_tasks_with;
use crate::shape::GruDims;
use candle_core::{Result, Shape, Storage, Tensor, bail};
use std::sync::{Arc, OnceLock};

/// Number of sequences per task. It is fixed, so that the exact result does not depend on the
/// number of threads.
const BLOCK: usize = 16;

pub(crate) fn gru(
    gates: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    padding: &[usize],
    backwards: bool,
    dims: GruDims,
) -> Result<Tensor> {
    let inputs = [&gates.contiguous()?, &weight.contiguous()?, &bias.contiguous()?];
    let tracked = graph::tracks(&inputs);
    let op =
        Recurrence { dims, padding: padding.to_vec(), backwards, tracked, gates: Arc::default() };
    graph::apply(op, inputs, Keep { inputs: [false, true, false], result: true })
}

struct Recurrence {
    dims: GruDims,
    padding: Vec<usize>,
    backwards: bool,
    /// Whether a backward pass may follow.
    tracked: bool,
    /// For each block: r, z, n and `W_h h + b_h` of n, `[L, sequences, 4 H]`, set by the forward
    /// pass.
    gates: Arc<OnceLock<Gates>>,
}

enum Gates {
    F32(Vec<Vec<f32>>),
    F64(Vec<Vec<f64>>),
}

/// Numbers with the activation functions of the gates.
trait Real: Float {
    fn sigmoid(self) -> Self;
    fn hyperbolic(self) -> Self;
    fn keep(gates: Vec<Vec<Self>>) -> Gates;
    fn kept(gates: &Gates) -> Option<&[Vec<Self>]>;
}

macro_rules! real {
    ($type:ident, $variant:ident) => {
        impl Real for $type {
            fn sigmoid(self) -> Self {
                1.0 / (1.0 + (-self).exp())
            }

            fn hyperbolic(self) -> Self {
                self.tanh()
            }

            fn keep(gates: Vec<Vec<Self>>) -> Gates {
                Gates::$variant(gates)
            }

            fn kept(gates: &Gates) -> Option<&[Vec<Self>]> {
                match gates {
                    Gates::$variant(gates) => Some(gates),
                    _ => None,
                }
            }
        }
    };
}

real!(f32, F32);
real!(f64, F64);

/// The gradients of the gates' input parts, the weight and the bias.
type Found<T> = (Vec<T>, Vec<T>, Vec<T>);

impl Recurrence {
    /// Returns the times in the order of the recurrence.
    fn times(&self) -> impl DoubleEndedIterator<Item = usize> + use<> {
        let (length, backwards) = (self.dims.length, self.backwards);
        (0..length).map(move |step| if backwards { length - 1 - step } else { step })
    }

    /// Returns the time before `t` in the order of the recurrence.
    fn before(&self, t: usize) -> Option<usize> {
        if self.backwards { (t + 1 < self.dims.length).then_some(t + 1) } else { t.checked_sub(1) }
    }

    fn forward<T: Real>(&self, gates: &[T], weight: &[T], bias: &[T]) -> (Vec<T>, Vec<Vec<T>>) {
        let GruDims { sequences, length, hidden } = self.dims;
        let weight = Matrix::new(weight, 3 * hidden, hidden).transpose();
        let mut y = vec![T::zero(); sequences * length * hidden];
        let blocks = y.chunks_mut(BLOCK * length * hidden).collect();
        let one = |(): &mut (), block: usize, y: &mut [T]| {
            let gates = chunk(gates, BLOCK * length * 3 * hidden, block);
            let padding = &self.padding[block * BLOCK..];
            let count = y.len() / (length * hidden);
            let mut state = vec![T::zero(); count * hidden];
            let mut product = vec![T::zero(); count * 3 * hidden];
            let mut kept =
                vec![T::zero(); if self.tracked { length * count * 4 * hidden } else { 0 }];
            for t in self.times() {
                product.chunks_exact_mut(3 * hidden).for_each(|row| row.copy_from_slice(bias));
                multiply(&mut product, Matrix::new(&state, count, hidden), weight, true);
                for (i, (state, c)) in
                    state.chunks_exact_mut(hidden).zip(product.chunks_exact(3 * hidden)).enumerate()
                {
                    if t < padding[i] {
                        state.fill(T::zero());
                        continue;
                    }
                    let a = &gates[(i * length + t) * 3 * hidden..][..3 * hidden];
                    for k in 0..hidden {
                        let r = (a[k] + c[k]).sigmoid();
                        let z = (a[hidden + k] + c[hidden + k]).sigmoid();
                        let n = (a[2 * hidden + k] + r * c[2 * hidden + k]).hyperbolic();
                        state[k] = n + z * (state[k] - n);
                        if self.tracked {
                            let kept = &mut kept[(t * count + i) * 4 * hidden..][..4 * hidden];
                            (kept[k], kept[hidden + k], kept[2 * hidden + k]) = (r, z, n);
                            kept[3 * hidden + k] = c[2 * hidden + k];
                        }
                    }
                    y[(i * length + t) * hidden..][..hidden].copy_from_slice(state);
                }
            }
            kept
        };
        let kept = map_tasks_with(blocks, &|| (), &one);
        (y, kept)
    }

    fn backward<T: Real>(&self, kept: &[Vec<T>], weight: &[T], y: &[T], grad: &[T]) -> Found<T> {
        let GruDims { sequences, length, hidden } = self.dims;
        let matrix = Matrix::new(weight, 3 * hidden, hidden);
        let mut da = vec![T::zero(); sequences * length * 3 * hidden];
        let size = BLOCK * length * hidden;
        let blocks = da.chunks_mut(3 * size).collect();
        let one = |(): &mut (), block: usize, da: &mut [T]| {
            let (y, grad, kept) = (chunk(y, size, block), chunk(grad, size, block), &kept[block]);
            let padding = &self.padding[block * BLOCK..];
            let count = y.len() / (length * hidden);
            // The gradients of the gates' state parts, and the previous states.
            let mut dc = vec![T::zero(); length * count * 3 * hidden];
            let mut states = vec![T::zero(); length * count * hidden];
            let mut carried = vec![T::zero(); count * hidden];
            for t in self.times().rev() {
                let dc = &mut dc[t * count * 3 * hidden..][..count * 3 * hidden];
                for i in 0..count {
                    let carried = &mut carried[i * hidden..][..hidden];
                    if t < padding[i] {
                        carried.fill(T::zero());
                        continue;
                    }
                    let state = &mut states[(t * count + i) * hidden..][..hidden];
                    if let Some(before) = self.before(t) {
                        state.copy_from_slice(&y[(i * length + before) * hidden..][..hidden]);
                    }
                    let grad = &grad[(i * length + t) * hidden..][..hidden];
                    let da = &mut da[(i * length + t) * 3 * hidden..][..3 * hidden];
                    let dc = &mut dc[i * 3 * hidden..][..3 * hidden];
                    let kept = &kept[(t * count + i) * 4 * hidden..][..4 * hidden];
                    for k in 0..hidden {
                        let (r, z, n, c) =
                            (kept[k], kept[hidden + k], kept[2 * hidden + k], kept[3 * hidden + k]);
                        let one = T::from_f64(1.0);
                        let dh = grad[k] + carried[k];
                        let dn = dh * (one - z) * (one - n * n);
                        let dz = dh * (state[k] - n) * z * (one - z);
                        let dr = dn * c * r * (one - r);
                        (da[k], da[hidden + k], da[2 * hidden + k]) = (dr, dz, dn);
                        (dc[k], dc[hidden + k], dc[2 * hidden + k]) = (dr, dz, dn * r);
                        carried[k] = dh * z;
                    }
                }
                multiply(&mut carried, Matrix::new(dc, count, 3 * hidden), matrix, true);
            }
            let rows = length * count;
            let mut dw = vec![T::zero(); weight.len()];
            let dc_t = Matrix::new(&dc, rows, 3 * hidden).transpose();
            multiply(&mut dw, dc_t, Matrix::new(&states, rows, hidden), false);
            let mut db = vec![0.0; 3 * hidden];
            add_column_sums(&dc, 3 * hidden, &mut db, &mut Vec::new());
            (dw, db)
        };
        let sums = map_tasks_with(blocks, &|| (), &one);
        let (mut dw, mut db) = (vec![T::zero(); weight.len()], vec![0.0; 3 * hidden]);
        for (weight, bias) in &sums {
            dw.iter_mut().zip(weight).for_each(|(sum, &term)| *sum += term);
            db.iter_mut().zip(bias).for_each(|(sum, &term)| *sum += term);
        }
        (da, dw, db.into_iter().map(narrow::<T>).collect())
    }
}

impl Operation for Recurrence {
    fn name(&self) -> &'static str {
        "GRU"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let GruDims { sequences, length, hidden } = self.dims;
        let y = for_float!(inputs[0].storage.dtype(), T => {
            let (y, gates) = self.forward::<T>(stored(&inputs[0])?, stored(&inputs[1])?, stored(&inputs[2])?);
            // An operation runs forward once.
            self.gates.get_or_init(|| T::keep(gates));
            storage::<T>(y)
        });
        Ok((y, Shape::from((sequences, length, hidden))))
    }

    fn backward(&self, inputs: &[&Tensor], result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (weight, grad) = (inputs[1], grad.contiguous()?);
        let GruDims { sequences, length, hidden } = self.dims;
        for_float!(weight.dtype(), T => {
            let Some(kept) = self.gates.get().and_then(T::kept) else {
                bail!("GRU: the gates are not known before the forward pass");
            };
            let held_tensors = [weight, result, &grad].map(Tensor::storage_and_layout);
            let [weights, y, grads] = held_tensors.each_ref().map(held::<T>);
            let (da, dw, db) = self.backward(kept, weights?, y?, grads?);
            let device = weight.device();
            Ok(vec![
                Some(Tensor::from_vec(da, (sequences, length, 3 * hidden), device)?),
                Some(Tensor::from_vec(dw, weight.shape(), device)?),
                Some(Tensor::from_vec(db, 3 * hidden, device)?),
            ])
        })
    }
}
