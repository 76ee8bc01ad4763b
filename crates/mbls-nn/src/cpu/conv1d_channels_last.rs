//! Channels-last convolution over time: products of overlapping rows, without gathering.
//!
//! The window at time `t` is `k` consecutive rows of the input, `x[t * C ..][.. k * C]`. The matrix
//! of all windows is therefore the input itself with row stride `C`. The gradient of the input has
//! the same form, over the zero-padded gradient of the result.

use super::kernel::matrix::{Matrix, multiply};
use super::kernel::{sum::gated, time};
use super::values::{Float, chunk, for_float, held, narrow, storage, stored};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::parallel::{each_chunk, each_pair_with, map_tasks_with};
use crate::shape::{ChannelsLastDims, ConvEpilogue};
use candle_core::{Result, Shape, Storage, Tensor, bail};
use std::sync::{Arc, OnceLock};

/// Number of tasks of a backward pass, each with its own gradient of the weight. It is fixed, so
/// that the exact result does not depend on the number of threads.
const BLOCKS: usize = 32;

/// Target maximum of entries of those gradients. If they exceed it, there are fewer tasks.
const SUMS: usize = 1 << 22;

pub(crate) fn conv1d_channels_last(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    dims: ChannelsLastDims,
) -> Result<Tensor> {
    let inputs = [&x.contiguous()?, &weight.contiguous()?, &bias.contiguous()?];
    let op = Convolution { dims, tracked: graph::tracks(&inputs), places: Arc::default() };
    let keep = Keep { inputs: [true, true, false], result: dims.epilogue != ConvEpilogue::Nothing };
    graph::apply(op, inputs, keep)
}

/// The positions of the maxima: their offsets within windows, or their times.
enum Places {
    None,
    Offsets(Vec<u8>),
    Times(Vec<u32>),
}

struct Convolution {
    dims: ChannelsLastDims,
    /// Whether a backward pass may follow.
    tracked: bool,
    /// Set by the forward pass.
    places: Arc<OnceLock<Places>>,
}

/// The gradients of input, weight and bias; a gradient that is not needed is empty.
struct Found<T> {
    dx: Vec<T>,
    dw: Vec<T>,
    db: Vec<T>,
}

impl Convolution {
    /// Returns the number of entries of a window.
    fn depth(&self) -> usize {
        self.dims.kernel * self.dims.inputs
    }

