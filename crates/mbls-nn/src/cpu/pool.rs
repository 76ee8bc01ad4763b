//! Pooling, plane by plane.

use super::kernel::sum;
use super::values::{Float, chunk, for_float, held, storage, stored};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::parallel::{each_chunk, each_pair_with};
use crate::shape::{Planes, Spans, output_shape};
use candle_core::{Result, Shape, Storage, Tensor, bail};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

pub(crate) fn max_pool(x: &Tensor, planes: Planes<Spans>) -> Result<Tensor> {
    Ok(maxima(x, planes)?.0)
}

pub(crate) fn max_pool_with_indices(x: &Tensor, planes: Planes<Spans>) -> Result<(Tensor, Tensor)> {
    with_indices(maxima(x, planes)?)
}

pub(crate) fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    graph::apply(
        GlobalMean { shape: [n, c], plane: h * w, input: x.shape().clone() },
        [&x.contiguous()?],
        KEEP,
    )
}

/// Number of planes whose means are computed by one task.
const PLANES: usize = 64;

/// Neither inputs nor results are read again.
const KEEP: Keep<1> = Keep { inputs: [false], result: false };

/// The positions of the maxima, which the forward pass sets and the backward pass reads.
type Places = Arc<OnceLock<Vec<u32>>>;

fn maxima(x: &Tensor, planes: Planes<Spans>) -> Result<(Tensor, Places)> {
    let shape = output_shape(x, planes.rows.output(), planes.columns.output());
    let places = Places::default();
    let op = Maxima { planes, shape, places: places.clone(), input: x.shape().clone() };
    Ok((graph::apply(op, [&x.contiguous()?], KEEP)?, places))
}

fn with_indices((y, places): (Tensor, Places)) -> Result<(Tensor, Tensor)> {
    let indices = Tensor::from_slice(filled(&places)?, y.shape(), y.device())?;
    Ok((y, indices))
}

fn filled(places: &Places) -> Result<&[u32]> {
    match places.get() {
        Some(places) => Ok(places),
        None => bail!("max pool: the places of the maxima are not known before the forward pass"),
    }
}

struct Maxima {
    planes: Planes<Spans>,
    shape: Vec<usize>,
    places: Places,
    input: Shape,
}

/// Returns whether `new` replaces `best`: the first maximum is kept, the last NaN wins, as in
/// PyTorch.
#[allow(clippy::eq_op, reason = "a NaN alone differs from itself")]
fn better<T: Float>(new: T, best: T) -> bool {
    (new > best) | (new != new)
}

/// Computes the maxima of a row's spans, and their positions counted from `base`.
fn row_maxima<T: Float>(x: &[T], axis: &Spans, base: u32, best: &mut [T], places: &mut [u32]) {
    let inner = match axis.stride {
        1 | 2 => axis.interior.clone(),
        _ => 0..0,
    };
    let mut one = |o: usize| {
        let span = axis.spans[o].clone();
        let (mut top, mut at) = (x[span.start], span.start);
        for (k, &v) in x[span.clone()].iter().enumerate().skip(1) {
            if better(v, top) {
                (top, at) = (v, span.start + k);
            }
        }
        (best[o], places[o]) = (top, base + at as u32);
    };
    (0..inner.start).chain(inner.end..axis.spans.len()).for_each(&mut one);
    if !inner.is_empty() {
        let (best, places) = (&mut best[inner.clone()], &mut places[inner.clone()]);
        match axis.stride {
            1 => regular_maxima::<T, 1>(x, axis.spans[inner.start].clone(), base, best, places),
            _ => regular_maxima::<T, 2>(x, axis.spans[inner.start].clone(), base, best, places),
        }
    }
}

/// Same as [`row_maxima`], for windows `S` apart, the first being `span`: one sweep per offset,
/// which the compiler vectorises.
fn regular_maxima<T: Float, const S: usize>(
    x: &[T],
    span: Range<usize>,
    base: u32,
    best: &mut [T],
    places: &mut [u32],
) {
    for at in span.clone() {
        let (mut place, first) = (base + at as u32, at == span.start);
        for ((best, index), x) in best.iter_mut().zip(places.iter_mut()).zip(x[at..].chunks(S)) {
            let take = first | better(x[0], *best);
            *best = if take { x[0] } else { *best };
            *index = if take { place } else { *index };
            place = place.wrapping_add(S as u32);
        }
    }
}

