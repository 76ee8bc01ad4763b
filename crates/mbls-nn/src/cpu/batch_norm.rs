//! Batch normalisation, whose backward pass sweeps twice over the data, with a fused epilogue.

use super::kernel::sum::{self, gated};
use super::relu::gate;
use super::values::{Float, chunk, for_float, held, narrow, storage, stored, written};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::parallel::map;
use crate::shape::{BatchNormEpilogue, BatchNormOutput, Statistics};
use candle_core::{DType, Result, Shape, Storage, Tensor};

/// Target number of entries per task.
const TASK: usize = 1 << 14;

/// Sums are in `f64`; neither the normalised input nor the sum with a residual is kept.
pub(crate) fn batch_norm(
    x: &Tensor,
    affine: [&Tensor; 2],
    statistics: Statistics,
    epilogue: BatchNormEpilogue,
    eps: f64,
) -> Result<BatchNormOutput> {
    let x = x.contiguous()?;
    let (mean, variance, moments) = match statistics {
        Statistics::OfBatch => {
            let (channels, plane) = (x.dim(1)?, plane(&x));
            let moments = for_float!(x.dtype(), T => {
                let x_held = x.storage_and_layout();
                moments(held::<T>(&x_held)?, channels, plane)
            });
            let tensor = |values: &[f64]| Tensor::new(values, x.device())?.to_dtype(x.dtype());
            (tensor(&moments.0)?, tensor(&moments.1)?, moments)
        }
        Statistics::Given { mean, variance } => {
            let values = |t: &Tensor| t.to_dtype(DType::F64)?.to_vec1::<f64>();
            (mean.detach(), variance.detach(), (values(mean)?, values(variance)?))
        }
    };
    let own_statistics = matches!(statistics, Statistics::OfBatch);
    let output = normalise(&x, affine, moments, eps, own_statistics, epilogue)?;
    Ok(BatchNormOutput { output, mean, variance })
}

/// Returns the number of values per channel of one sample.
fn plane(x: &Tensor) -> usize {
    x.dims()[2..].iter().product()
}

fn normalise(
    x: &Tensor,
    affine: [&Tensor; 2],
    (mean, variance): (Vec<f64>, Vec<f64>),
    eps: f64,
    own_statistics: bool,
    epilogue: BatchNormEpilogue,
) -> Result<Tensor> {
    let inverse = variance.iter().map(|v| 1.0 / (v + eps).sqrt()).collect();
    // A candle operation has at most three inputs. Scale and shift are stacked, so that there is
    // room for the residual.
    let affine = Tensor::stack(&affine, 0)?;
    let rectified = matches!(epilogue, BatchNormEpilogue::Relu(_));
    let op = Normalise { plane: plane(x), mean, inverse, own_statistics, rectified };
    match epilogue {
        BatchNormEpilogue::Nothing | BatchNormEpilogue::Relu(None) => {
            graph::apply(op, [x, &affine], Keep { inputs: [true, true], result: rectified })
        }
        BatchNormEpilogue::Relu(Some(residual)) => {
            let keep = Keep { inputs: [true, true, false], result: true };
            graph::apply(op, [x, &affine, &residual.contiguous()?], keep)
        }
    }
}

/// Computes `y = (x - mean) inverse weight + bias` per channel, optionally adds a third input, and
/// optionally applies ReLU.
struct Normalise {
    plane: usize,
    mean: Vec<f64>,
    inverse: Vec<f64>,
    /// Whether the statistics are those of `x`, so the gradient flows through them.
    own_statistics: bool,
    rectified: bool,
}

impl Operation for Normalise {
    fn name(&self) -> &'static str {
        "batch norm"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let y = for_float!(inputs[0].storage.dtype(), T => {
            let (x, affine) = (stored::<T>(&inputs[0])?, stored::<T>(&inputs[1])?);
            storage::<T>(match (inputs.get(2), self.rectified) {
                (Some(residual), _) => self.forward::<T, true, true>(x, affine, stored(residual)?),
                (None, true) => self.forward::<T, false, true>(x, affine, x),
                (None, false) => self.forward::<T, false, false>(x, affine, x),
            })
        });
        Ok((y, inputs[0].layout.shape().clone()))
    }

    fn backward(&self, inputs: &[&Tensor], y: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (x, affine, grad) = (inputs[0], inputs[1], grad.contiguous()?);
        if inputs.len() == 3 {
            // The gradient of the residual is that of the sum; all other gradients follow from it.
            let grad = gate(y, &grad)?;
            let (dx, daffine) = self.gradients::<false>(x, affine, &grad, &grad)?;
            return Ok(vec![dx, daffine, Some(grad)]);
        }
        let (dx, daffine) = if self.rectified {
            self.gradients::<true>(x, affine, y, &grad)?
        } else {
            self.gradients::<false>(x, affine, &grad, &grad)?
        };
        Ok(vec![dx, daffine])
    }
}