    /// Returns the windows of one sequence, row by row.
    fn windows<'a, T>(&self, x: &'a [T]) -> Matrix<'a, T> {
        Matrix::strided(x, self.dims.positions, self.depth(), self.dims.inputs)
    }

    /// Converts the weight `[O, C, k]` to `[O, k, C]`, so that every row is laid out like a window.
    fn rows<T: Float>(&self, weight: &[T]) -> Vec<T> {
        transpose_each(weight, self.dims.inputs, self.dims.kernel)
    }

    fn forward<T: Float>(&self, x: &[T], weight: &[T], bias: &[T]) -> (Vec<T>, Places) {
        let ChannelsLastDims { sequences, length, inputs, outputs, positions, pooled, .. } =
            self.dims;
        let weight = transpose_each(&self.rows(weight), outputs, self.depth());
        let weight = Matrix::new(&weight, self.depth(), outputs);
        let mut y = vec![T::zero(); sequences * pooled * outputs];
        let convolve = |sequence: usize, y: &mut [T]| {
            y.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
            multiply(y, self.windows(chunk(x, length * inputs, sequence)), weight, true);
        };
        let scratch = || (vec![T::zero(); positions * outputs], time::Best::new(outputs));
        let places = match self.dims.epilogue {
            ConvEpilogue::Nothing => {
                each_chunk(&mut y, pooled * outputs, &convolve);
                Places::None
            }
            ConvEpilogue::Relu => {
                each_chunk(&mut y, pooled * outputs, &|i, y| {
                    convolve(i, y);
                    time::rectify(y);
                });
                Places::None
            }
            ConvEpilogue::ReluMaxPool(pool) => {
                let mut offsets =
                    vec![0u8; if self.tracked { sequences * pooled * outputs } else { 0 }];
                let mut parts: Vec<&mut [u8]> = offsets.chunks_mut(pooled * outputs).collect();
                parts.resize_with(sequences, Default::default);
                let tasks = y.chunks_mut(pooled * outputs).zip(parts).collect();
                map_tasks_with(tasks, &scratch, &|(all, best), i, (y, places)| {
                    convolve(i, all);
                    time::sliding_maxima(all, outputs, pool, y, places, best);
                });
                Places::Offsets(offsets)
            }
            ConvEpilogue::ReluMax => {
                let mut times = vec![0u32; sequences * outputs];
                let (y, times_of) = ((&mut y[..], pooled * outputs), (&mut times[..], outputs));
                each_pair_with(y, times_of, &scratch, &|(all, best), i, y, times| {
                    convolve(i, all);
                    time::maxima(all, y, times, best);
                });
                Places::Times(times)
            }
        };
        (y, places)
    }

    fn backward<T: Float>(
        &self,
        x: &[T],
        weight: &[T],
        y: &[T],
        grad: &[T],
        want: (bool, bool),
    ) -> Result<Found<T>> {
        match self.places.get() {
            Some(Places::Times(times)) => {
                Ok(self.backward_of_maxima(x, weight, y, grad, times, want))
            }
            Some(Places::Offsets(offsets)) => {
                Ok(self.backward_of_rows(x, weight, y, grad, offsets, want))
            }
            Some(Places::None) => Ok(self.backward_of_rows(x, weight, y, grad, &[], want)),
            None => bail!(
                "channels-last conv1d: the places of the maxima are not known before the forward pass"
            ),
        }
    }

    /// Computes the gradients if the result has many rows.
    fn backward_of_rows<T: Float>(
        &self,
        x: &[T],
        weight: &[T],
        y: &[T],
        grad: &[T],
        offsets: &[u8],
        want: (bool, bool),
    ) -> Found<T> {
        let ChannelsLastDims { length, inputs, outputs, kernel, positions, pooled, .. } = self.dims;
        let size = pooled * outputs;
        let border = (kernel - 1) * outputs;
        // [k, O, C], with reversed kernels.
        let turned = if want.0 { self.turned(weight) } else { Vec::new() };
        let scratch = || (vec![T::zero(); positions * outputs + 2 * border], Vec::new());
        let one = |(padded, partial): &mut (Vec<T>, Vec<T>),
                   n: usize,
                   dx: &mut [T],
                   dw: &mut [T],
                   db: &mut [f64]| {
            let dy = &mut padded[border..][..positions * outputs];
            let grad = &grad[n * size..][..size];
            match self.dims.epilogue {
                ConvEpilogue::Nothing => dy.copy_from_slice(grad),
                ConvEpilogue::ReluMaxPool(pool) => {
                    dy.fill(T::zero());
                    time::spread(
                        &y[n * size..][..size],
                        grad,
                        &offsets[n * size..][..size],
                        outputs,
                        pool,
                        dy,
                    );
                }
                _ => {
                    let gates = grad.iter().zip(&y[n * size..]);
                    dy.iter_mut().zip(gates).for_each(|(d, (&g, &y))| *d = gated::<T, true>(g, y));
                }
            }
            time::add_column_sums(dy, outputs, db, partial);
            if want.1 {
                let windows = self.windows(&x[n * length * inputs..][..length * inputs]);
                multiply(dw, windows.transpose(), Matrix::new(dy, positions, outputs), true);
            }
            if want.0 {
                let windows = Matrix::strided(padded, length, kernel * outputs, outputs);
                multiply(dx, windows, Matrix::new(&turned, kernel * outputs, inputs), false);
            }
        };
        let (dx, dw, db) = self.in_blocks(want, scratch, one);
        Found { dx, dw: self.straight(&transpose_each(&dw, self.depth(), outputs)), db }
    }

    /// Computes the gradients if the result is the maxima over all time: each comes from one
    /// window.
    fn backward_of_maxima<T: Float>(
        &self,
        x: &[T],
        weight: &[T],
        y: &[T],
        grad: &[T],
        times: &[u32],
        want: (bool, bool),
    ) -> Found<T> {
        let ChannelsLastDims { length, inputs, outputs, .. } = self.dims;
        let depth = self.depth();
        let rows = if want.0 { self.rows(weight) } else { Vec::new() };
        let one = |(): &mut (), n: usize, dx: &mut [T], dw: &mut [T], db: &mut [f64]| {
            let x = &x[n * length * inputs..][..length * inputs];
            for o in 0..outputs {
                let at = n * outputs + o;
                let g = gated::<T, true>(grad[at], y[at]);
                let start = times[at] as usize * inputs;
                db[o] += g.to_f64();
                let add = |to: &mut [T], from: &[T]| {
                    to.iter_mut().zip(from).for_each(|(t, &f)| *t += g * f);
                };
                if want.1 {
                    add(&mut dw[o * depth..][..depth], &x[start..][..depth]);
                }
                if want.0 {
                    add(&mut dx[start..][..depth], &rows[o * depth..][..depth]);
                }
            }
        };
        let (dx, dw, db) = self.in_blocks(want, || (), one);
        Found { dx, dw: self.straight(&dw), db }
    }

    /// Calls `one` for every sequence, with its part of the input's gradient and with gradients of
    /// weight and bias to add to. These are summed in the order of the sequences.
    fn in_blocks<T: Float, S: Send>(
        &self,
        want: (bool, bool),
        scratch: impl Fn() -> S + Send + Sync,
        one: impl Fn(&mut S, usize, &mut [T], &mut [T], &mut [f64]) + Send + Sync,
    ) -> (Vec<T>, Vec<T>, Vec<T>) {
        let ChannelsLastDims { sequences, length, inputs, outputs, .. } = self.dims;
        let weights = if want.1 { outputs * self.depth() } else { 0 };
        let blocks = (SUMS / weights.max(1)).clamp(BLOCKS / 4, BLOCKS);
        let (block, size) = (sequences.div_ceil(blocks), length * inputs);
        let mut dx = vec![T::zero(); if want.0 { sequences * size } else { 0 }];
        let mut parts: Vec<&mut [T]> = dx.chunks_mut(block * size).collect();
        parts.resize_with(sequences.div_ceil(block), Default::default);
        let sums = map_tasks_with(parts, &scratch, &|scratch, i, dx: &mut [T]| {
            let (mut dw, mut db) = (vec![T::zero(); weights], vec![0.0; outputs]);
            let mut each = dx.chunks_mut(size);
            for n in i * block..sequences.min((i + 1) * block) {
                one(scratch, n, each.next().unwrap_or_default(), &mut dw, &mut db);
            }
            (dw, db)
        });
        let (mut dw, mut db) = (vec![T::zero(); weights], vec![0.0; outputs]);
        for (part, bias) in &sums {
            dw.iter_mut().zip(part).for_each(|(sum, &term)| *sum += term);
            db.iter_mut().zip(bias).for_each(|(sum, &term)| *sum += term);
        }
        (dx, dw, db.into_iter().map(narrow::<T>).collect())
    }

    /// Converts the weight `[O, C, k]` to `[k, O, C]` with reversed kernels.
    fn turned<T: Float>(&self, weight: &[T]) -> Vec<T> {
        let ChannelsLastDims { inputs, outputs, kernel, .. } = self.dims;
        let mut turned = vec![T::zero(); weight.len()];
        for (i, taps) in weight.chunks_exact(kernel).enumerate() {
            taps.iter().rev().enumerate().for_each(|(v, &w)| turned[v * outputs * inputs + i] = w);
        }
        turned
    }

    /// Converts `[O, k, C]` to the order of the weight.
    fn straight<T: Float>(&self, rows: &[T]) -> Vec<T> {
        transpose_each(rows, self.dims.kernel, self.dims.inputs)
    }
}