impl Maxima {
    fn forward<T: Float>(&self, x: &[T]) -> (Vec<T>, Vec<u32>) {
        let (rows, columns) = (&self.planes.rows, &self.planes.columns);
        let (height, width, out) = (rows.input, columns.input, columns.output());
        let count = self.shape.iter().product();
        let (mut y, mut places) = (vec![T::zero(); count], vec![0u32; count]);
        let plane = rows.output() * out;
        each_pair_with(
            (&mut y, plane),
            (&mut places, plane),
            &|| (vec![T::zero(); height * out], vec![0u32; height * out]),
            &|(best, at), i, y, places| {
                let x = chunk(x, height * width, i);
                if height == 1 && rows.output() == 1 {
                    return row_maxima(x, columns, 0, y, places);
                }
                for (i, x) in x.chunks_exact(width).enumerate() {
                    let line = i * out..(i + 1) * out;
                    row_maxima(
                        x,
                        columns,
                        (i * width) as u32,
                        &mut best[line.clone()],
                        &mut at[line],
                    );
                }
                let lines =
                    y.chunks_exact_mut(out).zip(places.chunks_exact_mut(out)).zip(&rows.spans);
                for ((y, places), span) in lines {
                    y.copy_from_slice(&best[span.start * out..][..out]);
                    places.copy_from_slice(&at[span.start * out..][..out]);
                    for i in span.start + 1..span.end {
                        let (best, at) = (&best[i * out..][..out], &at[i * out..][..out]);
                        for (((y, place), &v), &at) in
                            y.iter_mut().zip(places.iter_mut()).zip(best).zip(at)
                        {
                            let take = better(v, *y);
                            *y = if take { v } else { *y };
                            *place = if take { at } else { *place };
                        }
                    }
                }
            },
        );
        (y, places)
    }

    fn backward<T: Float>(&self, places: &[u32], grad: &[T]) -> Vec<T> {
        let (plane, positions) = (
            self.planes.rows.input * self.planes.columns.input,
            self.planes.rows.output() * self.planes.columns.output(),
        );
        let mut dx = vec![T::zero(); grad.len() / positions * plane];
        each_chunk(&mut dx, plane, &|i, dx| {
            for (&at, &g) in chunk(places, positions, i).iter().zip(chunk(grad, positions, i)) {
                dx[at as usize] += g;
            }
        });
        dx
    }
}

impl Operation for Maxima {
    fn name(&self) -> &'static str {
        "max pool"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let y = for_float!(inputs[0].storage.dtype(), T => {
            let (y, places) = self.forward::<T>(stored(&inputs[0])?);
            // An operation runs forward once.
            self.places.get_or_init(|| places);
            storage::<T>(y)
        });
        Ok((y, Shape::from(self.shape.clone())))
    }

    fn backward(&self, _inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let grad = grad.contiguous()?;
        for_float!(grad.dtype(), T => {
            let grad_held = grad.storage_and_layout();
            let dx = self.backward(filled(&self.places)?, held::<T>(&grad_held)?);
            Ok(vec![Some(Tensor::from_vec(dx, &self.input, grad.device())?)])
        })
    }
}

struct GlobalMean {
    shape: [usize; 2],
    plane: usize,
    input: Shape,
}

impl GlobalMean {
    fn forward<T: Float>(&self, x: &[T]) -> Vec<T> {
        let mut y = vec![T::zero(); x.len() / self.plane];
        each_chunk(&mut y, PLANES, &|block, y| {
            for (y, plane) in
                y.iter_mut().zip(x[block * PLANES * self.plane..].chunks_exact(self.plane))
            {
                *y = T::from_f64(sum::sum(plane) / self.plane as f64);
            }
        });
        y
    }

    fn backward<T: Float>(&self, grad: &[T]) -> Vec<T> {
        let divisor = T::from_f64(self.plane as f64);
        let mut dx = vec![T::zero(); grad.len() * self.plane];
        each_chunk(&mut dx, self.plane, &|i, dx| dx.fill(grad[i] / divisor));
        dx
    }
}

impl Operation for GlobalMean {
    fn name(&self) -> &'static str {
        "global average pool"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let y = for_float!(inputs[0].storage.dtype(), T => storage::<T>(self.forward::<T>(stored(&inputs[0])?)));
        Ok((y, Shape::from(self.shape.to_vec())))
    }

    fn backward(&self, _inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let grad = grad.contiguous()?;
        for_float!(grad.dtype(), T => {
            let grad_held = grad.storage_and_layout();
            Ok(vec![Some(Tensor::from_vec(self.backward(held::<T>(&grad_held)?), &self.input, grad.device())?)])
        })
    }
}
