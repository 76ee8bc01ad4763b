//! Weighted sums of neighbours along both axes, plane by plane: average pooling, bilinear and
//! nearest-neighbour interpolation.

use super::values::{Float, chunk, for_float, held, storage, stored};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::parallel::each_chunk_with;
use crate::shape::{Planes, Taps, output_shape};
use candle_core::{Result, Shape, Storage, Tensor};

pub(crate) fn resample(x: &Tensor, planes: Planes<Taps>) -> Result<Tensor> {
    let shape = output_shape(x, planes.rows.output(), planes.columns.output());
    let op = Resample { planes, shape, input: x.shape().clone() };
    graph::apply(op, [&x.contiguous()?], Keep { inputs: [false], result: false })
}

struct Resample {
    planes: Planes<Taps>,
    shape: Vec<usize>,
    input: Shape,
}

/// The taps of one axis with weights of type `T`.
type Cast<T> = Vec<(usize, Vec<T>)>;

fn cast<T: Float>(axis: &Taps) -> Cast<T> {
    axis.taps
        .iter()
        .map(|(first, w)| (*first, w.iter().map(|&w| T::from_f64(w)).collect()))
        .collect()
}

impl Resample {
    fn forward<T: Float>(&self, x: &[T]) -> Vec<T> {
        let (rows, columns) = (cast::<T>(&self.planes.rows), cast::<T>(&self.planes.columns));
        let (height, width) = (self.planes.rows.input, self.planes.columns.input);
        let mut y = vec![T::zero(); self.shape.iter().product()];
        each_chunk_with(
            &mut y,
            rows.len() * columns.len(),
            &|| vec![T::zero(); height * columns.len()],
            &|narrow, i, y| {
                let x = chunk(x, height * width, i);
                for (out, x) in narrow.chunks_exact_mut(columns.len()).zip(x.chunks_exact(width)) {
                    for (out, (first, weights)) in out.iter_mut().zip(&columns) {
                        let mut sum = T::zero();
                        for (&x, &w) in x[*first..].iter().zip(weights) {
                            sum += x * w;
                        }
                        *out = sum;
                    }
                }
                for (y, (first, weights)) in y.chunks_exact_mut(columns.len()).zip(&rows) {
                    for (line, &w) in
                        narrow[first * columns.len()..].chunks_exact(columns.len()).zip(weights)
                    {
                        for (y, &v) in y.iter_mut().zip(line) {
                            *y += v * w;
                        }
                    }
                }
            },
        );
        y
    }

    /// The transpose of [`Self::forward`].
    fn backward<T: Float>(&self, grad: &[T]) -> Vec<T> {
        let (rows, columns) = (cast::<T>(&self.planes.rows), cast::<T>(&self.planes.columns));
        let (height, width) = (self.planes.rows.input, self.planes.columns.input);
        let positions = rows.len() * columns.len();
        let mut dx = vec![T::zero(); grad.len() / positions * height * width];
        each_chunk_with(
            &mut dx,
            height * width,
            &|| vec![T::zero(); height * columns.len()],
            &|narrow, i, dx| {
                let grad = chunk(grad, positions, i);
                narrow.fill(T::zero());
                for (g, (first, weights)) in grad.chunks_exact(columns.len()).zip(&rows) {
                    for (line, &w) in
                        narrow[first * columns.len()..].chunks_exact_mut(columns.len()).zip(weights)
                    {
                        for (v, &g) in line.iter_mut().zip(g) {
                            *v += g * w;
                        }
                    }
                }
                for (dx, line) in dx.chunks_exact_mut(width).zip(narrow.chunks_exact(columns.len()))
                {
                    for (&g, (first, weights)) in line.iter().zip(&columns) {
                        for (dx, &w) in dx[*first..].iter_mut().zip(weights) {
                            *dx += g * w;
                        }
                    }
                }
            },
        );
        dx
    }
}

impl Operation for Resample {
    fn name(&self) -> &'static str {
        "resample"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let y = for_float!(inputs[0].storage.dtype(), T => storage::<T>(self.forward::<T>(stored(&inputs[0])?)));
        Ok((y, Shape::from(self.shape.clone())))
    }

    fn backward(&self, _inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let grad = grad.contiguous()?;
        for_float!(grad.dtype(), T => {
            let grad_held = grad.storage_and_layout();
            Ok(vec![Some(Tensor::from_vec(self.backward(held::<T>(&grad_held)?), &self.input, grad.device())?)])
        })
    }
}