impl Normalise {
    /// Computes the result. `ADDED`: with `residual`; `RECTIFIED`: with ReLU.
    fn forward<T: Float, const ADDED: bool, const RECTIFIED: bool>(
        &self,
        x: &[T],
        affine: &[T],
        residual: &[T],
    ) -> Vec<T> {
        let channels = self.mean.len();
        let (weight, bias) = affine.split_at(channels);
        let planes = (TASK / self.plane).max(1);
        let size = planes * self.plane;
        written(x.len(), size, &|i, y| {
            let (x, residual) = (chunk(x, size, i), chunk(residual, size, i));
            let lines =
                y.chunks_mut(self.plane).zip(x.chunks(self.plane)).zip(residual.chunks(self.plane));
            for (j, ((y, x), residual)) in lines.enumerate() {
                let c = (i * planes + j) % channels;
                let (mean, scale) =
                    (T::from_f64(self.mean[c]), T::from_f64(self.inverse[c] * weight[c].to_f64()));
                for ((y, &x), &residual) in y.iter_mut().zip(x).zip(residual) {
                    let mut value = (x - mean) * scale + bias[c];
                    if ADDED {
                        value += residual;
                    }
                    *y = if RECTIFIED && value <= T::zero() { T::zero() } else { value };
                }
            }
        })
    }

    /// Computes the gradient of the input, if needed, and of scale and shift. `GATED`: with ReLU's
    /// derivative, which follows from `y`.
    fn gradients<const GATED: bool>(
        &self,
        x: &Tensor,
        affine: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        for_float!(x.dtype(), T => {
            let held_tensors = [x, affine, y, grad].map(Tensor::storage_and_layout);
            let [xs, affines, ys, grads] = [0, 1, 2, 3].map(|i| held::<T>(&held_tensors[i]));
            let (xs, affines, ys, grads) = (xs?, affines?, ys?, grads?);
            let sums = self.gradient_sums::<T, GATED>(xs, ys, grads);
            let dx = if x.track_op() { let values = self.backward::<T, GATED>(xs, affines, ys, grads, &sums);
                    Some(Tensor::from_vec(values, x.shape(), x.device())?) } else { None };
            let dweight = sums.iter().zip(&self.inverse).map(|(sum, inverse)| sum.1 * inverse);
            let values: Vec<T> = dweight.chain(sums.iter().map(|sum| sum.0)).map(narrow::<T>).collect();
            Ok((dx, Some(Tensor::from_vec(values, affine.shape(), x.device())?)))
        })
    }

    /// Returns, per channel, the sums of `g` and of `g (x - mean)`.
    fn gradient_sums<T: Float, const GATED: bool>(
        &self,
        x: &[T],
        y: &[T],
        g: &[T],
    ) -> Vec<(f64, f64)> {
        let channels = self.mean.len();
        let one = |c: usize| {
            let mean = T::from_f64(self.mean[c]);
            let planes = |v| sum::planes(v, channels, self.plane, c);
            let (mut plain, mut product) = (0.0, 0.0);
            for ((g, x), y) in planes(g).zip(planes(x)).zip(planes(y)) {
                let sums = sum::gradients::<T, GATED>(g, x, y, mean);
                (plain, product) = (plain + sums.0, product + sums.1);
            }
            (plain, product)
        };
        map(channels, &one)
    }

    /// Computes `dx = weight inverse (g - mean(g) - x_hat mean(g x_hat))`, or only its first term
    /// with given statistics.
    fn backward<T: Float, const GATED: bool>(
        &self,
        x: &[T],
        weight: &[T],
        y: &[T],
        g: &[T],
        sums: &[(f64, f64)],
    ) -> Vec<T> {
        let channels = self.mean.len();
        let count = (x.len() / channels) as f64;
        let planes = (TASK / self.plane).max(1);
        let size = planes * self.plane;
        written(x.len(), size, &|i, dx| {
            let [x, y, g] = [x, y, g].map(|values| chunk(values, size, i).chunks(self.plane));
            for (j, (((dx, x), y), g)) in dx.chunks_mut(self.plane).zip(x).zip(y).zip(g).enumerate()
            {
                let c = (i * planes + j) % channels;
                let scale = T::from_f64(self.inverse[c] * weight[c].to_f64());
                if !self.own_statistics {
                    for ((dx, &y), &g) in dx.iter_mut().zip(y).zip(g) {
                        *dx = gated::<T, GATED>(g, y) * scale;
                    }
                    continue;
                }
                let (mean, offset) = (T::from_f64(self.mean[c]), T::from_f64(sums[c].0 / count));
                let slope = T::from_f64(sums[c].1 / count * self.inverse[c] * self.inverse[c]);
                for (((dx, &x), &y), &g) in dx.iter_mut().zip(x).zip(y).zip(g) {
                    *dx = (gated::<T, GATED>(g, y) - offset - (x - mean) * slope) * scale;
                }
            }
        })
    }
}

/// Returns mean and biased variance per channel; the variance takes a second sweep around the mean.
fn moments<T: Float>(x: &[T], channels: usize, plane: usize) -> (Vec<f64>, Vec<f64>) {
    let count = (x.len() / channels) as f64;
    let one = |c: usize| {
        let mean = sum::planes(x, channels, plane, c).map(sum::sum).sum::<f64>() / count;
        // Rounding the centre to T shifts the sum of squares by count (mean - centre)^2.
        let centre = T::from_f64(mean);
        let squares: f64 =
            sum::planes(x, channels, plane, c).map(|x| sum::squares(x, centre)).sum();
        (mean, (squares / count - (mean - centre.to_f64()).powi(2)).max(0.0))
    };
    map(channels, &one).into_iter().unzip()
}