/// Transposes consecutive matrices of `rows` rows and `columns` columns.
fn transpose_each<T: Float>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    let mut out = vec![T::zero(); values.len()];
    for (from, to) in values.chunks_exact(rows * columns).zip(out.chunks_exact_mut(rows * columns))
    {
        for (j, to) in to.chunks_exact_mut(rows).enumerate() {
            to.iter_mut().zip(from[j..].iter().step_by(columns)).for_each(|(t, &f)| *t = f);
        }
    }
    out
}

impl Operation for Convolution {
    fn name(&self) -> &'static str {
        "channels-last conv1d"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let y = for_float!(inputs[0].storage.dtype(), T => {
            let (y, places) = self.forward::<T>(stored(&inputs[0])?, stored(&inputs[1])?, stored(&inputs[2])?);
            // An operation runs forward once.
            self.places.get_or_init(|| places);
            storage::<T>(y)
        });
        Ok((y, Shape::from(self.dims.out_shape())))
    }

    fn backward(&self, inputs: &[&Tensor], result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (x, weight, grad) = (inputs[0], inputs[1], grad.contiguous()?);
        for_float!(x.dtype(), T => {
            let held_tensors = [x, weight, &grad].map(Tensor::storage_and_layout);
            let [xs, weights, grads] = held_tensors.each_ref().map(held::<T>);
            let want = (x.track_op(), weight.track_op());
            let found = match self.dims.epilogue {
                ConvEpilogue::Nothing => self.backward::<T>(xs?, weights?, &[], grads?, want)?,
                _ => self.backward::<T>(xs?, weights?, held(&result.storage_and_layout())?, grads?, want)?,
            };
            let dx = want.0.then(|| Tensor::from_vec(found.dx, x.shape(), x.device())).transpose()?;
            let dw = want.1.then(|| Tensor::from_vec(found.dw, weight.shape(), x.device())).transpose()?;
            Ok(vec![dx, dw, Some(Tensor::from_vec(found.db, self.dims.outputs, x.device())?)])
        })
    }
}
